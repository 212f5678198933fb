"""The data of a training: splits and text pairs."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from training_data import training_rows

from prodmatch.errors import ModelError
from prodmatch.pretraining.data import check_splits, read_text_rows


def test_pairs_have_a_source_where_their_file_says_it(tmp_path: Path) -> None:
    rows = {"left": ["a", "b", None], "right": ["c", "d", "e"]}
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table(rows), path)
    found = read_text_rows(path, ["left", "right"], ["source"])
    assert found == [{"left": "a", "right": "c"}, {"left": "b", "right": "d"}]
    pq.write_table(pa.table({**rows, "source": ["x", None, "y"]}), path)
    found = read_text_rows(path, ["left", "right"], ["source"])
    assert [row["source"] for row in found] == ["x", None]
    with pytest.raises(ModelError, match="no Parquet file with text"):
        read_text_rows(path, ["text"])
    said = pa.array(["c", "d", "d"]).dictionary_encode()
    pq.write_table(pa.table({**rows, "right": said}), path)
    assert read_text_rows(path, ["left", "right"]) == [
        {"left": "a", "right": "c"},
        {"left": "b", "right": "d"},
    ]
    pq.write_table(pa.table({**rows, "right": [1, 2, 3]}), path)
    with pytest.raises(ModelError, match="column 'right' holds int64, not texts"):
        read_text_rows(path, ["left", "right"])


def test_rows_of_another_split_are_refused(tmp_path: Path) -> None:
    table = training_rows(10).to_pandas()
    table.loc[3, "split"] = "test"
    table.to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ModelError, match="only 'train' and 'val' may be there"):
        check_splits(tmp_path / "c.parquet")
