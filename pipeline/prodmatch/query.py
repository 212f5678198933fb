"""Job: questions to hits; searches by words, by text vectors and by picture vectors at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.ann import AnnIndex
from prodmatch.asking import QueryEncoders
from prodmatch.errors import DamagedError, MismatchError, QueryError
from prodmatch.generations import Generation, open_generation
from prodmatch.images import ImageFault, decode_image
from prodmatch.models import Model
from prodmatch.products import Matches, Products
from prodmatch.questions import Question
from prodmatch.ranking import Legs, Ranked, check_weights, rank
from prodmatch.vectors import Vectors, normalise, split_halves

__all__ = ["Hit", "ProductIndex", "open_index"]

CANDIDATES = 200  # of each leg; all legs score the union
MOST_HITS = 10_000
MOST_CHARACTERS = 10_000  # of a query; what follows is not read


@dataclass(frozen=True)
class Hit:
    """A product found. `score == lexical + text + image`, each leg's share of it."""

    query_id: str
    rank: int  # from 1
    product_id: str
    score: float  # higher is better, comparable within one query
    probability: float  # that the product matches, from its cosines
    lexical: float
    text: float
    image: float
    generation: int
    metadata: Mapping[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Names and values, the metadata among them, for JSON."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        metadata = own.pop("metadata")
        return {**own, **{name: value for name, value in metadata.items() if name not in own}}


@dataclass(frozen=True)
class _Probe:
    """A question in the shared space: a unit vector for each half, and words."""

    words: str | None
    text: Vectors  # (dim,) unit, meets the text halves
    image: Vectors  # (dim,) unit, meets the picture halves
    left_out: int | None = None  # the row asked about


class ProductIndex:
    """One open generation. It holds no lock and may be used from several threads."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation

    @cached_property
    def encoders(self) -> QueryEncoders:
        """The generation's query encoders."""
        encoders = QueryEncoders(self.generation.folder / "encoders")
        if encoders.model_fingerprint != self.generation.manifest["model_fingerprint"]:
            raise DamagedError(
                f"{encoders.folder}: are the encoders of another model than the index's. "
                "Go back with 'prodmatch rollback'."
            )
        return encoders

    @cached_property
    def products(self) -> Products:
        """Metadata, filters and words."""
        return Products(self.generation.folder / "products.sqlite")

    @cached_property
    def _ann(self) -> AnnIndex:
        path, generation = self.generation.folder / "index.faiss", self.generation
        return AnnIndex.open(path, row_count=generation.product_count, dim=generation.dim)

    def search(
        self,
        text: str | None = None,
        *,
        image: bytes | None = None,
        where: str | None = None,
        top: int = 10,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The `top` best products for words, a picture's bytes, or both; best first.

        Raises:
            QueryError: the question, the filter or the weights cannot be used.
        """
        question = Question(text=text, image=image)
        return self.search_many([question], where=where, top=top, weights=weights)[0]

    def search_many(
        self,
        questions: Sequence[Question],
        *,
        where: str | None = None,
        top: int = 10,
        weights: Mapping[str, float] | None = None,
    ) -> list[list[Hit]]:
        """The hits of each question, in order; texts and pictures are encoded in batches.

        Args:
            questions: what is asked.
            where: an SQL condition over the catalogue's columns, applied before ranking.
            top: hits of a question, 1 to 10,000; fewer come back where fewer exist.
            weights: of `lexical`, `text` and `image`; those of the index if None.

        Raises:
            QueryError: a question, the filter or the weights cannot be used.
        """
        if not 1 <= top <= MOST_HITS:
            raise QueryError(f"--top {top}: must be from 1 to {MOST_HITS}.")
        chosen = self._weights(weights)
        within = self.products.rows_where(where) if where is not None else None
        probes = self._probes(questions)
        return [
            self._answer(question, probe, within, top, chosen)
            for question, probe in zip(questions, probes, strict=True)
        ]

    def _weights(self, weights: Mapping[str, float] | None) -> dict[str, float]:
        if weights is not None:
            return check_weights(weights)
        return {**self.encoders.description.weights, **self.generation.weights}

    def _probes(self, questions: Sequence[Question]) -> list[_Probe]:
        words = [_check_question(question) for question in questions]
        texts = self._encode_texts(words)
        pictures = self._encode_pictures(questions)
        probes = []
        for row, question in enumerate(questions):
            if question.product_id is not None:
                probes.append(self._item_probe(question.product_id))
                continue
            asked = normalise(texts[row] + pictures[row])
            probes.append(_Probe(words[row], asked, asked))
        return probes

    def _encode_texts(self, words: Sequence[str | None]) -> Vectors:
        halves = np.zeros((len(words), self.encoders.dim), dtype=np.float32)
        asked = [row for row, text in enumerate(words) if text]
        if asked:
            halves[asked] = self.encoders.texts([words[row] or "" for row in asked])
        return halves

    def _encode_pictures(self, questions: Sequence[Question]) -> Vectors:
        halves = np.zeros((len(questions), self.encoders.dim), dtype=np.float32)
        for row, question in enumerate(questions):
            if question.image is not None:
                try:
                    picture = decode_image(question.image)
                except ImageFault as fault:
                    raise QueryError(
                        f"query {question.query_id!r}: the picture cannot be used ({fault}). "
                        "Give a JPEG, PNG, WebP or GIF."
                    ) from fault
                halves[row] = self.encoders.pictures(self.encoders.frame([picture]))[0]
        return halves

    def _item_probe(self, product_id: str) -> _Probe:
        row = self.products.row_of(product_id)
        if row is None:
            raise QueryError(f"--id {product_id}: the index has no product of this id.")
        text, image = split_halves(self._ann.vectors(np.array([row])))
        text, image = normalise(text)[0], normalise(image)[0]
        return _Probe(
            None,
            text if text.any() else image,
            image if image.any() else text,
            left_out=row,
        )

    def _answer(
        self,
        question: Question,
        probe: _Probe,
        within: npt.NDArray[np.int64] | None,
        top: int,
        weights: Mapping[str, float],
    ) -> list[Hit]:
        matches = self.products.match(probe.words, within) if probe.words else None
        rows = self._candidates(probe, matches, within, max(CANDIDATES, 2 * top))
        if probe.left_out is not None:
            rows = rows[rows != probe.left_out]
        if not len(rows):
            return []
        ranked = rank(
            rows,
            self._legs(probe, rows, matches),
            weights,
            self.encoders.description.calibration,
        )
        best = self._break_ties(ranked, top)
        metadata = self.products.metadata(ranked.rows[best])
        return [
            _hit(question.query_id, number, ranked, place, found, self.generation.number)
            for number, (place, found) in enumerate(zip(best, metadata, strict=True), start=1)
        ]

    def _candidates(
        self,
        probe: _Probe,
        matches: Matches | None,
        within: npt.NDArray[np.int64] | None,
        count: int,
    ) -> npt.NDArray[np.int64]:
        """Rows that any leg finds, ascending; each leg may bring `count`."""
        nothing = np.zeros_like(probe.text)
        queries = np.stack(
            [np.concatenate([probe.text, nothing]), np.concatenate([nothing, probe.image])]
        )
        found = [near.rows for near in self._ann.search(queries, count, within=within)]
        if matches is not None:
            found.append(matches.best(count))
        return np.unique(np.concatenate(found))

    def _legs(self, probe: _Probe, rows: npt.NDArray[np.int64], matches: Matches | None) -> Legs:
        """What each leg says of these rows."""
        text, image = split_halves(self._ann.vectors(rows))
        return Legs(
            lexical=np.zeros(len(rows), np.float32) if matches is None else matches.of(rows),
            text=normalise(text) @ probe.text,
            image=normalise(image) @ probe.image,
            has_text=np.asarray(text.any(axis=1)),
            has_image=np.asarray(image.any(axis=1)),
            has_words=probe.words is not None,
        )

    def _break_ties(self, ranked: Ranked, top: int) -> list[int]:
        """The places of the `top` best: score descending, then product_id."""
        order = np.argsort(-ranked.score, kind="stable")
        last = ranked.score[order[min(top, len(order)) - 1]]
        places = [int(place) for place in order if ranked.score[place] >= last]
        names = [str(row["product_id"]) for row in self.products.metadata(ranked.rows[places])]
        pairs = sorted(zip(places, names, strict=True), key=lambda p: (-ranked.score[p[0]], p[1]))
        return [place for place, _ in pairs[:top]]


def open_index(store: Path | str, *, model: Model | None = None) -> ProductIndex:
    """The current generation of a store, ready to be asked.

    Args:
        store: the directory given to `embed` and `index`.
        model: the one that the index must have been made with, if the caller cares.

    Raises:
        StoreError: nothing has been published yet.
        DamagedError: a file is not what the manifest says.
        MismatchError: the index was made with another model.
    """
    generation = open_generation(Path(store))
    found = str(generation.manifest["model_fingerprint"])
    if model is not None and model.fingerprint != found:
        raise MismatchError(
            f"{generation.folder}: was made with the model {generation.manifest['model']!r} "
            f"({found[:12]}), not with {model.label}. "
            "Leave --model away to ask with the index's own encoders."
        )
    return ProductIndex(generation)


def _check_question(question: Question) -> str | None:
    """The words of a question, cleaned; None where it has none."""
    asked = [question.text, question.image, question.product_id]
    if question.product_id is not None and asked.count(None) < 2:
        raise QueryError(f"query {question.query_id!r}: give an id, or text and picture, not both.")
    words = None
    if question.text is not None:
        words = " ".join(question.text[:MOST_CHARACTERS].replace("\0", " ").split())
        words = words.encode("utf-8", "replace").decode()
        if not any(character.isalnum() for character in words):
            raise QueryError(f"query {question.query_id!r}: the text {words!r} has no word in it.")
    if words is None and question.image is None and question.product_id is None:
        raise QueryError(f"query {question.query_id!r}: has neither text nor picture nor id.")
    return words


def _hit(
    query_id: str,
    number: int,
    ranked: Ranked,
    place: int,
    found: Mapping[str, object],
    generation: int,
) -> Hit:
    metadata = {name: value for name, value in found.items() if name != "product_id"}
    return Hit(
        query_id=query_id,
        rank=number,
        product_id=str(found["product_id"]),
        score=round(float(ranked.score[place]), 6),
        probability=round(float(ranked.probability[place]), 6),
        lexical=round(float(ranked.lexical[place]), 6),
        text=round(float(ranked.text[place]), 6),
        image=round(float(ranked.image[place]), 6),
        generation=generation,
        metadata=metadata,
    )
