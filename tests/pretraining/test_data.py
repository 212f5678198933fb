"""The data of a training: splits and text pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from training_data import training_rows, training_set

from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec
from prodmatch.pretrain import _warn_of_known
from prodmatch.pretraining.data import check_catalogue, read_text_rows, read_training_set


def test_pairs_have_a_source_where_their_file_says_it(tmp_path: Path) -> None:
    rows = {"left": ["a", "b", None], "right": ["c", "d", "e"]}
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table(rows), path)
    found = read_text_rows(path, ["left", "right"], ["source"])
    assert found == [{"left": "a", "right": "c"}, {"left": "b", "right": "d"}]
    pq.write_table(pa.table({**rows, "source": ["x", None, "y"]}), path)
    found = read_text_rows(path, ["left", "right"], ["source"])
    assert [row["source"] for row in found] == ["x", None]
    with pytest.raises(ModelError, match="has no column 'text'; found left, right, source"):
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
        check_catalogue(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image", None, "has no column 'image'. Give title, image and split"),
        ("title", None, "has no column 'title'"),
        ("image", "p.jpg", "'image' holds string; write the bytes of one picture"),
        ("image", [b"p"], "'image' holds list"),
        ("title", ["mug"], "'title' holds list"),
        ("colour", ["red"], "'colour' holds list.*; write a text, alternatives separated by |"),
    ],
)
def test_a_column_that_nothing_is_learnt_from_is_named(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    rows = [{**row, name: value} for row in training_rows(3).to_pylist()]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table if value else table.drop([name]), tmp_path / "c.parquet")
    with pytest.raises(ModelError, match=message):
        check_catalogue(tmp_path / "c.parquet")


def test_rows_that_are_left_out_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = training_rows(14).to_pylist()  # 0 and 7 are held out
    rows[1]["image"], rows[2]["image"], rows[3]["title"] = b"no picture", None, "  "
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    found = read_training_set(tmp_path / "c.parquet", "train", ImageSpec(), tmp_path / "p", 0)
    assert len(found.products) == 9
    assert "3 of 12 rows of the split 'train' are left out" in caplog.text
    caplog.clear()
    read_training_set(tmp_path / "c.parquet", "val", ImageSpec(), tmp_path / "v", 0)
    assert not caplog.text


def test_held_out_products_that_are_trained_on_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held_out = replace(
        training_set(6), title_groups=np.arange(4, 10), picture_groups=np.arange(3, 9)
    )
    _warn_of_known(training_set(6), held_out, Path("c.parquet"))
    assert "3 of 6 products of the split 'val' have the title or picture" in caplog.text
    caplog.clear()
    others = replace(held_out, title_groups=np.arange(9, 15), picture_groups=np.arange(9, 15))
    _warn_of_known(training_set(6), others, Path("c.parquet"))
    assert not caplog.text
