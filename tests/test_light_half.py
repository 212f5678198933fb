"""Asking needs the light half of the dependencies alone."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
ALL = set(PROJECT["project"]["dependencies"])
LIGHT = set(PROJECT["dependency-groups"]["query"])
MODULES = {"faiss-cpu": "faiss", "pillow": "PIL", "ir-measures": "ir_measures"}
PROGRAM = """
import json, sys

absent = set(json.loads(sys.argv[1]))

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent)
from prodmatch_cli.main import cli
for command in json.loads(sys.argv[2]):
    cli.main(command, standalone_mode=False)
"""


def module_of(requirement: str) -> str:
    name = requirement.split(">")[0]
    return MODULES.get(name, name)


def test_the_light_half_is_a_part_of_the_whole_with_the_same_bounds() -> None:
    assert LIGHT < ALL
    assert {"torch", "torchvision", "transformers", "pandas", "onnx"} <= {
        module_of(requirement) for requirement in ALL - LIGHT
    }


@pytest.mark.parametrize("help_alone", [True, False], ids=["help", "commands"])
def test_asking_runs_where_nothing_else_is_installed(
    published: Path, tmp_path: Path, help_alone: bool
) -> None:
    store, catalogue = ["--store", str(published)], str(published.with_name("sixty.parquet"))
    pictures = ["--catalogue", catalogue]
    commands = [
        ["query", "red shirt", *store, "--html", str(tmp_path / "a.html"), *pictures],
        ["query", "--id", "p0003", *store],
        ["recommend", "--liked", "p0003", *store],
        ["explain", "red shirt", "p0003", *store, "--png", str(tmp_path / "a.png"), *pictures],
        ["generations", *store],
        ["verify", *store],
        ["export", str(tmp_path / "out"), *store],
        ["check", catalogue, "--workers", "0"],
    ]
    heavy = sorted(module_of(requirement) for requirement in ALL - LIGHT)
    asked = [["--help"], ["query", "--help"], ["embed", "--help"]] if help_alone else commands
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(heavy), json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
