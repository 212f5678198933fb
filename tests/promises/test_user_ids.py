"""Ids of users are in the answer alone: in no store, no temporary file, no output of a command."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import Shell
from store_files import files_with

SECRET = "xq7user"  # in the id of every user, and in nothing else


@pytest.fixture
def shell(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(published, monkeypatch, capsys)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Thirty users who had three products each, and a row that cannot be used."""
    events = [
        (f"{SECRET}{user}", f"p{(7 * user + step) % 60:04d}")
        for user in range(30)
        for step in (0, 1, 2)
    ]
    users, products = zip(*events, (f"{SECRET}99", "none"), strict=True)
    (tmp_path / "given").mkdir()
    path = tmp_path / "given" / "log.parquet"
    pq.write_table(pa.table({"user": users, "product_id": products}), path)
    return path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_ids_of_users_are_in_nothing_but_the_answer(
    shell: Shell, log: Path, scratch: Path, published: Path, tmp_path: Path
) -> None:
    (tmp_path / "shown").mkdir()
    out = tmp_path / "shown" / "shown.parquet"
    given = shell("recommend", "--histories", str(log), "--out", str(out))
    assert given.code == 0, given.err
    assert files_with(out.parent, SECRET) == ["shown.parquet"]
    measured = shell("evaluate", "--histories", str(log))
    assert measured.code == 0, measured.err
    assert [path.name for path in out.parent.iterdir()] == ["shown.parquet"]
    assert list(scratch.iterdir()) == []
    assert files_with(published, SECRET) == []
    for text in (given.out, given.err, measured.out, measured.err):
        assert SECRET not in text
