"""What a catalogue's reading passes over stands in the report and on stderr."""

import json
import os
import pty
import subprocess
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import run

from prodmatch_cli import main


@pytest.mark.parametrize("form", ["json", "table"])
def test_check_names_what_is_passed_over(form: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": ["a"], "title": ["mug"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").touch()
    done = run("check", tmp_path, "--format", form)
    assert "warning: " in done.err
    assert "'b.csv'" in done.err
    if form == "json":
        assert any("'b.csv'" in warning for warning in json.loads(done.out)["warnings"])


def test_a_person_reads_the_warnings_of_check_once(tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": ["a"], "title": ["mug"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").touch()
    command = [sys.executable, "-m", "prodmatch_cli", "check", str(tmp_path)]
    reader, writer = pty.openpty()
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=True)
    os.close(writer)
    shown = os.read(reader, 65536).decode()
    os.close(reader)
    assert ("'b.csv'" in shown, "'b.csv'" in done.stderr) == (True, False)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("'b.csv'" in done.stdout, "'b.csv'" in done.stderr) == (True, True)


def test_check_takes_a_column_that_is_left_out_on_purpose(tmp_path: Path) -> None:
    columns = {"product_id": ["a", "b"], "title": ["mug", "cup"], "colour": ["red", "blue"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert "colour" in run("check", tmp_path).err
    done = run("check", tmp_path, "--leave-out", "colour", "--format", "json")
    assert "colour" not in done.out + done.err


def test_a_warning_of_a_library_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["prodmatch", "--version"])
    with warnings.catch_warnings():
        main.main()
        warnings.simplefilter("always")
        warnings.warn("two\nlines\x1b", stacklevel=1)
    assert capsys.readouterr().err == "warning: two lines\\x1b\n"


def test_the_table_of_check_names_options_and_its_json_parameters(tmp_path: Path) -> None:
    columns = {"product_id": ["a", "b"], "title": ["mug", "cup"], "colour": ["red", "blue"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = run("check", tmp_path).out
    assert "give --text-columns title,colour\n" in table
    assert "`text_columns=" not in table
    assert "give `text_columns=title,colour`" in run("check", tmp_path, "--format", "json").out
