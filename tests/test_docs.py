"""The documents tell the truth: commands run, options exist, links lead somewhere."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from checkout import ROOT, link_checkout, make, plain_environment
from click.testing import CliRunner

from prodmatch_cli.main import cli

COMMANDS = cli.list_commands(click.Context(cli))

README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    *("README.md", "sample_data/README.md", ".github/CONTRIBUTING.md", "recipes/compact/LOG.md"),
    "pipeline/prodmatch/models/compact/README.md",
]
SCRIPTS = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("recipes/*/*.py")]
OURS = [
    path
    for pattern in ("*.md", "*.toml", "Makefile", ".ci/*", ".github/*", "*/*.md", "*/**/*.py")
    for path in ROOT.glob(pattern)
    if not {".venv", "build", "store"} & set(path.relative_to(ROOT).parts)
]


def console_blocks() -> list[tuple[str, list[str]]]:
    """Every command shown in the README with the lines shown below it."""
    shown: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                shown.append((line[2:], []))
            else:
                shown[-1][1].append(line)
    return shown


def shape(line: str) -> object:
    """What must stay the same of a line of output: JSON's fields, a table's words."""
    if line.startswith("{"):
        return sorted(json.loads(line))
    return re.findall(r"[a-z_]{3,}", line) if not re.search(r"\bP\d{4}\b", line) else "a hit"


def test_every_command_of_the_readme_runs_and_prints_what_is_shown(tmp_path: Path) -> None:
    mark = "-----next-----"
    commands = [command for command, _ in console_blocks()]
    script = "set -e\n" + "".join(f"{command}\necho {mark}\n" for command in commands)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=link_checkout(tmp_path),
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = [part.strip().splitlines() for part in done.stdout.split(mark)]
    for (command, expected), found in zip(console_blocks(), printed, strict=False):
        lines = [line for line in found if not line.startswith((".venv/bin/", "make"))]
        assert [shape(line) for line in lines] == [shape(line) for line in expected], command


def test_the_python_of_the_readme_runs(published: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    program = program.replace('"store"', repr(str(published)))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def test_every_option_in_the_documents_exists() -> None:
    known = {
        name
        for command in map(command_of, COMMANDS)
        for parameter in command.params
        for name in parameter.opts
    }
    said = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert said - known == set()
    assert set(re.findall(r"`prodmatch ([a-z]+)", README)) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str) -> None:
    done = CliRunner().invoke(cli, [command, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 4


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    listed = make(ROOT, "help")
    assert {line.split()[0] for line in listed.stdout.splitlines()} == targets


def test_the_makefile_runs_files_that_exist() -> None:
    named = re.findall(r"python (\S+\.py)", (ROOT / "Makefile").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", sorted(path.name for path in SCRIPTS))
def test_scripts_import_what_the_library_has(path: str) -> None:
    (script,) = (script for script in SCRIPTS if script.name == path)
    imports = [
        node
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("prodmatch.")
    ]
    missing = [
        f"{node.module}.{alias.name}"
        for node in imports
        for alias in node.names
        if not hasattr(importlib.import_module(str(node.module)), alias.name)
    ]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_files_named_in_the_documents_exist(path: str) -> None:
    text = (ROOT / path).read_text()
    named = re.findall(
        r"`((?:pipeline|cli|tests|sample_data|benchmarks|recipes|\.github)/[\w./-]+)`", text
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_registry_is_recorded_in_the_pins() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert "--hash=sha256:" in pins


def test_no_document_or_source_names_a_machine() -> None:
    roots = "|".join(["home", "work", "tmp", "root"])
    machine = re.compile(rf"/(?:{roots})/[a-z]|local" + "host")
    assert [path for path in OURS if machine.search(path.read_text())] == []
