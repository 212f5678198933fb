"""The first searches of an index have what they look at read at once."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from prodmatch.search.vectors import code_lists, half_vectors
from prodmatch.search.vectors.code_lists import FETCHED_SEARCHES, fetch
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Vectors, normalise

ROWS, DIM = 3000, 16


@pytest.fixture
def opened(tmp_path: Path) -> AnnIndex:
    rows = random_rows(ROWS)
    build_index(lambda: [rows], ROWS, DIM, "codes").save(tmp_path / "index.faiss")
    return AnnIndex.open(tmp_path / "index.faiss", row_count=ROWS, dim=DIM)


def random_rows(count: int) -> Vectors:
    return normalise(np.random.default_rng(count).normal(size=(count, DIM)))


def test_all_that_the_first_searches_compare_is_fetched(
    opened: AnnIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[mmap.mmap, int, int]] = []

    def note(mapped: mmap.mmap, firsts: np.ndarray, ends: np.ndarray) -> None:
        fetched.extend(zip([mapped] * len(firsts), firsts.tolist(), ends.tolist(), strict=True))
        fetch(mapped, firsts, ends)

    monkeypatch.setattr(code_lists, "fetch", note)
    monkeypatch.setattr(half_vectors, "fetch", note)
    assert opened.lists is not None
    text = opened.lists[0]
    text.breadth = text.quantizer.list_count
    query = random_rows(1)
    query[:, DIM // 2 :] = 0.0
    (found,) = opened.search(query, 10)
    lists = [(first, end) for mapped, first, end in fetched if mapped is text._mapped]
    assert min(first for first, _ in lists) == len(text._mapped) - len(text._bytes)
    assert max(end for _, end in lists) == len(text._mapped)
    assert sum(end - first for first, end in lists) == len(text._bytes)
    rows = [(mapped, first, end) for mapped, first, end in fetched if mapped is not text._mapped]
    assert len(rows) == text.rescored
    read = [np.frombuffer(mapped[first:end], np.float16) for mapped, first, end in rows]
    held = {row.tobytes() for row in read}
    assert all(row.astype(np.float16).tobytes() in held for row in opened.vectors(found.rows))


def test_later_searches_fetch_nothing(opened: AnnIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[int]()
    monkeypatch.setattr(code_lists, "fetch", lambda *ranges: calls.append(len(ranges[1])))
    for query in random_rows(FETCHED_SEARCHES + 5):
        opened.search(query[None], 10)
    assert len(calls) == 2 * FETCHED_SEARCHES  # of the texts' lists and of the pictures'


def test_a_query_for_a_part_that_no_row_has_finds_nothing() -> None:
    rows = normalise(np.random.default_rng(0).normal(size=(500, 16)))
    rows[:, 8:] = 0.0
    rows = normalise(rows)
    index = build_index(lambda: [rows], 500, 16, "codes")
    (found,) = index.search(np.eye(16, dtype=np.float32)[12:13], 10)
    assert not len(found.rows)
    (found,) = index.search(rows[:1] + np.eye(16, dtype=np.float32)[12], 10)
    assert found.rows[0] == 0
