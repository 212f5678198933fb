"""Processor seconds of a night where nothing is new, and where one product in a hundred is.

Each night is a `build` in a process of its own, over copies of one store (`make bench-nights`).
Processor seconds, not the wall's, are printed: other programs change them less.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from turns import write_results

PROGRAM = [sys.executable, "-m", "prodmatch_cli"]


def change_titles(source: Path, target: Path, share: float) -> int:
    """Writes the catalogue with a word more in some titles; gives how many."""
    rng, changed = random.Random(0), 0
    paths = sorted(source.rglob("*.parquet")) if source.is_dir() else [source]
    target.mkdir()
    for number, path in enumerate(paths):
        table = pq.read_table(path)
        titles = table["title"].to_pylist()
        rows = rng.sample(range(len(titles)), round(share * len(titles)))
        for row in rows:
            titles[row] = f"{titles[row] or ''} edition {row}"
        position = table.schema.get_field_index("title")
        table = table.set_column(position, "title", pa.array(titles, pa.string()))
        pq.write_table(table, target / f"{number:05d}.parquet", row_group_size=20_000)
        changed += len(rows)
    return changed


def count_products(source: Path) -> int:
    paths = source.rglob("*.parquet") if source.is_dir() else [source]
    return sum(pq.ParquetFile(path).metadata.num_rows for path in paths)


def measure(catalogue: Path, store: Path, model: str) -> tuple[float, float]:
    """Processor seconds and peak megabytes of a build."""
    command = [*PROGRAM, "build", catalogue, "--store", store, "--model", model, "--quiet"]
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Prints a line for each night."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures for results.py")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changed = change_titles(options.catalogue, folder / "changed", options.share)
        first, peak = measure(options.catalogue, folder / "first", options.model)
        sys.stdout.write(f"{'the first night':24}{first:9.1f} s{peak:8.0f} MB\n")
        rows = [{"way": "the first night", "seconds": first, "ratio": 1.0, "peak MB": peak}]
        for _ in range(options.rounds):
            for kind, catalogue in (
                ("nothing new", options.catalogue),
                (f"{changed} titles changed", folder / "changed"),
            ):
                shutil.rmtree(folder / "store", ignore_errors=True)
                shutil.copytree(folder / "first", folder / "store")
                seconds, peak = measure(catalogue, folder / "store", options.model)
                ratio = first / seconds
                sys.stdout.write(
                    f"{kind:24}{seconds:9.1f} s{peak:8.0f} MB{ratio:8.1f} times less\n"
                )
                rows.append({"way": kind, "seconds": seconds, "ratio": ratio, "peak MB": peak})
    products = count_products(options.catalogue)
    content = {"products": products, "load before": round(before, 1), "rows": rows}
    write_results(options.json, "nights", content)


if __name__ == "__main__":
    main()
