"""The index of a store: answers queries from the generation that is published, and follows it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from prodmatch.errors import MismatchError, QueryError
from prodmatch.model.description import Model
from prodmatch.search.hits import Answer, Hit
from prodmatch.search.options import SearchOptions
from prodmatch.search.queries import Query, RejectedQuery
from prodmatch.search.searcher import Searcher
from prodmatch.storage.generations import Generation, open_generation


class ProductIndex:
    """What a store has published, open for queries from any number of threads.

    It holds no lock on the store, and goes on with the generation it opened until
    `reload_if_changed` is called. `with` closes it.
    """

    def __init__(self, store: Path, model: Model | None = None, *, long_lived: bool = True) -> None:
        self.store = store
        self._model = model
        self._reloading = threading.Lock()
        self._searcher = Searcher(self._find(), long_lived=long_lived)

    @property
    def searcher(self) -> Searcher:
        """The generation that is open now; what holds it may go on with it after a reload."""
        return self._searcher

    @property
    def generation(self) -> Generation:
        """Its number, folder and manifest."""
        return self._searcher.generation

    def __contains__(self, product_id: str) -> bool:
        return self._searcher.products.row_of(product_id) is not None

    def __enter__(self) -> "ProductIndex":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; calls under way end first, later ones raise `StoreError`."""
        self._searcher.close()

    def reload_if_changed(self) -> bool:
        """Goes over to the generation published since; True if there was one.

        It costs a third of a millisecond where there is none: a service calls it before each
        request. Searches under way end on the generation they began with.

        Raises:
            DamagedError: the new one is not intact; the old one stays open.
            MismatchError: it was made with another model than the caller wants; likewise.
        """
        with self._reloading:
            found = self._find()
            if found == self._searcher.generation:
                return False
            self._searcher = Searcher(found, self._searcher.encoders)
            return True

    def search(
        self,
        text: str | None = None,
        *,
        image: bytes | None = None,
        where: str | None = None,
        top: int | None = None,
        weights: Mapping[str, float] | None = None,
        options: SearchOptions | None = None,
    ) -> list[Hit]:
        """The best products for words, a picture's bytes, or both; best first.

        Args:
            text: words.
            image: a picture.
            where: as in the options, and in place of theirs.
            top: likewise.
            weights: likewise.
            options: which hits are wanted, 10 of all products if None. Facets, if any are wanted,
                are in what `answer` gives.

        Raises:
            QueryError: the query, the filter or the weights cannot be used.
        """
        query = Query(text=text, image=image)
        options = options or SearchOptions()
        options = replace(
            options,
            where=options.where if where is None else where,
            top=options.top if top is None else top,
            weights=options.weights if weights is None else weights,
        )
        (answer,) = self.answer([query], options)
        if answer.error is not None:
            raise QueryError(answer.error)
        return answer.hits

    def search_many(
        self,
        queries: Sequence[Query],
        *,
        where: str | None = None,
        top: int = 10,
        weights: Mapping[str, float] | None = None,
    ) -> list[list[Hit]]:
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
        for answer in answers:
            if answer.error is not None:
                raise QueryError(answer.error)
        return [answer.hits for answer in answers]

    def answer(
        self, queries: Sequence[Query | RejectedQuery], options: SearchOptions | None = None
    ) -> list[Answer]:
        """What comes of each query, in order, all from one generation.

        A query that cannot be answered has an `error` and no hits; the others are answered.

        Raises:
            QueryError: the options cannot be used with any query.
        """
        return self._searcher.answer(queries, options or SearchOptions())

    def _find(self) -> Generation:
        generation, model = open_generation(self.store), self._model
        found = str(generation.manifest["model_fingerprint"])
        if model is not None and model.fingerprint != found:
            raise MismatchError(
                f"{generation.folder}: was made with the model {generation.manifest['model']!r} "
                f"({found[:12]}), not with {model.label}. "
                "Leave `model` away to use the index's own encoders."
            )
        return generation


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
    return ProductIndex(Path(store), model, long_lived=long_lived)
