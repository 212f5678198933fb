"""What a catalogue's reading passes over stands in the report and on stderr."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import run


@pytest.mark.parametrize("form", ["json", "table"])
def test_check_names_what_is_passed_over(form: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": ["a"], "title": ["mug"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").touch()
    done = run("check", tmp_path, "--format", form)
    assert "warning: " in done.err
    assert "'b.csv'" in done.err
    if form == "json":
        assert any("'b.csv'" in warning for warning in json.loads(done.out)["warnings"])
