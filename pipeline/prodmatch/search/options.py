"""What a search asks for: which products, how they are scored, and the page that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from types import UnionType

import numpy as np

from prodmatch.errors import QueryError
from prodmatch.products.product_db import Products
from prodmatch.search.scoring import check_weights

MOST_HITS = 10_000
MOST_BOOST = 1e6  # a weight, against scores of about 1
FLAGS = ("exact", "count")
TYPES: dict[str, tuple[type | UnionType, str]] = {
    **dict.fromkeys(("top", "offset"), (Integral, "a whole number")),
    **dict.fromkeys(("min_probability", "diverse"), (Real, "a number")),
    "where": (str | None, "a condition, as text"),
    "one_per": (str | None, "the name of a column"),
    "boost": (Mapping, "a weight by column, such as {'stock': 0.1}"),
    "weights": (Mapping | None, "a weight by signal, such as {'text': 1}"),
    "facets": (Sequence, "names of columns"),
    **dict.fromkeys(FLAGS, (bool | np.bool_, "True or False")),
}


@dataclass(frozen=True)
class SearchOptions:
    """Which hits are wanted, and how they are scored.

    Attributes:
        where: an SQL condition over the catalogue's columns, applied before ranking.
        top: hits of a query, 1 to 10,000; fewer come back where fewer exist.
        weights: of `lexical`, `text` and `image`; those of the index if None.
        exact: search every word as it was typed.
        min_probability: hits that match with a lower one are left out.
        offset: hits that come before the first one, on earlier pages.
        one_per: a column; of the products that share a value of it only the best is a hit.
        diverse: 0 to 1, how much less a hit counts that is like those above it; see `diversify`.
        boost: weights of numeric columns, added to the score; a negative one favours low values.
        facets: columns whose values are counted over all products that match.
        count: whether the products that match are counted without facets, too.
    """

    where: str | None = None
    top: int = 10
    weights: Mapping[str, float] | None = None
    exact: bool = False
    min_probability: float = 0.0
    offset: int = 0
    one_per: str | None = None
    diverse: float = 0.0
    boost: Mapping[str, float] = field(default_factory=dict)
    facets: Sequence[str] = ()
    count: bool = False

    def __post_init__(self) -> None:
        """Takes whole numbers of NumPy as Python's, which JSON can hold, and one facet as such."""
        for name in ("top", "offset"):
            value = getattr(self, name)
            if isinstance(value, Integral) and not isinstance(value, bool):
                object.__setattr__(self, name, int(value))
        if isinstance(self.facets, str):
            object.__setattr__(self, "facets", (self.facets,))

    def check(self, products: Products) -> None:
        """Checks that they can be used with these products.

        Raises:
            QueryError: one cannot; says which.
        """
        self._check_types()
        if not 1 <= self.top <= MOST_HITS:
            raise QueryError(f"`top={self.top}`: must be from 1 to {MOST_HITS}.")
        if not 0 <= self.offset <= MOST_HITS - self.top:
            raise QueryError(
                f"`offset={self.offset}`: must be from 0 to {MOST_HITS - self.top} with "
                f"`top={self.top}`."
            )
        for name in ("min_probability", "diverse"):
            if not 0 <= getattr(self, name) <= 1:
                raise QueryError(f"`{name}={getattr(self, name):g}`: must be 0 to 1.")
        if self.weights is not None:
            check_weights(self.weights)
        if self.one_per is not None:
            products.check_column(self.one_per, "one_per")
        for name in self.facets:
            products.check_column(name, "facets")
        for name, weight in self.boost.items():
            _check_boost(products, name, weight)
        if self.where is not None:
            products.rows_where(self.where)

    def _check_types(self) -> None:
        """Checks what a caller from Python, or a body of JSON, may have given as anything."""
        for name, (kind, text) in TYPES.items():
            value = getattr(self, name)
            is_wrong_flag = isinstance(value, bool) and name not in FLAGS
            if not isinstance(value, kind) or is_wrong_flag:
                raise QueryError(f"`{name}={value!r:.40}`: must be {text}.")
        if wrong := [each for each in self.facets if not isinstance(each, str)]:
            raise QueryError(f"`facets`: {wrong[0]!r:.40} is no name of a column.")
        for name, weights in (("boost", self.boost), ("weights", self.weights or {})):
            for key, weight in weights.items():
                if not isinstance(key, str):
                    raise QueryError(f"`{name}`: {key!r:.40} is no name. Give text.")
                if not isinstance(weight, Real) or isinstance(weight, bool):
                    raise QueryError(f"`{name}`: {key}={weight!r:.40} must be a number.")


def _check_boost(products: Products, name: str, weight: float) -> None:
    products.check_column(name, "boost")
    if name not in products.number_columns:
        numeric = ", ".join(products.number_columns)[:300] or "none"
        raise QueryError(
            f"`boost`: the column {name!r} holds text. Numeric columns are: {numeric}."
        )
    if not abs(weight) <= MOST_BOOST:
        raise QueryError(
            f"`boost`: {name}={weight:g} is no weight. Give a number from {-MOST_BOOST:g} to "
            f"{MOST_BOOST:g}."
        )
