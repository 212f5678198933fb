"""Hits: the products found for a query, with every signal's share of the score, and facets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hit:
    """A product found. `score == lexical + text + image`, and `+ boost` where one is wanted."""

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
    boost: float | None = None  # what numeric columns add; None where no boost is wanted
    group_size: int | None = None  # matching products of its value of the column `one_per`


def hit_fields(hit: Hit) -> dict[str, object]:
    """Names and values, the metadata among them, for JSON; nothing of what is not wanted."""
    own = dict(vars(hit))
    metadata = own.pop("metadata")
    for name in ("boost", "group_size"):
        if own[name] is None:
            del own[name]
    return {**own, **{name: value for name, value in metadata.items() if name not in own}}


@dataclass(frozen=True)
class FacetValue:
    """A value of a column, and how many of the matching products have it."""

    value: object
    count: int


Facets = Mapping[str, Sequence[FacetValue]]  # of each column its commonest values, in order


@dataclass(frozen=True)
class ResultPage:
    """Hits, best first, and the facets and the number of all products that match."""

    hits: list[Hit]
    facets: Facets
    match_count: int | None = None


@dataclass(frozen=True)
class Answer:
    """What comes of one query: its hits, best first, or the reason why there are none."""

    query_id: str
    hits: list[Hit] = field(default_factory=list)
    searched_for: str | None = None  # the text that was searched, where it is not the one typed
    understood: str | None = None  # what is understood of its text besides words
    hints: tuple[str, ...] = ()  # what to know of the query or its filter
    error: str | None = None  # why the query cannot be answered
    facets: Facets = field(default_factory=dict)
    match_count: int | None = None  # products that match, where facets or the count are wanted

    def as_rows(self) -> list[dict[str, object]]:
        """The hits as names and values, or the error; below them what is counted.

        The first hit says what was searched for. Where products are counted, a last row has that.
        """
        if self.error is not None:
            return [{"query_id": self.query_id, "error": self.error}]
        rows = [hit_fields(hit) for hit in self.hits]
        if rows and self.searched_for is not None:
            rows[0]["searched_for"] = self.searched_for
        if rows and self.understood is not None:
            rows[0]["understood"] = self.understood
        if self.match_count is not None:
            facets = {name: [vars(each) for each in found] for name, found in self.facets.items()}
            counted = {"facets": facets, "match_count": self.match_count}
            rows.append({"query_id": self.query_id, **counted})
        return rows
