"""Power lost at any operation, and disks of every size: what was published stays whole."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Counting
from faults import Disk, failing
from tiny import night

from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.storage.generations import open_generation, verify_generation

LOSSES: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: os.truncate(path, 0),
    "torn": lambda path: os.truncate(path, path.stat().st_size // 2),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)) and None,
}


class Watched(Disk):
    """Keeps, before chosen operations, what would be on the disk if the power were lost there."""

    def __init__(self, root: Path, kept: Path, points: dict[int, str]) -> None:
        super().__init__(root)
        self.kept, self.points = kept, points
        self.durable = {path.stat().st_ino for path in root.rglob("*") if path.is_file()}

    def meet(self, operation: str, path: object) -> None:
        before = len(self.log)
        super().meet(operation, path)
        if len(self.log) > before:
            if loss := self.points.get(len(self.log)):
                self.keep(loss)
            if operation == "fsync" and Path(str(path)).is_file():
                self.durable.add(Path(str(path)).stat().st_ino)

    def keep(self, loss: str) -> None:
        copy = self.kept / f"{len(self.log):04d}-{loss}"
        shutil.copytree(self.root, copy)
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and path.stat().st_ino not in self.durable:
                LOSSES[loss](copy / path.relative_to(self.root))


def lose_power(loss: str, step: int, base: Path, tiny: Model, folder: Path) -> int:
    """Loses the power before every `step`-th operation; gives the states that were checked."""
    store, kept = folder / "store", folder / "kept"
    shutil.copytree(base / "store", store)
    with failing(Disk(store)) as counted:
        night(base / "after.parquet", tiny, store)
    shutil.rmtree(store)
    first, count = random.Random(loss).randrange(1, step + 1), len(counted.log)
    shutil.copytree(base / "store", store)
    with failing(Watched(store, kept, dict.fromkeys(range(first, count + 1, step), loss))):
        night(base / "after.parquet", tiny, store)
    states = sorted(kept.iterdir())
    for state in states:
        verify_generation(open_generation(state))
        assert open_index(state).search("red shirt", top=1)[0].generation in (1, 2)
        night(base / "after.parquet", tiny, state)
        assert open_generation(state).files == open_generation(base / "gold").files
        shutil.rmtree(state)
    return len(states)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_power_leaves_what_was_published(
    loss: str, base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    count_cases("states after a loss of power", lose_power(loss, 25, base, tiny, quick_disk))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_power_anywhere_leaves_what_was_published(
    loss: str, base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    count = lose_power(loss, 1, base, tiny, quick_disk)
    count_cases("states after a loss of power", count)
    assert count >= 200


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_of_any_size_is_enough_or_refused(
    base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    program = Path(__file__).parents[1] / "support" / "small_disks.py"
    done = subprocess.run(
        ["unshare", "-m", sys.executable, program, base, tiny.folder, quick_disk],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(program.parent)},
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounting here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    assert ended["refused"] >= 10
    assert ended["done"] >= 1
    count_cases("sizes of disk", sum(ended.values()))
