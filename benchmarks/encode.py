"""Speed of encoding next to sentence-transformers and a DataLoader (`make bench-encode`).

The same texts and pictures through the same weights, in turn in one process; printed are medians
of items a second and the ratio to the peer, tokenizer or decoder to features. Runs in the
environment of the peers. The weights of BERT-base and the ResNets are random: only speed counts.
"""

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
import torchvision
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from transformers import AutoTokenizer, BertConfig, BertModel

from prodmatch.embedding.encode import encode_pictures
from prodmatch.encoders.device import CPU, Compute, Precision, has_bf16, has_int8
from prodmatch.encoders.quickest import open_image_encoder, open_text_encoder
from prodmatch.model.description import open_model
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.features import FeatureStore, content_key

TEXT = TextSpec(max_tokens=64)
Job = Callable[[], object]


@dataclass(frozen=True)
class Pictures:
    """Pictures in memory, as a catalogue gives them."""

    data: tuple[bytes, ...]
    name: str = "pictures"

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
        for row in rows.tolist():
            yield row, self.data[row]


class Decoded(Dataset[torch.Tensor]):
    """The same as torchvision's transforms give them."""

    def __init__(self, data: Sequence[bytes]) -> None:
        self.data = data
        scale = v2.ToDtype(torch.float32, scale=True)
        usual = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.prepare = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.ToImage(), scale, usual])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, place: int) -> torch.Tensor:
        pixels: torch.Tensor = self.prepare(Image.open(io.BytesIO(self.data[place])).convert("RGB"))
        return pixels


def draw_pictures(count: int) -> tuple[bytes, ...]:
    """JPEGs of 1,000 px with large shapes and fine grain."""
    rng, found = np.random.default_rng(0), []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
        large = np.asarray(coarse.resize((1000, 1000), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-12, 13, (1000, 1000, 1), dtype=np.int16)
        out = io.BytesIO()
        Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(out, "JPEG")
        found.append(out.getvalue())
    return tuple(found)


def text_jobs(folder: Path, texts: Sequence[str], graphs: Path) -> dict[str, Job]:
    peer = SentenceTransformer(modules=[words := Transformer(str(folder)), _pooling(words)])
    peer.max_seq_length = TEXT.max_tokens
    jobs: dict[str, Job] = {"sentence-transformers": lambda: peer.encode(texts)}
    for precision in quick_precisions():
        encoder = open_text_encoder(folder, TEXT, Compute(CPU.device, precision), graphs)
        jobs[f"ours, {precision}"] = lambda encoder=encoder: encoder.encode(texts)
    return jobs


def _pooling(words: Transformer) -> Pooling:
    return Pooling(words.get_word_embedding_dimension())


def quick_precisions() -> list[Precision]:
    found: list[Precision] = ["float32"]
    return found + ["bf16"] * has_bf16(CPU.device) + ["int8"] * has_int8(CPU.device)  # type: ignore[list-item]


def picture_jobs(architecture: str, data: tuple[bytes, ...], folder: Path) -> dict[str, Job]:
    torch.manual_seed(0)
    network = torchvision.models.get_model(architecture, weights=None)
    (folder / architecture).mkdir()
    from safetensors.torch import save_file

    save_file(network.state_dict(), folder / architecture / "model.safetensors")
    network.fc = torch.nn.Identity()
    network.eval()
    cores = len(os.sched_getaffinity(0))

    @torch.inference_mode()
    def loop() -> None:
        for batch in DataLoader(Decoded(data), 64, num_workers=cores):
            network(batch)

    jobs: dict[str, Job] = {"DataLoader, float32": loop}
    spec = ImageSpec(architecture, fit="crop", resize_pixels=256, crop_pixels=224,
                     interpolation="bilinear")  # fmt: skip
    keys, rows = [content_key(each) for each in data], np.arange(len(data))
    for precision in quick_precisions()[:2]:
        compute = Compute(CPU.device, precision)
        encoder = open_image_encoder(folder / architecture, spec, compute, folder / "graphs")

        def encode(encoder: object = encoder) -> None:
            with tempfile.TemporaryDirectory() as store:
                encode_pictures(Pictures(data), rows, keys, encoder, FeatureStore(Path(store)))  # type: ignore[arg-type]

        jobs[f"ours, {precision}"] = encode
    return jobs


def report(name: str, count: int, jobs: dict[str, Job], rounds: int) -> None:
    """Medians over the rounds, after one that warms up, and the peer's share."""
    taken: dict[str, list[float]] = {job: [] for job in jobs}
    for _ in range(rounds + 1):
        for job, run in jobs.items():
            started = time.perf_counter()
            run()
            taken[job].append(time.perf_counter() - started)
    rates = {job: count / statistics.median(seconds[1:]) for job, seconds in taken.items()}
    peer = next(iter(rates.values()))
    for job, rate in rates.items():
        sys.stdout.write(f"{name:24}{job:24}{rate:10.1f}/s{rate / peer:8.2f}x\n")
        sys.stdout.flush()


def measure_peak() -> None:
    """The machine's own peak: a product of matrices in float32 and in bf16."""
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.randn(2, 1536, 1536).to(dtype)
        seconds = []
        for _ in range(6):
            started = time.perf_counter()
            left @ right
            seconds.append(time.perf_counter() - started)
        rate = 2 * 1536**3 / min(seconds) / 1e9
        sys.stdout.write(f"{'product of matrices':24}{dtype!s:24}{rate:10.0f} GFLOP/s\n")


def main() -> None:
    """Prints a line for each way to encode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, required=True, help="a catalogue with titles")
    parser.add_argument("--text-count", type=int, default=3000)
    parser.add_argument("--picture-count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    columns = pq.read_table(options.texts, columns=["title", "description"]).to_pylist()
    texts = [". ".join(filter(None, row.values())) for row in columns]
    texts = list(dict.fromkeys(texts))[: options.text_count]
    words = statistics.mean(len(text.split()) for text in texts)
    sys.stdout.write(f"{len(texts)} texts of {words:.0f} words, {options.picture_count} pictures\n")
    measure_peak()
    minilm = open_model("compact").encoders.text_folder
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = folder / "base"
        BertModel(BertConfig()).save_pretrained(base)
        AutoTokenizer.from_pretrained(minilm).save_pretrained(base)
        for label, encoder in (("MiniLM, 6 layers of 384", minilm), ("BERT-base", base)):
            if options.only in label:
                report(label, len(texts), text_jobs(encoder, texts, folder), options.rounds)
        pictures = draw_pictures(options.picture_count)
        for architecture in ("resnet18", "resnet50"):
            if options.only in architecture:
                jobs = picture_jobs(architecture, pictures, folder)
                report(architecture, len(pictures), jobs, options.rounds)


if __name__ == "__main__":
    main()
