"""Co-views: which products the same users have in their histories, counted in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from prodmatch.histories.log import Histories
from prodmatch.storage.temporary import new_scratch_file
from prodmatch.storage.vectors import Rows

MOST_PRODUCTS = 50  # of a user that are counted together, the newest
NEIGHBOURS = 50  # of a product that are kept
FEWEST_USERS = 2  # that two products must have in common
SHRINK = 3.0  # users that a pair must have more of before its similarity counts by more than half
MOST_CUTS = 4096  # between products, where they may be cut
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class CoViews:
    """The nearest products of each by the users that they share; `starts` bounds each one's."""

    starts: Rows  # (products + 1,)
    rows: Rows  # (neighbours,)
    similarities: npt.NDArray[np.float32]  # (neighbours,) in 0..1
    users: Rows  # (products,): how many have each


class CoViewCounter:
    """Rows pairs of products, in files of a scratch directory."""

    def __init__(self, scratch: Path, product_count: int, *, most_pairs: int = 2_000_000) -> None:
        """Counts nobody yet.

        Args:
            most_pairs: that are summed at a time.
        """
        self._most_pairs = most_pairs
        self._scratch = scratch
        self._product_count = product_count
        self._files: list[Path] = []
        self._users = np.zeros(product_count, np.int64)

    def add(self, histories: Histories) -> None:
        """Rows the users of some histories; each must be added once."""
        users, rows = _liked_products(histories)
        self._users += np.bincount(rows, minlength=self._product_count)
        pairs = np.stack(_count_pairs(users, rows, self._product_count))
        path = self._scratch / f"pairs-{len(self._files)}.npy"
        with new_scratch_file(path) as file:
            np.save(file, pairs)
        self._files.append(path)

    def finish(self) -> CoViews:
        """The nearest products of each, by `pairs / sqrt(users * users)`, shrunk where few."""
        files = [np.load(path, mmap_mode="r") for path in self._files]
        parts = [self._nearest(files, *bounds) for bounds in self._spans(files)]
        lengths = np.concatenate([lengths for lengths, _, _ in parts])
        return CoViews(
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([rows for _, rows, _ in parts]),
            np.concatenate([similarities for _, _, similarities in parts]),
            self._users.copy(),
        )

    def _spans(self, files: Sequence[Rows]) -> Iterator[tuple[int, int]]:
        """Spans of products whose pairs are few enough to be summed in memory."""
        cuts = np.unique(np.linspace(0, self._product_count, MOST_CUTS + 1).astype(np.int64))
        found = [np.searchsorted(pairs[0], cuts * self._product_count) for pairs in files]
        before = np.sum(found, axis=0) if found else np.zeros(len(cuts), np.int64)
        start = 0
        while start < len(cuts) - 1:
            stop = int(np.searchsorted(before, before[start] + self._most_pairs, side="right")) - 1
            stop = min(max(stop, start + 1), len(cuts) - 1)
            yield int(cuts[start]), int(cuts[stop])
            start = stop

    def _nearest(
        self, files: Sequence[Rows], start: int, stop: int
    ) -> tuple[Rows, Rows, npt.NDArray[np.float32]]:
        """Of a span of products: how many neighbours each has, and these."""
        found = [np.zeros((2, 0), np.int64)]
        for pairs in files:
            bounds = np.searchsorted(pairs[0], np.array([start, stop]) * self._product_count)
            found.append(pairs[:, slice(*bounds)])
        keys, counts = sum_by_key(*np.concatenate(found, axis=1))
        keys, counts = keys[counts >= FEWEST_USERS], counts[counts >= FEWEST_USERS]
        own, other = keys // self._product_count, keys % self._product_count
        cosines = counts / np.sqrt(self._users[own].astype(np.float64) * self._users[other])
        similarities = cosines * counts / (counts + SHRINK)
        order = np.lexsort((other, -similarities, own))
        own, other, similarities = own[order], other[order], similarities[order]
        firsts = np.searchsorted(own, np.arange(start, stop))
        kept = np.arange(len(own)) - firsts[own - start] < NEIGHBOURS
        lengths = np.bincount(own[kept] - start, minlength=stop - start)
        return lengths, other[kept], similarities[kept].astype(np.float32)


def _liked_products(histories: Histories) -> tuple[Rows, Rows]:
    """Users and rows of the events that count for a product, each pair once, oldest first."""
    users = np.repeat(np.arange(len(histories)), np.diff(histories.starts))
    liked = histories.weights > 0
    users, rows = users[liked], histories.rows[liked]
    # the last of equal ones
    _, firsts = np.unique((users * (rows.max(initial=0) + 1) + rows)[::-1], return_index=True)
    positions = np.sort(len(users) - 1 - firsts)
    users, rows = users[positions], rows[positions]
    ends = np.searchsorted(users, users, side="right")
    newest = ends - np.arange(len(users)) <= MOST_PRODUCTS
    return users[newest], rows[newest]


def _count_pairs(users: Rows, rows: Rows, product_count: int) -> tuple[Rows, Rows]:
    """The pairs of products as `row * product_count + other`, ascending, and their users."""
    found: list[tuple[Rows, Rows]] = []
    for pairs in _pairs(users, rows):
        keys = np.concatenate(
            [pairs[0] * product_count + pairs[1], pairs[1] * product_count + pairs[0]]
        )
        found.append(sum_by_key(keys, np.ones(len(keys), np.int64)))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys, counts = (np.concatenate(each) for each in zip(*found, strict=True))
    return sum_by_key(keys, counts)


def _pairs(users: Rows, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """All pairs of rows of one user, by how far apart they stand."""
    for distance in range(1, MOST_PRODUCTS):
        same = users[distance:] == users[:-distance]
        if not same.any():
            return
        yield rows[:-distance][same], rows[distance:][same]


def sum_by_key(keys: Rows, values: npt.NDArray[Number]) -> tuple[Rows, npt.NDArray[Number]]:
    """Each key once, ascending, with the sum of its values."""
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[firsts], np.add.reduceat(values, firsts) if len(firsts) else values
