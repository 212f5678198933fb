"""Speed and memory of the main job and of a plain baseline of the same work (`make bench`).

Commands run one after another, ours and the baseline in turn, each in a process of its own;
printed are medians over the rounds, and ratios within one run. Nothing here can fail a build.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from turns import write_results

from prodmatch.model.description import open_model

PROGRAM = [sys.executable, "-m", "prodmatch_cli"]


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak_mb: float


def run(*command: str | Path) -> Measured:
    """A command's wall time and peak memory, its own process and those it started."""
    started = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Measured(time.monotonic() - started, usage.ru_maxrss / 1024)


def measure_round(catalogue: Path, model: str, folder: Path) -> dict[str, Measured]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    store = folder / "store"
    embed = [*PROGRAM, "embed", catalogue, "--store", store, "--model", model, "--quiet"]
    model_folder = open_model(model).folder
    plain = [sys.executable, Path(__file__).with_name("plain.py")]
    return {
        "embed, new store": run(*embed),
        "embed, nothing new": run(*embed),
        "index": run(*PROGRAM, "index", "--store", store, "--quiet"),
        "query, from the shell": run(*PROGRAM, "query", "red t-shirt", "--store", store),
        "baseline": run(*plain, catalogue, model_folder, folder / "plain.faiss"),
    }


def main() -> None:
    """Prints a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures for results.py")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    count = pq.ParquetFile(options.catalogue).metadata.num_rows
    with tempfile.TemporaryDirectory() as folder:
        rounds = [
            measure_round(options.catalogue, options.model, Path(folder) / "round")
            for _ in range(options.rounds)
        ]
    base = statistics.median(measured["baseline"].seconds for measured in rounds)
    sys.stdout.write(f"{count} products, medians of {options.rounds} rounds\n")
    sys.stdout.write(f"{'':24}{'seconds':>9}{'ratio':>8}{'peak MB':>9}{'products/s':>12}\n")
    rows = []
    for name in rounds[0]:
        seconds = statistics.median(measured[name].seconds for measured in rounds)
        peak = statistics.median(measured[name].peak_mb for measured in rounds)
        sys.stdout.write(
            f"{name:24}{seconds:9.2f}{seconds / base:8.2f}{peak:9.0f}{count / seconds:12.0f}\n"
        )
        rows.append({"way": name, "seconds": seconds, "ratio": seconds / base, "peak MB": peak})
    content = {"products": count, "load before": round(before, 1), "rows": rows}
    write_results(options.json, "job", content)


if __name__ == "__main__":
    main()
