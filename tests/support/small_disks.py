"""Nights on disks that are too small, one size after the other; run in a mount namespace."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tiny import night

from prodmatch.errors import StoreError
from prodmatch.model.description import open_model
from prodmatch.storage.generations import open_generation, verify_generation


def main() -> None:
    """Prints how many nights were refused, and how many were done."""
    base, model, folder = Path(sys.argv[1]), open_model(sys.argv[2]), Path(sys.argv[3])
    disk = folder / "disk"
    disk.mkdir()
    files = [path for path in (base / "store").rglob("*") if path.is_file()]
    used = sum(-(-path.stat().st_size // 4096) * 4 for path in files)
    ended = {"refused": 0, "done": 0}
    for step in range(25):
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={used + 4 * step}k", "tmpfs", disk], check=True
        )
        store = disk / "store"
        shutil.copytree(base / "store", store)
        try:
            night(base / "after.parquet", model, store)
            ended["done"] += 1
        except StoreError as error:
            if "No space left" not in str(error) and "full" not in str(error):
                raise
            ended["refused"] += 1
            if open_generation(store).number != 1:
                raise
        verify_generation(open_generation(store))
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        night(base / "after.parquet", model, store)
        if open_generation(store).files != open_generation(base / "gold").files:
            sys.exit("another generation than on a large disk")
        subprocess.run(["umount", disk], check=True)
    print(json.dumps(ended))  # noqa: T201


if __name__ == "__main__":
    main()
