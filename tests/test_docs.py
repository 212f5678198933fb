"""The documents tell the truth: commands run, options exist, links lead somewhere."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from checkout import ROOT, link_checkout, make, plain_environment
from click.testing import CliRunner

from prodmatch import open_index
from prodmatch.export import export_embeddings
from prodmatch.storage.generations import open_generation
from prodmatch_cli.main import cli

COMMANDS = cli.list_commands(click.Context(cli))

DOCS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
DOCUMENTS = [
    *("README.md", "sample_data/README.md", ".github/CONTRIBUTING.md", "recipes/compact/LOG.md"),
    *("pipeline/prodmatch/models/compact/README.md", "SECURITY.md", *DOCS),
]
CARD = "pipeline/prodmatch/models/compact/README.md"
# The pages whose commands are run, one after another in one checkout.
RUN = [
    "README.md",
    *(f"docs/{name}.md" for name in ("start", "how-it-works", "catalogue", "operations", "search")),
    *(f"docs/{name}.md" for name in ("recommendations", "attributes", "export", "matching")),
    *(f"docs/{name}.md" for name in ("benchmarks", "tuning")),
]
# What differs from run to run, or from processor to processor.
UNSTEADY = {
    "seconds", "stage_seconds", "limits", "texts_per_second", "images_per_second", "embeddings",
    "bytes", "milliseconds", "precision",
}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:]{8}Z")  # of publishing
MARK = "-----next-----"
NOTEBOOK = "docs/notebook.ipynb"
TOLERANCE = 0.01  # of figures; another processor adds up in another order
SCRIPTS = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("recipes/*/*.py")]
OURS = [
    path
    for pattern in ("*.md", "*.toml", "Makefile", ".ci/*", ".github/**/*", "*/*.md", "*/**/*.py")
    for path in ROOT.glob(pattern)
    if path.is_file() and not {".venv", "build", "store"} & set(path.relative_to(ROOT).parts)
]


def read(page: str) -> str:
    return (ROOT / page).read_text()


def console_blocks() -> list[tuple[str, list[str]]]:
    """Every command shown in the pages that are run, with the lines shown below it."""
    shown: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", "".join(map(read, RUN)), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                shown.append((line[2:], []))
            else:
                shown[-1][1].append(line)
    return shown


def figures(line: str) -> list[tuple[str, str | float]]:
    """The cells of a line of output by name or position; numbers as such, timings left out."""
    if line.startswith("{"):
        cells = list(flatten(json.loads(line)))
    else:
        parts = re.split(r"\s{2,}", line.strip())
        cells = [(str(number), MOMENT.sub("then", part)) for number, part in enumerate(parts)]
    return [(name, number_of(value)) for name, value in cells if name.split(".")[0] not in UNSTEADY]


def flatten(content: dict[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", json.dumps(value)


def number_of(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


def is_same(shown: str, printed: str) -> bool:
    """Whether two lines have the same words and ranks, and figures within the tolerance."""
    one, other = figures(shown), figures(printed)
    return [name for name, _ in one] == [name for name, _ in other] and all(
        abs(left - right) <= TOLERANCE
        if isinstance(left, float) and isinstance(right, float)
        else left == right
        for (_, left), (_, right) in zip(one, other, strict=True)
    )


def test_figures_are_compared() -> None:
    hit = "   1  P0002       Alder Red Tee   0.569        0.676"
    assert is_same(hit, hit.replace("0.569", "0.571"))
    assert not is_same(hit, hit.replace("0.569", "0.590"))
    assert not is_same(hit, hit.replace("Red", "Blue"))
    assert not is_same(hit, hit.replace("   1  ", "   2  "))
    assert is_same('{"rows": 3, "seconds": 1.5}', '{"rows": 3, "seconds": 2.5}')
    assert not is_same('{"rows": 3, "seconds": 1.5}', '{"rows": 4, "seconds": 1.5}')
    assert not is_same('{"rows": 3}', '{"rows": 3, "embedded": 3}')


@dataclass(frozen=True)
class Checkout:
    """A checkout in which every command of the documents was run, and how that ended."""

    folder: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    commands = [command for command, _ in console_blocks()]
    script = "set -e\n" + "".join(f"{command}\necho {MARK}\n" for command in commands)
    folder = link_checkout(tmp_path_factory.mktemp("checkout"))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Checkout(folder, done)


def test_every_command_of_the_documents_prints_what_is_shown(checkout: Checkout) -> None:
    assert checkout.done.returncode == 0, checkout.done.stderr
    printed = [part.strip("\n").splitlines() for part in checkout.done.stdout.split(MARK)]
    for (command, shown), lines in zip(console_blocks(), printed, strict=False):
        kept = [line for line in lines if line.strip() and not line.startswith("make")]
        assert len(kept) == len(shown), (command, kept)
        for expected, found in zip(shown, kept, strict=True):
            assert is_same(expected, found), (command, expected, found)


def test_the_notebook_runs_and_shows_pictures(checkout: Checkout) -> None:
    (checkout.folder / "notebook").mkdir()
    runner = [sys.executable, ROOT / "tests/support/notebooks.py", ROOT / NOTEBOOK]
    done = subprocess.run(
        runner, cwd=checkout.folder / "notebook", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert json.loads(shown[0]) == "(616, 0)"
    assert sum(line.count("<img") for line in shown) == 4 * 4
    assert "no such column: red" in shown[-2]


def test_the_notebook_is_one_and_holds_no_output() -> None:
    notebook = json.loads(read(NOTEBOOK))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | code
        assert all(isinstance(line, str) for line in cell["source"])
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_python_of_the_readme_runs(published: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", read("README.md"), re.DOTALL)
    program = program.replace('"store"', repr(str(published)))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


PRINTED = {"start": "008 Blue enamel mug", "integration": "P0002 Alder Red Tee"}


@pytest.mark.parametrize("page", PRINTED)
def test_the_python_of_a_page_runs_after_its_commands(checkout: Checkout, page: str) -> None:
    for program in re.findall(r"```python\n(.*?)```", read(f"docs/{page}.md"), re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=checkout.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        if "print" in program:
            assert PRINTED[page] in done.stdout


def test_modules_named_in_how_it_works_exist() -> None:
    named = re.findall(r"`((?:\w+/)*\w+\.py|\w+/)`", read("docs/how-it-works.md"))
    assert len(named) > 25
    library = ROOT / "pipeline/prodmatch"
    on_disk = {"scans/", "encoders/", "rejects/", "text/", "image/"}  # of stores and models
    assert [name for name in named if not (library / name).exists() and name not in on_disk] == []


def test_the_index_of_the_documents_is_complete() -> None:
    listed = re.findall(r"\]\((\w[\w-]*\.md)\)", read("docs/README.md"))
    assert sorted(f"docs/{name}" for name in listed) == [
        page for page in DOCS if "README" not in page
    ]


def test_the_python_of_the_page_on_exports_runs(published: Path, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", read("docs/export.md"), re.DOTALL)
    export_embeddings(open_generation(published), "parquet", tmp_path / "night")
    program = program.replace('"store"', repr(str(published)))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    best = [line.split()[0] for line in done.stdout.splitlines()]
    with open_index(published) as index:
        (expected,) = index.searcher.ann.search(index.encode("red t-shirt")[None], 5)
        assert best == [f"p{row:04d}" for row in expected.rows]


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
    pages = "".join(map(read, ["README.md", "SECURITY.md", *DOCS]))
    others = {
        "--index-url",
        "--rounds",
        "--network",
        "--text",
        "--head",
        "--address",
        "--include-dashboard",
        *("--products", "--planted", "--words", "--negatives"),
    }  # pip's, a benchmark's, docker's, a viewer's, Ray's, and those of recipes
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", pages)) - known - others == set()
    assert set(re.findall(r"`prodmatch ([a-z]+)", pages)) <= set(COMMANDS)


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", NOTEBOOK, *DOCS])
def test_links_lead_to_files(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", read(page)) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_readme_fits_a_screen_and_the_card_a_page() -> None:
    assert len(read("README.md").splitlines()) <= 120
    assert len(read(CARD).splitlines()) <= 90


def test_the_workflow_pins_its_actions_and_may_only_read() -> None:
    workflow = read(".github/workflows/ci.yml")
    uses = re.findall(r"uses: (\S+)", workflow)
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses)
    assert re.findall(r"permissions:\n((?:  .*\n)+)", workflow) == ["  contents: read\n"]


def test_the_bill_of_materials_holds_every_pin_with_its_hashes() -> None:
    program = [sys.executable, ".ci/sbom.py", "constraints.txt"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    components = json.loads(done.stdout)["components"]
    pins = re.findall(r"^([\w.-]+)==(\S+)", read("constraints.txt"), re.MULTILINE)
    assert [(each["name"], each["version"]) for each in components] == pins
    hashes = sum(len(each["hashes"]) for each in components)
    assert hashes == read("constraints.txt").count("--hash=sha256:")


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


def test_tests_named_in_their_readme_exist() -> None:
    named = re.findall(r"`((?:\w+/)?test_\w+\.py)", read("tests/README.md"))
    assert len(named) > 40
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_no_registry_is_recorded_in_the_pins() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert "--hash=sha256:" in pins


def test_no_document_or_source_names_a_machine() -> None:
    roots = "|".join(["home", "work", "tmp", "root"])
    machine = re.compile(rf"/(?:{roots})/[a-z]|local" + r"host:\d")
    assert [path for path in OURS if machine.search(path.read_text())] == []
