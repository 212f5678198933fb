"""A checkout as a user has it after the first `make`, and commands run in it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = (".git", ".venv", "build", "store")


def link_checkout(folder: Path) -> Path:
    """The files of this checkout in a folder, with the environment that runs the tests."""
    for path in ROOT.iterdir():
        if path.name not in MADE:
            (folder / path.name).symlink_to(path)
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".ready":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv" / ".ready").touch()
    return folder


def plain_environment(**more: str) -> dict[str, str]:
    """The environment without what an outer `make` put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return {**kept, **more}


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `make` in a checkout."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=plain_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )
