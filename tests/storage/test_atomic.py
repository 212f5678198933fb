"""What is on disk is whole or absent, and known by its bytes."""

import errno
import os
from pathlib import Path

import pytest

from prodmatch.errors import DamagedError, StoreError
from prodmatch.storage.atomic import (
    SMALL_BYTES,
    check_files,
    list_files,
    new_directory,
    new_file,
    remove_leftovers,
    remove_path,
    temporary_name,
)


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    with new_file(path) as file:
        file.write(b"old")
    with pytest.raises(KeyError), new_file(path) as file:  # noqa: PT012
        file.write(b"half of the n")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_named_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(StoreError, match=r"file: cannot be written \(No space left"),
        new_file(path) as file,
    ):
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_whole_or_absent_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with pytest.raises(KeyError), new_directory(path) as folder:  # noqa: PT012
        (folder / "half").write_bytes(b"")
        raise KeyError
    assert not list(tmp_path.iterdir())
    with new_directory(path) as folder:
        (folder / "file").write_bytes(b"first")
    with pytest.raises(StoreError, match="exists already"), new_directory(path) as folder:
        (folder / "file").write_bytes(b"second")
    assert (path / "file").read_bytes() == b"first"


def test_a_manifest_finds_what_changed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"content")
    listed = list_files(tmp_path)
    check_files(tmp_path, listed, digests=True)
    (tmp_path / "b").write_bytes(b"cantent")
    for digests in (False, True):  # a small file's digest costs nothing
        with pytest.raises(DamagedError, match="b: its SHA-256"):
            check_files(tmp_path, listed, digests=digests)
    (tmp_path / "b").write_bytes(bytes(SMALL_BYTES + 1))
    listed = list_files(tmp_path)
    (tmp_path / "b").write_bytes(bytes(SMALL_BYTES) + b"1")
    check_files(tmp_path, listed, digests=False)  # a large file's costs
    with pytest.raises(DamagedError, match="b: its SHA-256"):
        check_files(tmp_path, listed, digests=True)
    (tmp_path / "b").write_bytes(b"cont")
    with pytest.raises(DamagedError, match=f"b: {SMALL_BYTES + 1} bytes expected, found 4"):
        check_files(tmp_path, listed, digests=False)
    (tmp_path / "b").unlink()
    with pytest.raises(DamagedError, match=f"b: {SMALL_BYTES + 1} bytes expected, found nothing"):
        check_files(tmp_path, listed, digests=False)


def test_leftovers_of_dead_runs_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "x" / "folder"
    temporary_name(folder).mkdir(parents=True)
    temporary_name(folder).write_bytes(b"")
    (tmp_path / "x" / "_tmp-mine").write_bytes(b"")
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["_tmp-mine"]


def test_of_a_link_the_name_goes_and_what_it_names_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    remove_path(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
