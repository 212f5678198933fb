"""One open generation: questions to probes, probes to candidates, candidates to hits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.images import ImageFault, decode_image
from prodmatch.errors import DamagedError, QueryError
from prodmatch.lexical.spelling import mend_spelling
from prodmatch.model.hubness import ask_alike, ask_pictures
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.search.encoded_query import Probe, clean_question, item_probe
from prodmatch.search.hits import Hit, make_hit, order_places
from prodmatch.search.product_db import Matches, Products
from prodmatch.search.queries import Question
from prodmatch.search.scoring import Legs, Ranked, check_weights, lexical_unit, rank
from prodmatch.search.vector_index import AnnIndex
from prodmatch.storage.generations import Generation
from prodmatch.storage.vectors import Vectors, normalise, split_halves

__all__ = ["OpenGeneration", "Wanted"]

CANDIDATES = 200  # of each leg; all legs score the union
MOST_HITS = 10_000
# Of words beside a picture, "like this, but blue". For 300 val pictures of clothing with another
# colour asked for, of ten found 5.6 are of the picture's type in that colour at 1, 5.8 at 1.2 and
# 5.9 at 1.4; of its type in any colour 6.4, 6.2 and 6.1.
SAY_OF_WORDS = 1.2
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Wanted:
    """Which hits are wanted.

    `where` is an SQL condition over the catalogue's columns, `weights` are of the legs; those of
    the model are taken where there are none.
    """

    where: str | None = None
    top: int = 10
    weights: Mapping[str, float] | None = None


class OpenGeneration:
    """A generation with its files open for reading; threads may share it."""

    def __init__(
        self,
        generation: Generation,
        encoders: QueryEncoders | None = None,
        *,
        lasting: bool = True,
    ) -> None:
        """Opens it, with encoders that are loaded already where they are the same model's."""
        self.generation = generation
        folder, fingerprint = generation.folder, generation.manifest["model_fingerprint"]
        if encoders is None or encoders.model_fingerprint != fingerprint:
            encoders = QueryEncoders(folder / "encoders", lasting=lasting)
        if encoders.model_fingerprint != fingerprint:
            raise DamagedError(
                f"{encoders.folder}: are the encoders of another model than the index's. "
                "Go back with 'prodmatch rollback'."
            )
        self.encoders = encoders
        self.products = Products(folder / "products.sqlite")
        if self.products.row_count != generation.product_count:
            raise DamagedError(
                f"{self.products.path}: holds {self.products.row_count} products; the manifest "
                f"says {generation.product_count}. Go back with 'prodmatch rollback'."
            )
        self.ann = AnnIndex.open(
            folder / "index.faiss", row_count=generation.product_count, dim=generation.dim
        )

    def probes(self, questions: Sequence[Question]) -> list[Probe]:
        """What each question means, in order; texts and pictures are encoded in batches.

        Mistyped words are asked as they are meant.

        Raises:
            QueryError: a question cannot be asked.
        """
        words = [self.meant(question) for question in questions]
        texts = self._encode_texts(words)
        pictures = self._encode_pictures(questions)
        probes = []
        for row, question in enumerate(questions):
            if question.product_id is not None:
                rows = self.rows_of([question.product_id], "--id")
                text, image = split_halves(self.ann.vectors(rows)[0])
                probes.append(item_probe(text, image, rows))
                continue
            said, seen = texts[row], pictures[row]
            asked = normalise(SAY_OF_WORDS * said + seen)
            looked = normalise(SAY_OF_WORDS * ask_pictures(said) + seen)
            probes.append(Probe(words[row], asked, looked))
        return probes

    def meant(self, question: Question) -> str | None:
        """The words that are searched for a question's text: cleaned, and without mistakes.

        Raises:
            QueryError: the question cannot be asked.
        """
        words = clean_question(question)
        return words and mend_spelling(words, _Lexicon(self.products, self.encoders))

    def rows_of(self, product_ids: Sequence[str], option: str) -> Rows:
        """The rows of these products, in order.

        Raises:
            QueryError: the index has no such product; names the option it was given with.
        """
        rows = []
        for product_id in product_ids:
            row = self.products.row_of(product_id)
            if row is None:
                raise QueryError(
                    f"{option} {product_id[:80]}: the index has no product of this id. "
                    "Take one from the answers of 'prodmatch query'."
                )
            rows.append(row)
        return np.array(rows, dtype=np.int64)

    def text_of(self, row: int) -> str:
        """What was embedded and searched as the text of a product."""
        import pyarrow as pa  # here, as only explanations need it
        import pyarrow.parquet as pq

        path = self.generation.folder / "products.parquet"
        try:
            with pq.ParquetFile(path) as reader:
                for group in range(reader.num_row_groups):
                    count = reader.metadata.row_group(group).num_rows
                    if row < count:
                        cells = reader.read_row_group(group, columns=["text"])["text"]
                        return str(cells[row].as_py() or "")
                    row -= count
        except (OSError, pa.ArrowException) as error:
            raise DamagedError(f"{path}: cannot be read ({error}).") from error
        raise DamagedError(f"{path}: has fewer rows than the manifest says.")

    def answers(
        self, probes: Sequence[Probe], query_ids: Sequence[str], wanted: Wanted
    ) -> list[list[Hit]]:
        """The best hits of each probe: score descending, then product_id.

        Raises:
            QueryError: the filter, the weights or the number of hits cannot be used.
        """
        if not 1 <= wanted.top <= MOST_HITS:
            raise QueryError(f"--top {wanted.top}: must be from 1 to {MOST_HITS}.")
        weights = self._choose_weights(wanted.weights)
        within = None if wanted.where is None else self.products.rows_where(wanted.where)
        count = max(CANDIDATES, 2 * wanted.top)
        answers = []
        for probe, query_id in zip(probes, query_ids, strict=True):
            ranked = self._rank(probe, within, count, weights)
            answers.append(self._best(ranked, query_id, wanted.top))
        return answers

    def place_of(self, probe: Probe, row: int, weights: Mapping[str, float] | None) -> Hit:
        """The hit that a row is for a probe, among the candidates that a query would weigh.

        A row that no leg finds is weighed beside them, and its rank is below all of theirs that
        score higher.

        Raises:
            QueryError: the weights cannot be used.
        """
        ranked = self._rank(probe, None, CANDIDATES, self._choose_weights(weights), also=row)
        (place,) = np.flatnonzero(ranked.rows == row).tolist()
        rivals = np.flatnonzero(ranked.score >= ranked.score[place]).tolist()
        found = self.products.metadata(ranked.rows[rivals])
        order = order_places(ranked, rivals, [str(each["product_id"]) for each in found])
        asked = ("q", 1 + order.index(place), self.generation.number)
        return make_hit(ranked, place, found[rivals.index(place)], asked=asked)

    def _choose_weights(self, weights: Mapping[str, float] | None) -> dict[str, float]:
        if weights is not None:
            return check_weights(weights)
        return {**self.encoders.description.weights, **self.generation.weights}

    def _encode_texts(self, words: Sequence[str | None]) -> Vectors:
        halves = np.zeros((len(words), self.encoders.dim), dtype=np.float32)
        asked = [row for row, text in enumerate(words) if text]
        if asked:
            halves[asked] = self.encoders.texts([words[row] or "" for row in asked])
        return halves

    def _encode_pictures(self, questions: Sequence[Question]) -> Vectors:
        halves = np.zeros((len(questions), self.encoders.dim), dtype=np.float32)
        asked, framed = [], []
        for row, question in enumerate(questions):
            if question.image is not None:
                try:
                    framed.append(self.encoders.frame([decode_image(question.image)])[0])
                except ImageFault as fault:
                    raise QueryError(
                        f"query {question.query_id!r}: the picture cannot be used ({fault}). "
                        "Give a JPEG, PNG, WebP or GIF."
                    ) from fault
                asked.append(row)
        if asked:
            halves[asked] = ask_alike(self.encoders.pictures(np.stack(framed)))
        return halves

    def _rank(
        self,
        probe: Probe,
        within: Rows | None,
        count: int,
        weights: Mapping[str, float],
        *,
        also: int | None = None,
    ) -> Ranked:
        """The candidates that any leg finds, each leg up to `count`, and what they score."""
        matches = self.products.match(probe.words, within) if probe.words else None
        rows = self._candidates(probe, matches, within, count)
        if also is not None:
            rows = np.union1d(rows, [also])
        rows = rows[~np.isin(rows, probe.left_out)]
        if not len(rows):
            none = np.zeros(0, np.float32)
            return Ranked(rows, none, none, none, none, none)
        legs = self._legs(probe, rows, matches)
        return rank(rows, legs, weights, self.encoders.description.calibration)

    def _candidates(
        self, probe: Probe, matches: Matches | None, within: Rows | None, count: int
    ) -> Rows:
        """Rows that any leg finds, ascending; each leg may bring `count`."""
        nothing = np.zeros_like(probe.text)
        queries = np.stack(
            [np.concatenate([probe.text, nothing]), np.concatenate([nothing, probe.image])]
        )
        found = [near.rows for near in self.ann.search(queries, count, within=within)]
        if matches is not None:
            found.append(matches.best(count))
        return np.unique(np.concatenate(found))

    def _legs(self, probe: Probe, rows: Rows, matches: Matches | None) -> Legs:
        """What each leg says of these rows."""
        text, image = split_halves(self.ann.vectors(rows))
        said = np.zeros(len(rows), np.float32) if matches is None else matches.of(rows)
        return Legs(
            lexical=said / np.float32(lexical_unit(self.generation.product_count)),
            text=_cosines(text, probe.text),
            image=_cosines(image, probe.image),
            has_text=np.asarray(text.any(axis=1)),
            has_image=np.asarray(image.any(axis=1)),
            has_words=probe.words is not None,
        )

    def _best(self, ranked: Ranked, query_id: str, top: int) -> list[Hit]:
        if not len(ranked.rows):
            return []
        order = np.argsort(-ranked.score, kind="stable")
        last = ranked.score[order[min(top, len(order)) - 1]]
        places = [int(place) for place in order if ranked.score[place] >= last]
        metadata = self.products.metadata(ranked.rows[places])
        found = dict(zip(places, metadata, strict=True))
        best = order_places(ranked, places, [str(each["product_id"]) for each in metadata])[:top]
        return [
            make_hit(ranked, place, found[place], asked=(query_id, number, self.generation.number))
            for number, place in enumerate(best, start=1)
        ]


def _cosines(halves: Vectors, asked: Vectors) -> Vectors:
    """Cosines `(n,)` of `(n, dim)` halves to a unit vector, equal to the bit for equal halves.

    A product of matrices rounds a row by where it stands, on processors with AVX-512 at least.
    """
    return np.asarray((normalise(halves) * asked).sum(axis=1), dtype=np.float32)


@dataclass(frozen=True)
class _Lexicon:
    """The words of the products and, said by none of them, those of the text encoder."""

    products: Products
    encoders: QueryEncoders

    def counts(self, words: Sequence[str]) -> list[int]:
        return self.products.counts(words)

    def count_of_both(self, one: str, other: str) -> int:
        return self.products.count_of_both(one, other)

    def says(self, word: str) -> bool:
        return self.products.says(word)

    def knows(self, word: str) -> bool:
        return self.encoders.knows(word)

    def words_like(self, letter: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        known = self.encoders.words_like(letter, shortest, longest)
        return [*self.products.words_like(letter, shortest, longest), *((w, 0) for w in known)]
