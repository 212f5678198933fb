"""Query encoders: texts and pictures to features by onnxruntime, and to unit parts by heads."""

import re
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tokenizers import Tokenizer

from prodmatch.errors import DamagedError
from prodmatch.lexical.folding import fold
from prodmatch.lexical.terms import names_one
from prodmatch.model.description import ModelDescription, read_description
from prodmatch.model.heads import Heads
from prodmatch.model.onnx_session import Session, open_session, run_session
from prodmatch.model.preprocessing import Pixels, least_size, preprocess_image
from prodmatch.storage.atomic import read_json
from prodmatch.storage.vectors import Vectors

ROWS = 32
UNKNOWN_TOKENS = ("[UNK]", "<unk>")
SIGNS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # of Chinese, Japanese, Korean
LONG_CODE = 5  # letters and digits of a word, from which on it may be a code
CODE_PIECE = 4  # letters of a token in a code, from which on it is a word: "galaxy" in "galaxys21"
MIN_SIGNS = 2_000  # in the vocabulary of an encoder that knows them


class QueryEncoders:
    """The encoders in a generation; each is loaded when it is first needed, by one thread."""

    def __init__(self, folder: Path, *, long_lived: bool = True) -> None:
        """Opens a directory that `export_encoders` made.

        Args:
            long_lived: whether many queries will follow; for a single one, arranging the
                weights for speed takes longer than it saves.
        """
        self.folder = folder
        self._long_lived = long_lived
        self.content = read_json(folder / "encoders.json")
        #: The model that the encoders were exported from.
        self.description: ModelDescription = read_description(
            self.content, folder / "encoders.json"
        )
        self._loading = threading.Lock()
        self._sessions: dict[str, Session] = {}

    @property
    def model_fingerprint(self) -> str:
        """The fingerprint of that model."""
        return str(self.content["model_fingerprint"])

    @property
    def dim(self) -> int:
        """Dimensions of one part."""
        return int(str(self.content["dim"]))

    def texts(self, texts: Sequence[str], *, passage: bool = False) -> Vectors:
        """Unit parts `(n, dim)` of queries, or of products' texts, in order."""
        return self.texts_and_familiarity(texts, passage=passage)[0]

    def texts_and_familiarity(
        self, texts: Sequence[str], *, passage: bool = False
    ) -> tuple[Vectors, npt.NDArray[np.float64]]:
        """Unit parts `(n, dim)` of texts, and how familiar each is to the model, 0 to 1: `(n,)`."""
        spec = self.description.text
        prefixed = [(spec.passage if passage else spec.query)(text) for text in texts]
        order = np.argsort([len(text) for text in prefixed], kind="stable")
        parts, familiar = np.zeros((len(texts), self.dim), dtype=np.float32), np.ones(len(texts))
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            encoded = self._tokenizer.encode_batch([prefixed[row] for row in rows])
            ids = np.array([row.ids for row in encoded], dtype=np.int64)
            mask = np.array([row.attention_mask for row in encoded], dtype=np.int64)
            features = run_session(self._session("text.onnx"), {"ids": ids, "mask": mask})
            parts[rows] = self._heads.texts(features)
            familiar[rows] = self._heads.text.familiarities(features)
        return parts, familiar

    def pictures(self, pixels: Pixels) -> Vectors:
        """Unit parts `(n, dim)` of preprocessed pictures `(n, side, side, 3)`."""
        features = [
            run_session(self._session("image.onnx"), {"pixels": pixels[start : start + ROWS]})
            for start in range(0, len(pixels), ROWS)
        ]
        return self._heads.pictures(np.concatenate(features))

    def preprocess(self, picture: Image.Image) -> Pixels:
        """The square of an RGB picture that the encoder sees, `(side, side, 3)`."""
        return preprocess_image(picture, self.description.image)

    def least_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The width and height that a picture of a size is to be decoded in, as products' are."""
        return least_size(size, self.description.image)

    def knows(self, word: str) -> bool:
        """Whether the text encoder has a token for the whole word, not only for its pieces."""
        return word in self._words

    def knowledge(self, text: str) -> float:
        """The share of a text's letters and digits in tokens that mean something, in 0..1.

        Unknown tokens mean nothing, nor do single letters, which any text can be spelled from,
        unless it is a script of which the encoder knows thousands of signs; nor short pieces of a
        code, nor numbers alone.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        codes = [each.span() for each in re.finditer(r"\S+", text) if _is_long_code(each.group())]
        known = total = 0
        has_words = False
        for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
            piece = text[start:end]
            count = sum(map(str.isalnum, piece))
            inside = start > 0 and text[start - 1].isalnum()
            is_code = inside and any(map(str.isdigit, piece))
            is_code |= count < CODE_PIECE and any(first <= start < last for first, last in codes)
            total += count
            if token not in UNKNOWN_TOKENS and not is_code and (count > 1 or self._is_sign(piece)):
                known += count
                has_words |= any(map(str.isalpha, piece))
        return known / total if total and has_words else 0.0

    def _is_sign(self, piece: str) -> bool:
        """Whether a single letter is a word of a script that the encoder knows."""
        return bool(SIGNS.fullmatch(piece)) and self._knows_signs

    @cached_property
    def _knows_signs(self) -> bool:
        tokens = self._tokenizer.get_vocab(with_added_tokens=False)
        return sum(bool(SIGNS.search(token)) for token in tokens) >= MIN_SIGNS

    def words_like(self, letter: str, shortest: int, longest: int) -> list[str]:
        """Whole words that it knows, with that first letter and of these lengths."""
        lengths = range(shortest, longest + 1)
        return [word for word in self._words if word[0] == letter and len(word) in lengths]

    @cached_property
    def _words(self) -> frozenset[str]:
        tokens = self._tokenizer.get_vocab(with_added_tokens=False)
        if any(token.startswith("##") for token in tokens):  # WordPiece marks what goes on a word
            words = [token for token in tokens if not token.startswith("##")]
        else:  # others mark the space before a word, if anything
            marked = [token[1:] for token in tokens if token.startswith(("\u2581", "\u0120"))]
            words = marked or list(tokens)
        return frozenset(word.casefold() for word in words if word.isalpha())

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        path = self.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # it raises nothing narrower
            raise DamagedError(f"{path}: holds no tokenizer that can be read ({error}).") from error
        tokenizer.enable_truncation(int(str(self.content["max_tokens"])))
        tokenizer.enable_padding(pad_id=int(str(self.content["pad_id"])))
        return tokenizer

    @cached_property
    def _heads(self) -> Heads:
        return Heads.open(self.folder / "heads.safetensors")

    def _session(self, name: str) -> Session:
        with self._loading:
            if name not in self._sessions:
                self._sessions[name] = open_session(self.folder / name, long_lived=self._long_lived)
            return self._sessions[name]


def _is_long_code(word: str) -> bool:
    """Whether a word is a code, such as a model number, and no size, price or year."""
    plain = "".join(filter(str.isalnum, fold(word)))
    return len(plain) >= LONG_CODE and names_one(plain)
