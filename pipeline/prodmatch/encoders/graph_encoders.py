"""Encoders by their exported graphs, in float32 or 8-bit integers on a CPU, without torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from prodmatch.encoders.batches import ImageBatches, TextBatches, Tokens
from prodmatch.encoders.device import CPU, Precision, has_int8
from prodmatch.encoders.graphs import read_token_limits
from prodmatch.model.onnx_session import Session, open_session, output_width, run_session
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.storage.vectors import Vectors

SAMPLE_TEXTS = (
    "red t-shirt",
    "women's leather handbag, black",
    "usb-c cable 2 m",
    "Stuhl für Gäste",
)
INT8_IMAGE_ROWS = 4  # whose maps stay in the cache: a tenth less of a processor than 16 take


def sample_pictures(spec: ImageSpec) -> Pixels:
    """Four pictures of noise, three of them half white, in the size that an encoder sees."""
    side = spec.crop_pixels
    pixels = np.random.default_rng(0).integers(0, 255, (4, side, side, 3), dtype=np.uint8)
    pixels[1:, : side // 2] = 255  # most products stand on plain white
    return pixels


def open_graph(graph: Path, wide_integers: bool | None = None) -> Session:
    """A graph ready to run, batch by batch, each on one thread.

    Args:
        wide_integers: multiply 8-bit integers as wider ones, which no processor does with overflow;
            by default where this one does not multiply 8-bit ones itself.
    """
    wide = not has_int8(CPU.device) if wide_integers is None else wide_integers
    return open_session(graph, long_lived=True, threads=1, wide_integers=wide)


class OnnxTextEncoder(TextBatches):
    """Texts to features through `text.onnx`."""

    def __init__(
        self, folder: Path, spec: TextSpec, graph: Path, *, wide_integers: bool | None = None
    ) -> None:
        """Opens a model directory for its tokenizer, and its graph as `open_graph` does."""
        self.session = open_graph(graph, wide_integers)
        super().__init__(spec, read_token_limits(graph), output_width(self.session))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_tokens)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut to `max_tokens`."""
        return [encoded.ids for encoded in self.tokenizer.encode_batch(list(texts))]

    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""
        return run_session(self.session, {"ids": ids, "mask": mask})


class OnnxImageEncoder(ImageBatches):
    """Pictures to features through `image.onnx`."""

    def __init__(
        self,
        spec: ImageSpec,
        graph: Path,
        precision: Precision = "float32",
        *,
        wide_integers: bool | None = None,
    ) -> None:
        """Opens a graph as `open_graph` does."""
        self.session = open_graph(graph, wide_integers)
        super().__init__(spec, output_width(self.session))
        if precision == "int8":
            self.rows = INT8_IMAGE_ROWS

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        return run_session(self.session, {"pixels": pixels})
