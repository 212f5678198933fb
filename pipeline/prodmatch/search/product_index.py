"""The index of a store: answers queries from the generation that is published, and follows it."""

import gc
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from prodmatch.errors import MismatchError, QueryError, StoreError, require_path, require_type
from prodmatch.model.description import Model
from prodmatch.products.product_db import Products
from prodmatch.search.answers.hits import Answer
from prodmatch.search.answers.results import SearchResult
from prodmatch.search.encoded_query import query_vector
from prodmatch.search.options import SearchOptions
from prodmatch.search.queries import (
    PictureInput,
    Query,
    RejectedQuery,
    check_queries,
    read_image,
)
from prodmatch.search.scoring import check_weights
from prodmatch.search.searcher import Searcher
from prodmatch.storage.generations import Generation, open_generation
from prodmatch.storage.vectors import Vectors


class ProductIndex:
    """What a store has published, open for queries from any number of threads.

    It holds no lock on the store, and goes on with the generation it opened until
    `reload_if_changed` is called. `with` closes it.
    """

    def __init__(
        self, store: Path | str, model: Model | None = None, *, long_lived: bool = True
    ) -> None:
        require_type(model, Model | None, "`model`", "Give open_model(NAME).", QueryError)
        self.store = require_path(store, "store")
        self._absolute = self.store.absolute()  # a notebook may change its folder
        self._model = model
        self._reloading = threading.Lock()
        self._closed = False
        self._searcher = Searcher(self._find(self.store), long_lived=long_lived)

    @property
    def searcher(self) -> Searcher:
        """The generation that is open now; what holds it may go on with it after a reload."""
        return self._searcher

    @property
    def generation(self) -> Generation:
        """Its number, folder and manifest."""
        return self._searcher.generation

    @property
    def products(self) -> Products:
        """The products of the generation that is open now: columns, conditions, titles."""
        return self._searcher.products

    def __len__(self) -> int:
        return self.generation.product_count

    def __repr__(self) -> str:
        number = self.generation.number
        return f"<ProductIndex {self.store}: {len(self)} products, generation {number}>"

    def __contains__(self, product_id: object) -> bool:
        return isinstance(product_id, str) and self.products.row_of(product_id) is not None

    def __enter__(self) -> "ProductIndex":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r}: cannot be sent to another process. Give it the store, and open it there: "
            f"open_index({str(self.store)!r})."
        )

    def close(self) -> None:
        """Closes the files; calls under way end first, later ones raise `StoreError`."""
        with self._reloading:
            self._closed = True
            self._searcher.close()

    def reload_if_changed(self) -> bool:
        """Goes over to the generation published since; True if there was one.

        It costs a third of a millisecond where there is none: a service calls it before each
        request. Searches under way end on the generation they began with.

        Raises:
            DamagedError: the new one is not intact; the old one stays open.
            MismatchError: it was made with another model than the caller wants; likewise.
            StoreError: the index is closed.
        """
        with self._reloading:
            if self._closed:
                raise StoreError(f"{self.store}: is closed. Open the index again.")
            found = self._find(self._absolute)
            if found == self._searcher.generation:
                return False
            self._searcher = Searcher(found, self._searcher.encoders)
            gc.collect()  # the old one lies in a cycle, with its arrays, and `gc` leaves its files
            return True

    def vector(self, product_id: str) -> Vectors:
        """The vector `(dim,)` of a product, `[text part ; image part]`, of unit length.

        Raises:
            QueryError: the index has no such product.
        """
        require_type(product_id, str, "`product_id`", "Give str.", QueryError)
        searcher = self._searcher
        (vector,) = searcher.vectors(searcher.items([product_id], "product_id").rows)
        return np.asarray(vector)

    def encode(
        self,
        text: str | None = None,
        *,
        image: PictureInput | None = None,
        weights: Mapping[str, float] | None = None,
        exact: bool = False,
    ) -> Vectors:
        """The vector `(dim,)` of words, a picture, or both: `[text part ; image part]`.

        It is of unit length, so that its inner product with `vector(product_id)`, or with a row
        of an export, is their cosine: higher is better. Its parts, `dim / 2` numbers each, are what
        `search` compares with the products' parts, times the weights of `text` and `image`.

        Args:
            text: words, corrected and understood as in a search.
            image: a picture: bytes, the path of a file, or one of Pillow's.
            weights: of `text` and `image`; those of the index if None.
            exact: encode every word as it was typed.

        Raises:
            QueryError: the query or the weights cannot be used, or the model knows none of the
                words.
        """
        searcher = self._searcher
        encoded = searcher.encode_one(_query(text, image, None), exact=exact)
        return query_vector(
            encoded, searcher.weights if weights is None else check_weights(weights)
        )

    def search(  # noqa: PLR0913 (at a prompt each is completed by its name)
        self,
        text: str | None = None,
        *,
        image: PictureInput | None = None,
        like: str | None = None,
        where: str | None = None,
        top: int = 10,
        offset: int = 0,
        one_per: str | None = None,
        diverse: float = 0.0,
        boost: Mapping[str, float] | None = None,
        facets: Sequence[str] = (),
        count: bool = False,
        min_probability: float = 0.0,
        weights: Mapping[str, float] | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The best products for words, a picture, or both, or products like one; best first.

        Args:
            text: words.
            image: a picture: bytes, the path of a file, or one of Pillow's.
            like: the id of a product, in place of text and picture; it is no answer itself.
            where: an SQL condition over the catalogue's columns, applied before ranking.
            top: hits, 1 to 10,000; fewer come back where fewer exist.
            offset: hits that come before the first one, on earlier pages.
            one_per: a column; of the products that share a value of it only the best is a hit.
            diverse: 0 to 1, how much less a hit counts that is like those above it.
            boost: weights of numeric columns, added to the score; a negative one favours low
                values.
            facets: columns whose values are counted over all products that match.
            count: whether the products that match are counted without facets, too.
            min_probability: hits that match with a lower one are left out.
            weights: of `lexical`, `text` and `image`; those of the index if None.
            exact: search every word as it was typed.

        Raises:
            QueryError: the query or an option cannot be used; says which.
        """
        options = SearchOptions(
            where=where,
            top=top,
            weights=weights,
            exact=exact,
            min_probability=min_probability,
            offset=offset,
            one_per=one_per,
            diverse=diverse,
            boost={} if boost is None else boost,
            facets=facets,
            count=count,
        )
        (answer,) = self.answer([_query(text, image, like)], options)
        return self._result(answer)

    def search_many(
        self,
        queries: Iterable[Query],
        *,
        where: str | None = None,
        top: int = 10,
        weights: Mapping[str, float] | None = None,
    ) -> list[SearchResult]:
        """The hits of each query, in order; all from one generation.

        Args:
            queries: texts, pictures, both, or ids of products.
            where: an SQL condition over the catalogue's columns, applied before ranking.
            top: hits of a query, 1 to 10,000; fewer come back where fewer exist.
            weights: of `lexical`, `text` and `image`; those of the index if None.

        Raises:
            QueryError: a query, the filter or the weights cannot be used.
        """
        answers = self.answer(queries, SearchOptions(where, top, weights))
        return [self._result(answer) for answer in answers]

    def answer(
        self, queries: Iterable[Query | RejectedQuery], options: SearchOptions | None = None
    ) -> list[Answer]:
        """What comes of each query, in order, all from one generation.

        A query that cannot be answered has an `error` and no hits; the others are answered.

        Raises:
            QueryError: the options cannot be used with any query.
        """
        queries = check_queries(queries)
        if not isinstance(options, SearchOptions | None):
            raise QueryError(f"`options`: {options!r:.40} are no SearchOptions.")
        return self._searcher.answer(queries, options or SearchOptions())

    def _result(self, answer: Answer) -> SearchResult:
        if answer.error is not None:
            raise QueryError(answer.error)
        columns = [name for name in self.products.columns if name != "product_id"]
        return SearchResult(answer, self._absolute, columns)

    def _find(self, store: Path) -> Generation:
        """What is published, by its own folder: the store may be a link to another one later."""
        generation, model = open_generation(store), self._model
        found = str(generation.manifest["model_fingerprint"])
        if model is not None and model.fingerprint != found:
            raise MismatchError(
                f"{generation.folder}: was made with the model {generation.manifest['model']!r} "
                f"({found[:12]}), not with {model.label}. "
                "Leave `model` away to use the index's own encoders."
            )
        return replace(generation, folder=generation.folder.resolve())


def _query(text: str | None, image: PictureInput | None, like: str | None) -> Query:
    """A query of what a caller gives, which in a notebook may be anything.

    Raises:
        QueryError: a part of it is of another type.
    """
    require_type(like, str | None, "`like`", "Give str.", QueryError)
    return Query("q", text, None if image is None else read_image(image), like)


def open_index(
    store: Path | str, *, model: Model | None = None, long_lived: bool = True
) -> ProductIndex:
    """The current generation of a store, open for queries.

    Args:
        store: the directory given to `embed` and `index`.
        model: the one that the index must have been made with, if the caller cares.
        long_lived: False for a single query, as from a shell: the first answer comes sooner,
            each further one takes a little longer.

    Raises:
        StoreError: nothing has been published yet.
        DamagedError: a file is not what the manifest says.
        MismatchError: the index was made with another model.
    """
    return ProductIndex(store, model, long_lived=long_lived)
