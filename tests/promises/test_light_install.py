"""Queries need the base dependencies alone: no torch, and a fraction of the size."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from small import products, write

from prodmatch import errors

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
MODULES = {
    "opentsne": "openTSNE",
    "pylance": "lance",
    "scikit-learn": "sklearn",
}  # of distributions by another name
HEAVY = sorted({"pandas", *errors.EXTRAS})
PROGRAM = """
import json, sys

absent = set(json.loads(sys.argv[1]))

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent)
from prodmatch_cli.main import cli, main
for command in json.loads(sys.argv[2]):
    if command[0] in ("embed", "serve"):
        sys.argv = ["prodmatch", *command]
        main()
    cli.main(command, standalone_mode=False)
"""
HELP = """
import prodmatch, prodmatch.embed, pydoc
print(pydoc.render_doc(prodmatch, renderer=pydoc.plaintext))
store, catalogue = sys.argv[2], sys.argv[3]
try:
    settings = prodmatch.BuildSettings(prodmatch.embed.EmbedSettings(precision="bf16"))
    prodmatch.build(catalogue, store, settings=settings)
except prodmatch.ProdmatchError as error:
    print(error)
"""


def test_every_extra_is_named_where_its_modules_are_missing() -> None:
    named = {
        MODULES.get(name := requirement.split(">")[0], name.replace("-", "_")): extra
        for extra in ("embed", "evaluate", "lance", "map", "match", "ray", "serve", "train")
        for requirement in EXTRAS[extra]
        if not requirement.startswith("prodmatch[")
    }
    assert named == errors.EXTRAS


@pytest.mark.parametrize("help_alone", [True, False], ids=["help", "commands"])
def test_queries_run_where_nothing_else_is_installed(
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
    chosen = [["--help"], ["query", "--help"], ["index", "--help"]] if help_alone else commands
    done = run_without(HEAVY, chosen)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
    assert done.stdout


def test_a_query_in_a_shell_waits_for_no_library_that_it_does_not_use(published: Path) -> None:
    idle = [
        "pyarrow",
        "jinja2",
        "prodmatch.catalogue.reader",
        "prodmatch_cli.commands.nights.embed",
    ]
    done = run_without([], [["query", "red shirt", "--store", str(published)]], absent_after=idle)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_night_with_the_shipped_model_needs_nothing_else(tmp_path: Path) -> None:
    store = ["--store", str(tmp_path / "store")]
    catalogue = str(write(tmp_path / "c.parquet", products(12)))
    done = run_without(HEAVY, [["build", catalogue, *store], ["query", "red shirt", *store]])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[0])
    assert (report["embedded"], report["precision"], report["generation"]) == (12, "float32", 1)


@pytest.mark.parametrize("command", ["embed", "serve"])
def test_a_command_says_which_extra_it_misses(published: Path, command: str) -> None:
    catalogue = [str(published.with_name("sixty.parquet")), "--precision", "bf16"]
    more = catalogue if command == "embed" else []
    done = run_without(HEAVY, [[command, *more, "--store", str(published)]])
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not installed here" in done.stderr
    assert f"pip install 'prodmatch[{command}]'" in done.stderr
    lines = [line for line in done.stderr.splitlines() if "is emulated" not in line]
    assert len(lines) == 1  # and where the processor has no bf16, that it is slow


def test_the_help_of_the_package_needs_nothing_else_and_says_what_is_missing(
    tmp_path: Path,
) -> None:
    program = PROGRAM.partition("from prodmatch_cli")[0] + HELP
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            json.dumps(HEAVY),
            tmp_path / "store",
            write(tmp_path / "c.parquet", products(3)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "A short tour:" in done.stdout
    assert "class ProductIndex" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "'torch' is not installed here; the shipped model in float32 on a CPU works without it. "
        "Run \"pip install 'prodmatch[embed]'\"."
    )


def run_without(
    modules: list[str], commands: list[list[str]], absent_after: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs commands in one process that cannot import some modules, or must not have others."""
    check = f"assert not set({absent_after or []!r}) & set(sys.modules)"
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + check, json.dumps(modules), json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
    )
