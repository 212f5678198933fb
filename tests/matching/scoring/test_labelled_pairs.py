"""Labelled pairs are read, and what is wrong with them is named."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch.errors import QueryError
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs, read_labelled_pairs

ROWS = {"a": 0, "b": 1, "c": 2}


def read(path: Path, text: str, *, is_one: bool = False) -> LabelledPairs:
    path = path / "pairs.csv"
    path.write_text(text)
    return read_labelled_pairs(path, ROWS.get, ROWS.get, is_one=is_one)


def test_pairs_are_read_in_order(tmp_path: Path) -> None:
    found = read(tmp_path, "left,right,match\nb,a,true\nb,c,0\nz,c,1\na,a,yes\n")
    assert (found.rows.tolist(), found.others.tolist()) == ([1, 1, 0], [0, 2, 0])
    assert found.match.tolist() == [True, False, True]
    assert (found.unknown, found.unknown_id) == (1, "z")


def test_a_pair_teaches_once_and_none_with_both_labels(tmp_path: Path) -> None:
    text = "left,right,match\na,b,true\nb,c,0\na,b,1\nb,a,false\nc,c,1\n"
    found = read(tmp_path, text)
    assert list(zip(found.rows.tolist(), found.others.tolist(), strict=True)) == [
        (0, 1),
        (1, 2),
        (1, 0),
        (2, 2),
    ]
    assert (found.own, found.repeated, found.contradicting) == (0, 1, 0)
    found = read(tmp_path, text, is_one=True)
    assert (found.rows.tolist(), found.others.tolist()) == ([1], [2])
    assert (found.own, found.repeated, found.contradicting) == (1, 2, 1)


def test_ids_may_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    columns = {"left": [7.0, 8.0], "right": [8, 7], "match": [1.0, 0.0]}
    pq.write_table(pa.table(columns), path)
    found = read_labelled_pairs(path, {"7": 0, "8": 1}.get, {"7": 0, "8": 1}.get, is_one=False)
    assert found.rows.tolist() == [0, 1]
    assert found.match.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left,right,match\ny,z,1\n", "none of 1 pairs is known; 'y' is the id of no product"),
        ("left,right\na,b\n", "has no column 'match'; found left, right"),
        ("left,right,match\na,b,perhaps\n", "row 1: match is 'perhaps'"),
        ("left,right,match\na,b,1\n,b,1\n", "row 2: left is empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        read(tmp_path, text)
