"""Rows of a generation's products are read from the row groups that they are in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch.errors import DamagedError
from prodmatch.storage.product_file import PRODUCT_FILE, read_rows


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    table = pa.table({"product_id": [f"p{row}" for row in range(10)], "text": ["a"] * 10})
    pq.write_table(table, tmp_path / PRODUCT_FILE, row_group_size=3)
    return tmp_path


@pytest.mark.parametrize("rows", [[], [0], [9], [4, 5], [8, 0, 9, 0], list(range(10))])
def test_rows_come_in_their_order(generation: Path, rows: list[int]) -> None:
    table = read_rows(generation, np.array(rows, np.int64), ["product_id"])
    assert table.to_pydict() == {"product_id": [f"p{row}" for row in rows]}


def test_other_row_groups_are_not_read(generation: Path) -> None:
    path = generation / PRODUCT_FILE
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset
    content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)
    assert len(read_rows(generation, np.array([1, 5, 9]), ["product_id"])) == 3
    with pytest.raises(DamagedError):
        read_rows(generation, np.array([6]), ["product_id"])


def test_a_row_that_is_not_there_is_damage(generation: Path) -> None:
    with pytest.raises(DamagedError, match="fewer products than the manifest says"):
        read_rows(generation, np.array([10]), ["product_id"])
