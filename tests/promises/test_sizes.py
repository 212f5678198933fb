"""Files and folders stay small enough to be read in one go, and tests stand by their modules."""

from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT

MOST_LINES = 400
MOST_MODULES = 12  # of a folder of the library, without its `__init__`
LIBRARY = ROOT / "pipeline" / "prodmatch"  # whose top has a module for each job
CLI = ROOT / "cli" / "prodmatch_cli"
TESTS = ROOT / "tests"


def python_files() -> Iterator[Path]:
    for folder in ("pipeline", "cli", "tests", "benchmarks", "recipes"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_no_file_is_long() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_text().splitlines()) for path in python_files()
    }
    assert len(lengths) > 500
    assert {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_folder_of_the_library_has_many_modules() -> None:
    counts: dict[Path, int] = {}
    for path in LIBRARY.rglob("*.py"):
        counts[path.parent] = counts.get(path.parent, 0) + (path.name != "__init__.py")
    del counts[LIBRARY]
    assert len(counts) > 20
    assert {path.name: count for path, count in counts.items() if count > MOST_MODULES} == {}


def test_tests_stand_where_the_module_does_that_they_are_called_after() -> None:
    modules = {(path.parent.relative_to(LIBRARY), path.stem) for path in LIBRARY.rglob("*.py")}
    modules = {(Path("jobs") if folder == Path() else folder, stem) for folder, stem in modules}
    modules |= {(Path("cli"), path.stem) for path in CLI.rglob("*.py")}
    tests = [path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py")]
    assert len(tests) > 150
    for path in tests:
        words = path.stem.removeprefix("test_").split("_")
        named = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        assert path.parts[0] == "promises" or any(
            (path.parent, name) in modules for name in named
        ), f"{path} is called after no module of its folder"
