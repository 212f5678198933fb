"""The result of a search: its hits as a list, and what a notebook makes of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

from prodmatch.errors import not_installed
from prodmatch.search.answers.hits import Answer, Facets, Hit, hit_fields

if TYPE_CHECKING:
    import pandas

NOT_WANTED = ("query_id", "boost", "group_size")  # columns that an empty table lacks
OF_A_HIT = [name for name in Hit.__dataclass_fields__ if name not in (*NOT_WANTED, "metadata")]


class SearchResult(list[Hit]):
    """The hits of a search, best first; a list of them that knows what was searched for.

    A notebook shows it as a table with small pictures. A slice is a result again.

    Attributes:
        facets: the commonest values of each column wanted, over all products that match.
        match_count: products that match, where facets or the count are wanted.
        searched_for: the text that was searched, where it is not the one typed.
        understood: what is understood of the text besides words.
        hints: what to know of the query or its filter.
        store: where the pictures of its products are known.
    """

    def __init__(self, answer: Answer, store: Path, columns: Sequence[str] = ()) -> None:
        super().__init__(answer.hits)
        self.facets: Facets = answer.facets
        self.match_count = answer.match_count
        self.searched_for = answer.searched_for
        self.understood = answer.understood
        self.hints = answer.hints
        self.store = store
        self._answer = answer
        self._columns = columns

    @overload
    def __getitem__(self, position: SupportsIndex) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> "SearchResult": ...

    def __getitem__(self, position: SupportsIndex | slice) -> "Hit | SearchResult":
        if isinstance(position, slice):
            hits = super().__getitem__(position)
            return SearchResult(replace(self._answer, hits=hits), self.store, self._columns)
        return super().__getitem__(position)

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a hit: rank, product_id, score, probability, its parts, and the metadata.

        Without a hit it has the same columns.

        Raises:
            NotInstalledError: pandas is not installed.
        """
        try:
            import pandas  # here, as no query needs it
        except ModuleNotFoundError as error:
            raise not_installed(
                "pandas", "a list of the hits works without it", "to_pandas"
            ) from error
        rows = [hit_fields(hit) for hit in self]
        for row in rows:
            del row["query_id"]
        return pandas.DataFrame(rows, columns=None if rows else [*OF_A_HIT, *self._columns])

    def _repr_html_(self) -> str:
        from prodmatch.search.answers.result_table import render_table  # it loads Arrow

        return render_table(replace(self._answer, hits=list(self)), self.store)
