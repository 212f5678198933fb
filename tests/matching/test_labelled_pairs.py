"""Labelled pairs are read, and what is wrong with them is named."""

from pathlib import Path

import pytest

from prodmatch.errors import QueryError
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs, read_labelled_pairs

ROWS = {"a": 0, "b": 1, "c": 2}


def read(path: Path, text: str) -> LabelledPairs:
    path = path / "pairs.csv"
    path.write_text(text)
    return read_labelled_pairs(path, ROWS.get, ROWS.get)


def test_pairs_are_read_in_order(tmp_path: Path) -> None:
    found = read(tmp_path, "left,right,match\na,b,true\nb,c,0\nz,c,1\na,b,false\n")
    assert (found.rows.tolist(), found.others.tolist()) == ([0, 1, 0], [1, 2, 1])
    assert found.match.tolist() == [True, False, False]
    assert (found.unknown, found.unknown_id, found.contradicting) == (1, "z", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left,right,match\ny,z,1\n", "none of 1 pairs is known; 'y' is the id of no product"),
        ("left,right\na,b\n", "has no column 'match'; found left, right"),
        ("left,right,match\na,b,perhaps\n", "row 1: match is 'perhaps'"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        read(tmp_path, text)
