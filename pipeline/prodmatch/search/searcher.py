"""One open generation: queries are encoded, candidates found and scored, hits made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.images import ImageFault, decode_image
from prodmatch.errors import DamagedError, QueryError
from prodmatch.lexical.spelling import correct_spelling
from prodmatch.model.hubness import penalised_image_query, plain_image_query
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.search.encoded_query import EncodedQuery, clean_query, encode_items
from prodmatch.search.hits import Hit, make_hit, order_places
from prodmatch.search.product_db import Matches, Products
from prodmatch.search.queries import Query
from prodmatch.search.scoring import Ranked, Signals, bm25_scale, check_weights, rank
from prodmatch.search.vector_index import AnnIndex
from prodmatch.storage.generations import Generation
from prodmatch.storage.vectors import Vectors, normalise, split_parts

__all__ = ["SearchOptions", "Searcher"]

CANDIDATES = 200  # of each signal; all signals score the union
MOST_HITS = 10_000
# Of words beside a picture, "like this, but blue". For 300 val pictures of clothing with another
# colour asked for, of ten found 5.6 are of the picture's type in that colour at 1, 5.8 at 1.2 and
# 5.9 at 1.4; of its type in any colour 6.4, 6.2 and 6.1.
SAY_OF_WORDS = 1.2
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SearchOptions:
    """Which hits are options.

    `where` is an SQL condition over the catalogue's columns, `weights` are of the signals; those of
    the model are taken where there are none.
    """

    where: str | None = None
    top: int = 10
    weights: Mapping[str, float] | None = None


class Searcher:
    """A generation with its files open for reading; threads may share it."""

    def __init__(
        self,
        generation: Generation,
        encoders: QueryEncoders | None = None,
        *,
        long_lived: bool = True,
    ) -> None:
        """Opens it, with encoders that are loaded already where they are the same model's."""
        self.generation = generation
        folder, fingerprint = generation.folder, generation.manifest["model_fingerprint"]
        if encoders is None or encoders.model_fingerprint != fingerprint:
            encoders = QueryEncoders(folder / "encoders", long_lived=long_lived)
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

    def encoded_queries(self, queries: Sequence[Query]) -> list[EncodedQuery]:
        """What each query means, in order; texts and pictures are encoded in batches.

        Mistyped words are asked as they are meant.

        Raises:
            QueryError: a query cannot be asked.
        """
        words = [self.meant(query) for query in queries]
        texts = self._encode_texts(words)
        pictures = self._encode_pictures(queries)
        encoded_queries = []
        for row, query in enumerate(queries):
            if query.product_id is not None:
                rows = self.rows_of([query.product_id], "--id")
                text, image = split_parts(self.ann.vectors(rows)[0])
                encoded_queries.append(encode_items(text, image, rows))
                continue
            said, seen = texts[row], pictures[row]
            asked = normalise(SAY_OF_WORDS * said + seen)
            looked = normalise(SAY_OF_WORDS * penalised_image_query(said) + seen)
            encoded_queries.append(EncodedQuery(words[row], asked, looked))
        return encoded_queries

    def meant(self, query: Query) -> str | None:
        """The words that are searched for a query's text: cleaned, and without mistakes.

        Raises:
            QueryError: the query cannot be asked.
        """
        words = clean_query(query)
        return words and correct_spelling(words, _Lexicon(self.products, self.encoders))

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
        self,
        encoded_queries: Sequence[EncodedQuery],
        query_ids: Sequence[str],
        options: SearchOptions,
    ) -> list[list[Hit]]:
        """The best hits of each encoded: score descending, then product_id.

        Raises:
            QueryError: the filter, the weights or the number of hits cannot be used.
        """
        if not 1 <= options.top <= MOST_HITS:
            raise QueryError(f"--top {options.top}: must be from 1 to {MOST_HITS}.")
        weights = self._choose_weights(options.weights)
        within = None if options.where is None else self.products.rows_where(options.where)
        count = max(CANDIDATES, 2 * options.top)
        answers = []
        for encoded, query_id in zip(encoded_queries, query_ids, strict=True):
            ranked = self._rank(encoded, within, count, weights)
            answers.append(self._best(ranked, query_id, options.top))
        return answers

    def place_of(self, encoded: EncodedQuery, row: int, weights: Mapping[str, float] | None) -> Hit:
        """The hit that a row is for a encoded, among the candidates that a query would weigh.

        A row that no signal finds is weighed beside them, and its rank is below all of theirs that
        score higher.

        Raises:
            QueryError: the weights cannot be used.
        """
        ranked = self._rank(encoded, None, CANDIDATES, self._choose_weights(weights), also=row)
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
        parts = np.zeros((len(words), self.encoders.dim), dtype=np.float32)
        asked = [row for row, text in enumerate(words) if text]
        if asked:
            parts[asked] = self.encoders.texts([words[row] or "" for row in asked])
        return parts

    def _encode_pictures(self, queries: Sequence[Query]) -> Vectors:
        parts = np.zeros((len(queries), self.encoders.dim), dtype=np.float32)
        asked, preprocessed = [], []
        for row, query in enumerate(queries):
            if query.image is not None:
                try:
                    preprocessed.append(self.encoders.frame([decode_image(query.image)])[0])
                except ImageFault as fault:
                    raise QueryError(
                        f"query {query.query_id!r}: the picture cannot be used ({fault}). "
                        "Give a JPEG, PNG, WebP or GIF."
                    ) from fault
                asked.append(row)
        if asked:
            parts[asked] = plain_image_query(self.encoders.pictures(np.stack(preprocessed)))
        return parts

    def _rank(
        self,
        encoded: EncodedQuery,
        within: Rows | None,
        count: int,
        weights: Mapping[str, float],
        *,
        also: int | None = None,
    ) -> Ranked:
        """The candidates that any signal finds, each signal up to `count`, and what they score."""
        matches = self.products.match(encoded.words, within) if encoded.words else None
        rows = self._candidates(encoded, matches, within, count)
        if also is not None:
            rows = np.union1d(rows, [also])
        rows = rows[~np.isin(rows, encoded.left_out)]
        if not len(rows):
            none = np.zeros(0, np.float32)
            return Ranked(rows, none, none, none, none, none)
        signals = self._signals(encoded, rows, matches)
        return rank(rows, signals, weights, self.encoders.description.calibration)

    def _candidates(
        self, encoded: EncodedQuery, matches: Matches | None, within: Rows | None, count: int
    ) -> Rows:
        """Rows that any signal finds, ascending; each signal may bring `count`."""
        nothing = np.zeros_like(encoded.text)
        queries = np.stack(
            [np.concatenate([encoded.text, nothing]), np.concatenate([nothing, encoded.image])]
        )
        found = [near.rows for near in self.ann.search(queries, count, within=within)]
        if matches is not None:
            found.append(matches.best(count))
        return np.unique(np.concatenate(found))

    def _signals(self, encoded: EncodedQuery, rows: Rows, matches: Matches | None) -> Signals:
        """What each signal says of these rows."""
        text, image = split_parts(self.ann.vectors(rows))
        said = np.zeros(len(rows), np.float32) if matches is None else matches.of(rows)
        return Signals(
            lexical=said / np.float32(bm25_scale(self.generation.product_count)),
            text=_cosines(text, encoded.text),
            image=_cosines(image, encoded.image),
            has_text=np.asarray(text.any(axis=1)),
            has_image=np.asarray(image.any(axis=1)),
            has_words=encoded.words is not None,
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


def _cosines(parts: Vectors, asked: Vectors) -> Vectors:
    """Cosines `(n,)` of `(n, dim)` parts to a unit vector, equal to the bit for equal parts.

    A product of matrices rounds a row by where it stands, on processors with AVX-512 at least.
    """
    return np.asarray((normalise(parts) * asked).sum(axis=1), dtype=np.float32)


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
