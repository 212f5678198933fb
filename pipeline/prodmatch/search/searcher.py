"""One open generation: a query is encoded, candidates are found and scored, and become hits.

Read `Searcher.answer` first: the whole road is below it, in order.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from prodmatch.errors import DamagedError, QueryError
from prodmatch.lexical.bm25 import Matches
from prodmatch.lexical.synonyms import open_generation_synonyms
from prodmatch.lexical.terms import WORD_RULES
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.products.product_db import Products
from prodmatch.search.answers.hits import Answer, Hit, ResultPage
from prodmatch.search.answers.result_page import CANDIDATES, Page, PageMaker, deepest_count
from prodmatch.search.encoded_query import (
    MIN_KNOWLEDGE,
    EncodedQuery,
    Items,
    QueryEncoder,
    encode_items,
)
from prodmatch.search.options import SearchOptions
from prodmatch.search.queries import Query, RejectedQuery, clean_text
from prodmatch.search.ranker import Ranker
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.generations import Generation, advise_instead_of
from prodmatch.storage.vectors import Rows, Vectors, split_parts

OTHER_RULES = (
    "another version of prodmatch read the words of this index: some may not be found before the "
    "next `index(store)`"
)
OWN_VALUE = re.compile(r"`(?:where|(top|offset)=([^`]*))`")


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
        else:
            encoders.folder = folder / "encoders"  # that of an earlier generation may be removed
        if encoders.model_fingerprint != fingerprint:
            raise DamagedError(
                f"{encoders.folder}: are the encoders of another model than the index's. "
                f"{advise_instead_of(folder)}"
            )
        self.encoders = encoders
        self.ann = AnnIndex.of(generation)
        self.synonyms = open_generation_synonyms(generation)
        path, language = folder / "products.sqlite", self.synonyms.language
        self.products = Products.open(path, generation.product_count, language)
        self._encoder = QueryEncoder(encoders, self.products, self.synonyms)
        self._pages = PageMaker(self.products, self.ann)

    @property
    def weights(self) -> dict[str, float]:
        """Of the signals, where a query names none: those of the index, else of the model."""
        return {**self.encoders.description.weights, **self.generation.weights}

    def close(self) -> None:
        """Closes the files; calls under way end first, later ones raise `StoreError`."""
        self.products.close()
        if self.generation.hold is not None:
            self.generation.hold.release()

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def answer(
        self, queries: Sequence[Query | RejectedQuery], options: SearchOptions
    ) -> list[Answer]:
        """What comes of each query, in order; one that cannot be answered has an `error`.

        Raises:
            QueryError: the options cannot be used with any query.
        """
        options.check(self.products)
        encoded = self.encode(queries, exact=options.exact, expand=not options.exact)
        return [
            self._answer(query, each, options) for query, each in zip(queries, encoded, strict=True)
        ]

    def _answer(
        self,
        query: Query | RejectedQuery,
        encoded: EncodedQuery | QueryError,
        options: SearchOptions,
    ) -> Answer:
        try:
            if isinstance(encoded, QueryError):
                raise encoded
            page = self.find_page(encoded, options, query_id=query.query_id)
        except QueryError as error:
            return Answer(query.query_id, error=_name_own(str(error), query.query_id))
        hints = () if page.hits else self._explain_none(encoded, options)
        if encoded.knowledge < MIN_KNOWLEDGE and not any(hit.probability for hit in page.hits):
            hints += (self._name_unknown(encoded),)
        if encoded.words is not None and self.generation.manifest.get("word_rules") != WORD_RULES:
            hints += (OTHER_RULES,)
        hints = (*encoded.hints, *hints)
        return Answer(
            query.query_id,
            page.hits,
            encoded.searched_for,
            encoded.understood,
            hints,
            facets=page.facets,
            match_count=page.match_count,
        )

    def _explain_none(self, encoded: EncodedQuery, options: SearchOptions) -> tuple[str, ...]:
        """Why no hit is on a page: values that no product has, or probabilities below the least."""
        hints = self.hints([options.where, *encoded.where])
        offset = options.offset if encoded.offset is None else encoded.offset
        if offset:
            hints += (f"no hit is behind the first {offset}",)
        if not options.min_probability or offset:
            return hints
        unlimited = replace(options, min_probability=0.0, facets=(), top=1)
        for hit in self.find_page(encoded, unlimited).hits[:1]:
            hints += (f"the best hit has a probability of {hit.probability:.3f}",)
        return hints

    def _name_unknown(self, encoded: EncodedQuery) -> str:
        if len(self._match(encoded).rows):
            return "the model does not know these words: they alone are compared, probability 0"
        return "no product contains these words, and the model does not know them"

    def hints(self, conditions: Sequence[str | None]) -> tuple[str, ...]:
        """Values that may be meant by texts in conditions that no product has."""
        wanted = [each for each in conditions if each is not None]
        return tuple(hint for each in wanted for hint in self.products.suggest_values(each))

    def encode(
        self, queries: Sequence[Query | RejectedQuery], *, exact: bool = False, expand: bool = True
    ) -> list[EncodedQuery | QueryError]:
        """Each query encoded, in order, or the error that names what is wrong with it."""
        by_content = [
            query for query in queries if isinstance(query, Query) and query.product_id is None
        ]
        encoded = iter(self._encoder.encode(by_content, exact=exact, expand=expand))
        found: list[EncodedQuery | QueryError] = []
        for query in queries:
            if isinstance(query, RejectedQuery):
                found.append(QueryError(query.reason))
            else:
                found.append(next(encoded) if query.product_id is None else self._encode_id(query))
        return found

    def encode_one(self, query: Query, *, exact: bool = False) -> EncodedQuery:
        """A query encoded.

        Raises:
            QueryError: the query cannot be answered.
        """
        (encoded,) = self.encode([query], exact=exact, expand=not exact)
        if isinstance(encoded, QueryError):
            raise encoded
        return encoded

    def find_page(
        self, encoded: EncodedQuery, options: SearchOptions, *, query_id: str = "q"
    ) -> ResultPage:
        """The page of an encoded query: score descending, then product_id, unless it is diverse.

        Raises:
            QueryError: the options cannot be used.
        """
        top, offset = encoded.top, encoded.offset
        options = replace(
            options,
            top=options.top if top is None else top,
            offset=options.offset if offset is None else offset,
        )
        options.check(self.products)
        permitted = self._permitted(encoded)
        within = self._within([options.where, *encoded.where], permitted)
        deepest = deepest_count(options.offset + options.top)
        ranker = self._ranker(replace(encoded, weights=options.weights), permitted, deepest)
        page = self._pages.make(ranker, within, options)
        return ResultPage(self._hits(page, options, query_id), page.facets, page.match_count)

    def items(self, product_ids: Sequence[str], name: str) -> Items:
        """The rows and parts of products, in order.

        Args:
            product_ids: of products of this generation.
            name: of the parameter that they were given with, for messages.

        Raises:
            QueryError: the index has no such product.
        """
        rows = np.zeros(len(product_ids), np.int64)
        for position, product_id in enumerate(product_ids):
            row = self.products.row_of(product_id)
            if row is None:
                raise QueryError(
                    f"`{name}={product_id}`: the index has no product of this id. "
                    "Take one from the answers of `query()`."
                )
            rows[position] = row
        return Items(rows, *split_parts(self.vectors(rows)))

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors `(n, dim)` of rows, in their order."""
        return self.ann.vectors(rows)

    def place(self, encoded: EncodedQuery, row: int, options: SearchOptions) -> Hit:
        """The hit that a row is for an encoded query, among the candidates that a search scores.

        A row that no signal finds is scored with them, and ranks below all that score higher. Of
        the options only `weights` and `boost` matter.

        Raises:
            QueryError: the options cannot be used.
        """
        options.check(self.products)
        encoded = replace(encoded, weights=options.weights)
        permitted = self._permitted(encoded)
        within = self._within(encoded.where, permitted)
        ranker = self._ranker(encoded, permitted, CANDIDATES[0])
        learnt = ranker.rank(within, CANDIDATES[0]).learnt
        if within is not None:
            within = np.union1d(within, row)  # it may be excluded
        ranked = ranker.rank(within, CANDIDATES[0], learnt, also=np.array([row]))
        if row not in ranked.rows:  # it shows what is excluded
            ranker = self._ranker(replace(encoded, without=()), permitted, CANDIDATES[0])
            learnt = learnt and replace(learnt, limits=())
            ranked = ranker.rank(within, CANDIDATES[0], learnt, also=np.array([row]))
        ranked = self._pages.boosted(ranked, options.boost)
        order = self._pages.best_first(ranked)
        (position,) = np.flatnonzero(ranked.rows[order] == row)
        page = Page(ranked.take(order[[position]]), [None], {}, None)
        return self._hits(page, replace(options, offset=int(position)), "q")[0]

    def bm25(self, encoded: EncodedQuery, row: int) -> float:
        """The BM25 score of a product for a query's words, 0 where none matches."""
        return float(self._match(encoded).of(np.array([row]))[0])

    def _within(self, conditions: Sequence[str | None], permitted: Rows | None) -> Rows | None:
        """The permitted rows that all conditions hold for, ascending; None where that is all."""
        found = [self.products.rows_where(each) for each in conditions if each is not None]
        found += [] if permitted is None else [permitted]
        both = functools.partial(np.intersect1d, assume_unique=True)
        return functools.reduce(both, found) if found else None

    def _permitted(self, encoded: EncodedQuery) -> Rows | None:
        """The rows that contain nothing that the query excludes; None where it excludes nothing.

        Nor do they say that they have none of what it wants.
        """
        found = [self.products.rows_with(excluded.words) for excluded in encoded.without]
        found += map(self.products.rows_denying, encoded.wanted)
        if not found:
            return None
        possible = np.ones(self.generation.product_count, np.bool_)
        possible[np.concatenate(found)] = False
        return np.flatnonzero(possible)

    def _encode_id(self, query: Query) -> EncodedQuery | QueryError:
        try:
            clean_text(query)
            found = self.items([query.product_id or ""], "product_id")
        except QueryError as error:
            return error
        encoded = encode_items(found.text[0], found.image[0], found.rows)
        where = () if query.where is None else (query.where,)
        return replace(encoded, where=where, top=query.top, offset=query.offset)

    def _ranker(self, encoded: EncodedQuery, permitted: Rows | None, deepest: int) -> Ranker:
        """What finds and scores candidates of a query, down to this row of a signal."""
        return Ranker(
            encoded,
            self.products,
            self.ann,
            permitted,
            deepest,
            self.weights,
            self.encoders.description.calibration,
        )

    def _match(self, encoded: EncodedQuery) -> Matches:
        """The rows that contain a word of the query, or a synonym of it."""
        return self.products.match(encoded.words or "", None, encoded.expansions)

    def _hits(self, page: Page, options: SearchOptions, query_id: str) -> list[Hit]:
        """The hits of a page, whose scores are rounded."""
        ranked = page.ranked
        found = zip(self.products.metadata(ranked.rows), page.group_sizes, strict=True)
        return [
            Hit(
                query_id=query_id,
                rank=options.offset + position + 1,
                product_id=str(metadata.pop("product_id")),
                score=round(float(ranked.score[position]), 6),
                probability=round(float(ranked.probability[position]), 6),
                lexical=round(float(ranked.lexical[position]), 6),
                text=round(float(ranked.text[position]), 6),
                image=round(float(ranked.image[position]), 6),
                generation=self.generation.number,
                metadata=metadata,
                boost=round(float(ranked.boost[position]), 6) if options.boost else None,
                group_size=group_size,
            )
            for position, (metadata, group_size) in enumerate(found)
        ]


def _name_own(message: str, query_id: str) -> str:
    """A message of a value that a query has itself; those of all queries were checked before."""
    if not OWN_VALUE.match(message):
        return message
    own = OWN_VALUE.sub(lambda found: f"{found[1]} {found[2]}" if found[1] else "filter", message)
    return f"query {query_id!r}: {own}"
