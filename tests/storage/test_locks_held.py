"""One writer holds a store; the lock ends with its process."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Counting

from prodmatch.errors import LockedError, StoreError
from prodmatch.storage.locks import ensure_unlocked, hold_store, lock_store


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
