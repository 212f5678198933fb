"""Memory is bounded by batch and shard: a catalogue of ten times the size takes hardly more."""

import json
import subprocess
import sys
from pathlib import Path

from conftest import Counting
from measure_memory import save_large_rows

from prodmatch.model.description import Model


def test_ten_times_the_catalogue_takes_hardly_more_memory(
    tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    for rows in (64, 640):
        save_large_rows(quick_disk / f"{rows}.parquet", rows)
    program = Path(__file__).parents[1] / "support" / "measure_memory.py"
    done = subprocess.run(
        [sys.executable, program, tiny.folder, quick_disk],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, small, large = map(json.loads, done.stdout.splitlines())
    # The texts grew by 4.7 MB and the pictures by 9.4 MB. Python's peak is of each night, and grew
    # by 0.7 MB. Arrow's is of the process, and grew by 3.8 MB: read buffers of 1 MB are filled now.
    assert large["Python"] - small["Python"] < 2_500_000
    assert large["Arrow"] - small["Arrow"] < 6_000_000
    assert min(small.values()) > 1_000_000  # both are counted
    count_cases("nights whose memory was measured", 2)
