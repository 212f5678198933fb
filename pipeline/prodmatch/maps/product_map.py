"""A published catalogue on a map, and what looks wrong on it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prodmatch.maps.clusters import Cluster
from prodmatch.maps.outliers import Outlier
from prodmatch.maps.pictures import Pictures
from prodmatch.storage.vectors import Rows


@dataclass(frozen=True)
class DeepReport:
    """What a map shows; `outliers` counts them by kind."""

    products: int
    shown: int
    generation: int
    layout: str
    coloured_by: str | None
    clusters: list[str]
    pictures: int
    outliers: dict[str, int]
    examples: dict[str, list[str]]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ProductMap:
    """Products in two dimensions; all arrays are `(n,)` or `(n, 2)`, in the order of the index."""

    report: DeepReport
    product_ids: list[str]
    titles: list[str]
    positions: npt.NDArray[np.float32]  # from -1 to 1, a little beyond for a few
    categories: tuple[str, ...]  # the values of `coloured_by`
    codes: Rows  # the number of each product's value, -1 where it has none
    regions: Rows  # the number of each product's coarse cluster
    clusters: list[Cluster]
    outliers: dict[str, list[Outlier]]  # by kind, the worst first
    pictures: Pictures
