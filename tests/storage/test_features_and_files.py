"""What is on disk is whole or absent, and known by its bytes."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import Counting

from prodmatch.embedding.plan import new_contents
from prodmatch.errors import DamagedError, LockedError, StoreError
from prodmatch.storage import atomic as files
from prodmatch.storage.atomic import (
    check_files,
    list_files,
    new_directory,
    new_file,
    remove_leftovers,
)
from prodmatch.storage.embeddings import vector_array, vectors_of
from prodmatch.storage.features import FeatureStore, content_key
from prodmatch.storage.locks import ensure_unlocked, hold_store, lock_store
from prodmatch.storage.temporary import remove_temporary_folder, temporary_folder


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


def test_a_manifest_finds_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"content")
    listed = list_files(tmp_path)
    check_files(tmp_path, listed, digests=True)
    (tmp_path / "b").write_bytes(b"cantent")
    for digests in (False, True):  # a small file's digest costs nothing
        with pytest.raises(DamagedError, match="b: its SHA-256"):
            check_files(tmp_path, listed, digests=digests)
    monkeypatch.setattr(files, "SMALL_BYTES", 6)
    check_files(tmp_path, listed, digests=False)
    with pytest.raises(DamagedError, match="b: its SHA-256"):
        check_files(tmp_path, listed, digests=True)
    (tmp_path / "b").write_bytes(b"cont")
    with pytest.raises(DamagedError, match="b: 7 bytes expected, found 4"):
        check_files(tmp_path, listed, digests=False)
    (tmp_path / "b").unlink()
    with pytest.raises(DamagedError, match="b: 7 bytes expected, found nothing"):
        check_files(tmp_path, listed, digests=False)


def test_one_writer_at_a_time_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from prodmatch.storage.locks import lock_store\n"
        "with lock_store(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    for lock in (lock_store, hold_store):
        with pytest.raises(LockedError, match="another run"), lock(tmp_path):
            pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with lock_store(tmp_path):
        pass


CONTEND = """
import sys
from pathlib import Path
from prodmatch.errors import LockedError
from prodmatch.storage.locks import lock_store
print("ready", flush=True)
for line in sys.stdin:
    try:
        with lock_store(Path(sys.argv[1])):
            print("held", flush=True)
            sys.stdin.readline()
    except LockedError:
        print("locked", flush=True)
        sys.stdin.readline()
"""


def test_of_two_writers_at_once_one_holds_and_one_is_told(
    tmp_path: Path, count_cases: Counting
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", CONTEND, tmp_path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip

    def tell_all() -> None:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()

    def log_all() -> list[str]:
        return sorted(writer.stdout.readline() for writer in writers if writer.stdout)

    assert log_all() == ["ready\n"] * 2
    for _ in range(30):
        tell_all()
        assert log_all() == ["held\n", "locked\n"]
        tell_all()
    for writer in writers:
        writer.communicate()
    count_cases("writers at once", 30)


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".lock").symlink_to(tmp_path / "precious")
    with (
        pytest.raises(StoreError, match=r"\.lock: cannot be written"),
        lock_store(tmp_path / "store"),
    ):
        pass
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_leftovers_of_dead_runs_are_removed(tmp_path: Path) -> None:
    (tmp_path / "x" / "_tmp-1-folder").mkdir(parents=True)
    (tmp_path / "x" / "_tmp-2-file").write_bytes(b"")
    (tmp_path / "x" / "file").write_bytes(b"")
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["file"]


def test_features_come_back_by_their_key(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    vectors = np.arange(24, dtype=np.float32).reshape(6, 4)
    keys = [content_key(bytes([number])) for number in range(6)]
    store.append(keys[:2], vectors[:2], [None, None])
    store.append(keys[2:], vectors[2:], [None, "broken", None, None])
    asked = pa.array([keys[5], keys[0], content_key(b"unknown"), keys[3], keys[5]], pa.binary(16))
    found, usable = store.take(asked)
    assert usable.tolist() == [True, True, False, False, True]
    np.testing.assert_array_equal(found[usable], vectors[[5, 0, 5]])
    assert store.keys().to_pylist() == keys


def test_a_shard_whose_bytes_changed_is_refused(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    name = store.append([content_key(b"a")], np.ones((1, 4), np.float32), [None])
    content = bytearray((store.folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (store.folder / name).write_bytes(content)
    with pytest.raises(DamagedError, match="its bytes changed"):
        list(store.shards())


def test_only_new_contents_are_planned_each_once_in_order() -> None:
    keys = [content_key(letter.encode()) if letter != "-" else None for letter in "ab-acbd-ce"]
    known = [content_key(b"b"), content_key(b"e")]
    found = new_contents(pa.array(keys, pa.binary(16)), pa.array(known, pa.binary(16)))
    assert found.tolist() == [0, 4, 6]


def test_no_vectors_have_their_dimensions_too() -> None:
    column = vector_array(np.zeros((3, 5), np.float32))
    assert vectors_of(column).shape == (3, 5)
    assert vectors_of(column.take(pa.array([], pa.int64()))).shape == (0, 5)


def test_who_holds_a_store_may_lock_it_and_nobody_else(tmp_path: Path) -> None:
    with hold_store(tmp_path):
        with lock_store(tmp_path), lock_store(tmp_path / "." / ""):
            pass
        with lock_store(tmp_path / "another"):
            pass
        with ThreadPoolExecutor() as threads, pytest.raises(LockedError):
            threads.submit(ensure_unlocked, tmp_path).result()
    with lock_store(tmp_path), pytest.raises(LockedError), lock_store(tmp_path):
        pass


def test_the_folder_of_a_process_goes_with_all_that_is_in_it() -> None:
    folder = temporary_folder()
    (folder / "mirror").mkdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert temporary_folder() == folder
    remove_temporary_folder()
    assert not folder.exists()
    remove_temporary_folder()
    assert temporary_folder() != folder
    remove_temporary_folder()
