"""A pool whose processes may die: each item costs itself alone, whatever its neighbours do."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prodmatch.engines.local import ChildFailure, IsolatedPool


def work(item: int) -> int:
    """Doubles a number; -1 ends its process, -2 holds it up."""
    if item == -1:
        os._exit(3)
    if item == -2:
        time.sleep(1000)
    return 2 * item


def results(items: list[int], workers: int, seconds: float = 30.0) -> list[int | str]:
    with IsolatedPool(work, workers, seconds) as pool:
        return [
            found.reason if isinstance(found, ChildFailure) else found for found in pool.map(items)
        ]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_item_that_ends_its_process_costs_itself_alone(workers: int) -> None:
    items = [1, 2, -1, 3, -1, -1, 4, 5, 6, 7]
    expected = ["crashed" if item == -1 else 2 * item for item in items]
    assert results(items, workers) == expected
    assert not multiprocessing.active_children()


def test_an_item_that_holds_up_its_process_is_given_up() -> None:
    assert results([1, -2, 3], 2, seconds=2.0) == [2, "too_slow", 6]


def test_without_workers_the_work_is_done_here() -> None:
    with IsolatedPool(_own_pid, 0, 1.0) as here, IsolatedPool(_own_pid, 1, 30.0) as there:
        assert list(here.map([0])) == [os.getpid()] != list(there.map([0]))


def test_a_process_that_died_with_nothing_to_do_costs_no_item() -> None:
    with IsolatedPool(work, 1, 30.0) as pool:
        assert list(pool.map([1])) == [2]
        (child,) = multiprocessing.active_children()
        child.kill()
        child.join()
        assert list(pool.map([2, 3])) == [4, 6]


def _own_pid(_: int) -> int:
    return os.getpid()


SCRIPT = """
from prodmatch.catalogue.pictures.thumbnails import make_thumbnails
from PIL import Image
from prodmatch.catalogue.pictures.images import encode_picture

picture = encode_picture(Image.new("RGB", (20, 20)))
print("made", *make_thumbnails({"a": picture}, 8))
import __main__
print(__main__.picture == picture)
"""


@pytest.mark.parametrize("from_file", [True, False])
def test_a_script_is_not_run_again_by_the_processes_it_starts(
    tmp_path: Path, from_file: bool
) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, path if from_file else "-"],
        input=SCRIPT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "made a\nTrue\n", "")


def test_a_temporary_folder_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ("t" * 100)
    folder.mkdir()
    program = (
        "from prodmatch.engines.local import Child\nfrom prodmatch.errors import ProdmatchError\n"
        "try:\n    Child(print)\nexcept ProdmatchError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.endswith(f"Set `TMPDIR` to a shorter path than {folder}.\n")
