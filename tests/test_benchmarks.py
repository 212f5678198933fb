"""What the benchmarks share: turns of workers, and the page of results."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
WORKER = """
import sys
from turns import serve

def open_jobs():
    name, log = sys.argv[1:]
    if name == "broken":
        raise ImportError("no such peer")
    def note():
        with open(log, "a") as file:
            file.write(name)
        print("a library that prints")
        return name
    return {"job": note}

serve(open_jobs)
"""
CONTEST = """
import json
import sys
from pathlib import Path
from turns import start_all, take_turns

worker, log = sys.argv[1:]
names = ("a", "broken", "b")
commands = {name: [sys.executable, worker, name, log] for name in names}
commands["absent"] = [Path("nowhere/bin/python"), worker]
contestants, missing = start_all(commands)
found = take_turns(contestants, "job", 2)
for each in contestants:
    each.close()
print(json.dumps({name: [len(each.seconds), each.found] for name, each in found.items()}))
print(json.dumps(missing))
"""
ENCODE = {
    "benchmark": "encode",
    "day": "2026-01-01",
    "machine": {"processor": "Some CPU", "cores": 2, "instructions": ["avx2"], "load": 0.2},
    "load before": 0.1,
    "peak": {"float32": 200.0},
    "rows": [
        {"work": "W, 3 texts", "way": "peer", "a second": 100.0, "ratio": 1.0, "cosine": 1.0},
        {
            "work": "W, 3 texts", "way": "ours, float32", "a second": 250.0, "ratio": 2.5,
            "cosine": None, "forward a second": 300.0, "forward ratio": 2.0,
            "share of peak": 0.61, "share of peak, whole": 0.5,
        },
        {"work": "W, 3 texts", "way": "other", "missing": "is not installed"},
    ],
}  # fmt: skip


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        check=False, env={"PYTHONPATH": str(BENCHMARKS), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_contestants_take_turns_and_who_cannot_is_named(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(textwrap.dedent(WORKER))
    (tmp_path / "contest.py").write_text(textwrap.dedent(CONTEST))
    done = run("contest.py", tmp_path / "worker.py", tmp_path / "log", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found, missing = map(json.loads, done.stdout.splitlines())
    assert found == {"a": [2, "a"], "b": [2, "b"]}
    assert missing == {"broken": "ImportError: no such peer", "absent": "is not installed"}
    assert (tmp_path / "log").read_text() == "abab"
    assert "left out: broken: ImportError: no such peer" in done.stderr


def test_the_page_has_the_figures_the_machine_and_who_is_missing(tmp_path: Path) -> None:
    (tmp_path / "build" / "bench").mkdir(parents=True)
    (tmp_path / "build" / "bench" / "encode.json").write_text(json.dumps(ENCODE))
    done = run(BENCHMARKS / "results.py", "--out", "out/RESULTS.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "RESULTS.md").read_text()
    assert "2 cores of Some CPU (avx2); load 0.1 before, 0.2 after; 2026-01-01." in page
    assert "| ours, float32 | 250 | 2.50 | 300 | 2.00 | 61%, 50% |  |" in page
    assert "* Left out: other: is not installed" in page
    (plot,) = (tmp_path / "out" / "plots").iterdir()
    assert plot.name in page
    assert plot.read_text().count("<rect") == 3


def test_what_was_not_measured_again_stays_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "build" / "bench").mkdir(parents=True)
    (tmp_path / "build" / "bench" / "encode.json").write_text(json.dumps(ENCODE))
    works = (
        "### resnet, 5 JPEGs\n\n| 3 |\n\n### "
        + str(ENCODE["rows"][0]["work"])
        + "\n\nformer figures\n"
    )
    former = (
        f"# Results\n\n## Encoding\n\nOld CPU.\n\n{works}\n## Nights, 9 products\n\nas they were\n"
    )
    (tmp_path / "R.md").write_text(former)
    for _ in range(2):
        done = run(BENCHMARKS / "results.py", "--out", "R.md", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        page = (tmp_path / "R.md").read_text()
        assert page.endswith("\n\n## Nights, 9 products\n\nas they were\n")
        assert "\nOf an earlier run: Old CPU.\n\n### resnet, 5 JPEGs\n\n| 3 |\n\n## Nights" in page
        assert "former figures" not in page


@pytest.mark.parametrize("figures", ["build/bench", "nowhere"])
def test_without_figures_it_says_what_makes_them(figures: str, tmp_path: Path) -> None:
    done = run(BENCHMARKS / "results.py", "--figures", figures, "--out", "R.md", cwd=tmp_path)
    assert (done.returncode, "Run 'make bench'" in done.stderr) == (1, True)
