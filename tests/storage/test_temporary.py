"""A process has one temporary folder, and the next one removes what a killed one left."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from prodmatch.storage.atomic import new_directory, new_file
from prodmatch.storage.temporary import (
    remove_abandoned,
    remove_temporary_folder,
    scratch_directory,
    temporary_folder,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from prodmatch.storage.atomic import new_directory, new_file
from prodmatch.storage.temporary import scratch_directory, temporary_folder

kind, path = sys.argv[1], Path(sys.argv[2])
if kind == "file":
    with new_file(path) as file:
        file.write(b"some of it")
        os.kill(os.getpid(), signal.SIGKILL)
if kind == "folder":
    with new_directory(path) as folder:
        (folder / "part").write_bytes(b"some of it")
        os.kill(os.getpid(), signal.SIGKILL)
if kind == "scratch":
    with scratch_directory(path.parent) as folder:
        (folder / "part").write_bytes(b"some of it")
        os.kill(os.getpid(), signal.SIGKILL)
(temporary_folder() / "part").write_bytes(b"some of it")
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave(kind: str, path: Path, **variables: str) -> Path:
    """What a killed process leaves next to a path, some time later."""
    command = [sys.executable, "-c", KILLED, kind, path]
    assert (
        subprocess.run(command, env=os.environ | variables, check=False).returncode
        == -signal.SIGKILL
    )
    (left,) = path.parent.glob("_tmp-*")
    return age(left)


def age(path: Path) -> Path:
    os.utime(path, (1e9, 1e9))
    return path


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


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_run_was_writing_goes_with_the_next(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    left = leave(kind, path)
    others = ["_tmp-mine-out.parquet", f"_tmp-{0:032}-other.parquet", f"_tmp-{0:032}-"]
    for name in others:
        (tmp_path / name).touch()
        age(tmp_path / name)
    remove_abandoned(path)
    assert not left.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(others)


def test_what_a_live_process_writes_stays(tmp_path: Path) -> None:
    with new_file(tmp_path / "out") as file, new_directory(tmp_path / "folder") as folder:
        file.write(b"all of it")
        (folder / "part").touch()
        assert len([age(each) for each in tmp_path.iterdir()]) == 2
        remove_abandoned(tmp_path / "out")
        remove_abandoned(tmp_path / "folder")
    assert (tmp_path / "out").read_bytes() == b"all of it"
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["part"]


@pytest.mark.parametrize("kind", ["scratch", "temporary"])
def test_work_in_progress_of_a_killed_run_goes_with_the_next(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leave(kind, tmp_path / "out", TMPDIR=str(tmp_path))
    if kind == "scratch":
        with scratch_directory(tmp_path) as scratch, scratch_directory(tmp_path) as second:
            assert not left.exists()
            assert scratch.exists()
            assert second.exists()
        return
    remove_temporary_folder()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert temporary_folder().parent == tmp_path
    assert not left.exists()
    remove_temporary_folder()


def test_what_is_young_or_another_user_s_stays(tmp_path: Path) -> None:
    young, foreign = (tmp_path / f"_tmp-{number:032}-out" for number in range(2))
    young.touch()
    foreign.touch()
    age(foreign)
    if os.geteuid() == 0:
        os.chown(foreign, 12345, -1)
    remove_abandoned(tmp_path / "out")
    assert young.exists()
    assert foreign.exists() == (os.geteuid() == 0)


def test_a_link_that_has_such_a_name_is_left(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    link = tmp_path / f"_tmp-{0:032}-out"
    link.symlink_to(tmp_path / "kept")
    remove_abandoned(tmp_path / "out")
    assert link.read_bytes() == b"kept"
