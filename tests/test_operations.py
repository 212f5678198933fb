"""The files for operating are correct: units, the cron line, the image, shell completion."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from checkout import ROOT

from prodmatch_cli.main import cli
from prodmatch_cli.settings.config import option_name, read_defaults
from prodmatch_cli.settings.every_command import variables

FOLDER = ROOT / "recipes" / "operations"
PROGRAM = "/opt/prodmatch/.venv/bin/prodmatch"
CONTEXT = click.Context(cli, info_name="prodmatch")
UNITS = ["prodmatch-build.service", "prodmatch-build.timer", "prodmatch-serve.service"]
Step = tuple[str, str]


def options_of(command: str) -> dict[str, click.Option]:
    found = cli.get_command(CONTEXT, command)
    assert found is not None, command
    return {option_name(each): each for each in found.params if isinstance(each, click.Option)}


def steps(dockerfile: str) -> list[Step]:
    """Instructions with their arguments, without comments and with lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, _, rest in found]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_in_the_units(name: str, tmp_path: Path) -> None:
    for path in FOLDER.glob("prodmatch-*.*"):
        text = path.read_text().replace(PROGRAM, shutil.which("true") or "/bin/true")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_commands_and_options_of_the_files_exist() -> None:
    text = "".join(path.read_text() for path in sorted(FOLDER.iterdir()))
    calls = re.findall(
        rf"(?:{PROGRAM}|^#\s+prodmatch|:ro prodmatch) ([a-z]+)(.*)", text, re.MULTILINE
    )
    assert [name for name, _ in calls] == ["build", "query", "build", "build", "gc", "serve"]
    for command, rest in calls:
        first = rest.partition("&&")[0]
        assert set(re.findall(r"--([a-z-]+)", first)) <= set(options_of(command)), command


def test_the_image_is_made_of_what_is_here() -> None:
    found = steps((FOLDER / "Dockerfile").read_text())
    assert {name for name, _ in found} <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "ENTRYPOINT", "CMD")
    }
    copied = [
        source
        for name, rest in found
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = [*build, *project["project"]["license-files"], project["project"]["readme"]]
    assert [path for path in needed if path.split("/")[0] not in copied] == []
    assert dict(found)["ENTRYPOINT"] == '["prodmatch"]'
    assert "prodmatch" in project["project"]["scripts"]
    python = re.findall(r"^FROM python:([\d.]+)-slim", (FOLDER / "Dockerfile").read_text(), re.M)
    assert [f">={version}" for version in python] == [project["project"]["requires-python"]] * 2


def test_the_image_sets_variables_of_options_and_runs_without_rights() -> None:
    found = steps((FOLDER / "Dockerfile").read_text())
    known = {name for option in options_of("query").values() for name in variables(option, "query")}
    (environment,) = (rest for name, rest in found if name == "ENV")
    names = re.findall(r"(PRODMATCH_\w+)=", environment)
    assert names
    assert set(names) <= known
    assert dict(found)["USER"] == "prodmatch"


def test_the_file_of_options_in_the_documents_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL
    )
    (tmp_path / "prodmatch.toml").write_text(shown)
    query = cli.get_command(CONTEXT, "query")
    assert query is not None
    context = click.Context(query, info_name="query", parent=CONTEXT)
    found = read_defaults(tmp_path / "prodmatch.toml", context)
    assert found == {
        "store": "catalogue-store",
        "log_format": "json",
        "top": 20,
        "facets": "brand,colour",
        "boost": "popularity=0.1",
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_each_shell_is_printed(shell: str, tmp_path: Path) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    (line,) = re.findall(rf"(_PRODMATCH_COMPLETE={shell}_source) prodmatch >", page)
    name, _, value = line.partition("=")
    command = [sys.executable, "-c", "from prodmatch_cli.main import main; main()"]
    done = subprocess.run(
        command, env={**os.environ, name: value}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "_PRODMATCH_COMPLETE" in done.stdout


def test_commands_options_and_values_are_completed(tmp_path: Path) -> None:
    (tmp_path / "prodmatch.toml").write_text("wrong = 1\n")  # is not read, nor named
    for words, expected in (
        ("prodmatch qu", ["plain,query"]),
        ("prodmatch query --form", ["plain,--format"]),
        ("prodmatch query --format js", ["plain,json", "plain,jsonl"]),
    ):
        environment = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        done = subprocess.run(
            [sys.executable, "-c", "from prodmatch_cli.main import main; main()"],
            env={**os.environ, **environment, "_PRODMATCH_COMPLETE": "bash_complete"},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.stdout.split(), done.stderr) == (expected, ""), words
