"""Boosted trees in arrays: what a library trained, evaluated by numpy alone."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.numbered_listings import Floats

BLOCK_ROWS = 512  # whose nodes of all trees are in the cache of a processor


@dataclass(frozen=True)
class BoostedTrees:
    """Trees whose leaves' sum is a log-odds. A leaf is its own child.

    Attributes:
        roots: `(trees,)` their first nodes.
        feature: `(nodes,)` the column that a node looks at.
        threshold: `(nodes,)` values up to it go left.
        missing_left: `(nodes,)` whether NaN goes left.
        children: `(nodes, 2)` right and left.
        value: `(nodes,)` what a leaf adds.
        base: what is added to the mean of all ensembles.
        ensembles: how many ensembles the trees are of; their mean counts.
    """

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    missing_left: npt.NDArray[np.bool_]
    children: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]
    base: float
    ensembles: int
    depth: int

    def log_odds(self, features: Floats) -> npt.NDArray[np.float64]:
        """The log-odds `(pairs,)` of rows `(pairs, features)`."""
        found = np.zeros(len(features))
        for start in range(0, len(features), BLOCK_ROWS):
            block = features[start : start + BLOCK_ROWS]
            found[start : start + BLOCK_ROWS] = self._sums(block)
        return self.base + found / self.ensembles

    def _sums(self, block: Floats) -> npt.NDArray[np.float64]:
        width = block.shape[1]
        flat, offsets = block.ravel(), np.arange(len(block), dtype=np.int32) * width
        missing = np.isnan(flat)
        nodes = np.repeat(self.roots[:, None], len(block), axis=1)  # (trees, rows)
        for _ in range(self.depth):
            cells = self.feature[nodes] + offsets
            left = flat[cells] <= self.threshold[nodes]  # NaN is not
            left |= missing[cells] & self.missing_left[nodes]
            nodes = self.children.ravel()[2 * nodes + left]
        return np.asarray(self.value[nodes].sum(axis=0, dtype=np.float64))


def tree_arrays(trees: BoostedTrees) -> dict[str, npt.NDArray[np.generic]]:
    """Its arrays by name."""
    found = {each.name: getattr(trees, each.name) for each in fields(trees)}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
