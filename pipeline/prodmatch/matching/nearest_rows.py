"""The rows nearest to many rows at once, by lists: nearly linear in the number of rows."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.search.vectors.list_builder import find_centroids
from prodmatch.storage.vectors import Vectors, draw_rows

EXACT_ROWS = 10_000  # so few are compared with every row
LISTS_PER_ROOT = 2.0  # times the root of the rows
LISTS_SEARCHED = 8  # of every row: those of the nearest centroids
TRAINING_ROWS = 40  # of a list, that its centroid is found from
LONGEST_LIST = 20_000  # rows of a list that are compared: those of one picture by thousands end
BLOCK_ROWS, READ_ROWS = 1024, 8192
NONE = -1
Float16s = npt.NDArray[np.float16]
T = TypeVar("T", bound=np.generic)
ReadParts = Callable[[Ints], Vectors]  # rows to `(n, dim)` of unit length, or zeros


class NearestRows:
    """The text parts or the image parts of rows, in lists of those near one centroid.

    They are kept in half precision: 2 bytes a number.
    """

    def __init__(self, read: ReadParts, rows: Ints) -> None:
        """Takes rows to search among, ascending; those whose part is zeros are never found."""
        parts = _read_float16(read, rows)
        there = parts.any(axis=1)
        parts, rows = parts[there], rows[there]
        count = max(1, int(LISTS_PER_ROOT * np.sqrt(len(rows)))) if len(rows) > EXACT_ROWS else 1
        sample = draw_rows(len(rows), TRAINING_ROWS * count)
        self._centroids = find_centroids(parts[sample].astype(np.float32), count)
        lists = np.concatenate(
            [np.zeros(0, np.int64), *(self._nearest_lists(b, 1)[:, 0] for b in _blocks(parts))]
        )
        order = np.argsort(lists, kind="stable")
        self._parts, self._rows = parts[order], rows[order]
        self._starts = np.searchsorted(lists[order], np.arange(len(self._centroids) + 1))

    def search(self, read: ReadParts, rows: Ints, count: int) -> npt.NDArray[np.int32]:
        """The `count` nearest of each row `(n, count)`, in no order; -1 where there are fewer."""
        found = np.full((len(rows), count), NONE, np.int32)
        if not len(self._rows) or not len(rows):
            return found
        queries = _read_float16(read, rows)
        there = np.flatnonzero(queries.any(axis=1))
        searched = min(LISTS_SEARCHED, len(self._centroids))
        near = [self._nearest_lists(queries[part], searched) for part in _blocks(there)]
        lists = np.concatenate([np.zeros((0, searched), np.int64), *near]).ravel()
        order = np.argsort(lists, kind="stable")
        cuts = np.searchsorted(lists[order], np.arange(len(self._centroids) + 1))
        best = _Best(found, np.full(found.shape, -np.inf, np.float32))
        for number, (first, last) in enumerate(itertools.pairwise(self._starts)):
            wanting = there[order[cuts[number] : cuts[number + 1]] // searched]
            if not len(wanting) or first == last:
                continue
            rows_there = self._rows[first:last][:LONGEST_LIST]
            parts = self._parts[first:last][:LONGEST_LIST].astype(np.float32)
            for start in range(0, len(wanting), BLOCK_ROWS):
                block = wanting[start : start + BLOCK_ROWS]
                best.add(block, queries[block].astype(np.float32) @ parts.T, rows_there)
        return found

    def _nearest_lists(self, parts: Float16s, count: int) -> Ints:
        """The `count` lists of each part, the nearest in no order."""
        scores = parts.astype(np.float32) @ self._centroids.T
        if count == len(self._centroids):
            return np.broadcast_to(np.arange(count), (len(parts), count))
        # A copy: a view keeps the scores of all lists, which of a million rows are 16 GB.
        return np.argpartition(-scores, count - 1, axis=1)[:, :count].copy()


@dataclass(frozen=True)
class _Best:
    """The best rows of all queries so far, and their scores; both `(n, count)`."""

    rows: npt.NDArray[np.int32]
    scores: Vectors

    def add(self, queries: Ints, scores: Vectors, rows: Ints) -> None:
        """Takes what is better of `(queries, rows)` scores."""
        count = self.rows.shape[1]
        if scores.shape[1] > count:
            near = np.argpartition(-scores, count - 1, axis=1)[:, :count]
            scores, more = np.take_along_axis(scores, near, axis=1), rows[near]
        else:
            more = np.broadcast_to(rows, scores.shape)
        scores = np.concatenate([self.scores[queries], scores], axis=1)
        more = np.concatenate([self.rows[queries], more], axis=1)
        kept = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        self.scores[queries] = np.take_along_axis(scores, kept, axis=1)
        self.rows[queries] = np.take_along_axis(more, kept, axis=1)


def _read_float16(read: ReadParts, rows: Ints) -> Float16s:
    """The parts `(n, dim)` of rows in half precision."""
    blocks = [read(block).astype(np.float16) for block in _blocks(rows, READ_ROWS)]
    return np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float16)


def _blocks(array: npt.NDArray[T], rows: int = BLOCK_ROWS) -> list[npt.NDArray[T]]:
    return [array[start : start + rows] for start in range(0, len(array), rows)]
