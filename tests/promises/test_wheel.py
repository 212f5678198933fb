"""The wheel with its base dependencies alone, in an environment outside the repository."""

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SIZE = "0.5 GB"  # what the README says of the light install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("prodmatch-*.whl")
    return path


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and links to what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("light")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        required = importlib.metadata.PathDistribution(site / Path(metadata).parent).requires
    for name in closure(required or []):
        link_distribution(name, site)
    return folder


def closure(requirements: list[str]) -> set[str]:
    """The distributions that requirements need without any extra."""
    found: set[str] = set()
    todo = list(requirements)
    while todo:
        requirement = Requirement(todo.pop())
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            found.add(name)
            todo += importlib.metadata.distribution(name).requires or []
    return found


def link_distribution(name: str, site: Path) -> None:
    files = importlib.metadata.distribution(name).files or []
    for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
        if not (site / top).exists():
            (site / top).symlink_to(importlib.metadata.distribution(name).locate_file(top))


def run(light: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the environment's Python in its folder, with nothing of this one's paths."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [light / "bin" / "python", *arguments]
    return subprocess.run(command, cwd=light, env=kept, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_wheel_holds_types_model_and_templates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"prodmatch/py.typed", "prodmatch_cli/py.typed"} <= names
    assert "prodmatch/models/compact/heads.safetensors" in names
    assert any(name.startswith("prodmatch/reports/templates/") for name in names)
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"prodmatch", "prodmatch_cli"}


@pytest.mark.slow
def test_nights_and_queries_run_from_the_wheel_alone(light: Path, published: Path) -> None:
    store, catalogue = ["--store", published], published.with_name("sixty.parquet")
    for command in (
        ["query", "red shirt", *store],
        ["query", "--id", "p0003", *store],
        ["recommend", "--liked", "p0003", *store],
        ["verify", *store],
        ["--version"],
    ):
        done = run(light, "-m", "prodmatch_cli", *command)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert run(light, "-m", "prodmatch_cli", "check", catalogue).returncode == 0
    (light / "few.csv").write_text("product_id,title\n007,Red shirt\n")
    done = run(light, "-m", "prodmatch_cli", "convert", "few.csv", "few.parquet")
    assert done.returncode == 0, done.stderr
    for module in ("torch", "transformers", "pandas", "onnx", "ir_measures"):
        assert run(light, "-c", f"import {module}").returncode == 1, module
    build = ["build", "few.parquet", "--store", "new"]
    done = run(light, "-m", "prodmatch_cli", *build)
    assert done.returncode == 0, done.stderr
    done = run(light, "-m", "prodmatch_cli", "query", "red shirt", "--store", "new")
    assert "007" in done.stdout
    done = run(light, "-m", "prodmatch_cli", *build, "--precision", "bf16")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'prodmatch[embed]'" in done.stderr


@pytest.mark.slow
def test_the_light_install_is_as_small_as_the_readme_says(light: Path) -> None:
    (site,) = light.glob("lib/python3*/site-packages")
    paths = [
        Path(root) / name for root, _, names in os.walk(site, followlinks=True) for name in names
    ]
    size = sum(path.stat().st_size for path in paths if path.suffix != ".pyc") / 1e6
    assert f"{size / 1000:.1f} GB" == SIZE
    assert SIZE in (ROOT / "README.md").read_text()
