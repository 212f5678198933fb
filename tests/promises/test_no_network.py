"""Nothing is looked up, connected to or written outside the store: system calls are watched."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Counting
from small import product, products, write

from prodmatch.model.description import Model

PIPELINE = Path(__file__).parents[2] / "pipeline" / "prodmatch"
CALLS = "network,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink"
# Of an address or a name; libuuid opens a socket only to read the machine's own interfaces.
INTERNET = re.compile(r"(connect|bind|send\w*|recv\w*)\(.*sin6?_port")
PATHS = re.compile(r'"((?:[^"\\]|\\.)*)"')
UNFINISHED = re.compile(r"^(\d+)\s+(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. \w+ resumed>(.*)$")
# Semaphores of processes that decode have a name for an instant; some devices are written to.
HARMLESS = ("/dev/shm/sem.", "/dev/null", "/dev/tty", "/proc/self/")


def traced_calls(command: list[str | Path], folder: Path) -> list[str]:
    """The successful calls of a command and its children, with an empty home and no `CI`."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    log = folder / "calls.txt"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "CI" and not name.startswith(("HF_", "ORT_", "XDG_", "TORCH", "COVERAGE"))
    }
    done = subprocess.run(
        ["strace", "-f", "-qq", "-y", "--seccomp-bpf", "-s", "4096", "-e", f"trace={CALLS}",
         "-e", "signal=none", "-o", log, sys.executable, "-m", "prodmatch_cli", *command],
        capture_output=True, text=True, check=False, cwd=folder,
        env={**environment, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return finished_calls(log.read_text())


def finished_calls(text: str) -> list[str]:
    """One line a call that succeeded, those put together that another process interrupted."""
    begun: dict[str, str] = {}
    calls = []
    for line in text.splitlines():
        if found := UNFINISHED.match(line):
            begun[found[1]] = found[2]
            continue
        if found := RESUMED.match(line):
            line = begun.pop(found[1], "") + found[2]
        if not re.search(r"= -1 E", line):
            calls.append(line)
    return calls


def made_outside(calls: list[str], store: Path, folder: Path) -> list[str]:
    """The calls that make something outside the store and the temporary folder."""
    allowed = (str(store), str(folder / "tmp"), *HARMLESS)
    outside = []
    for call in calls:
        if re.search(r"\bopen(at)?\(", call) and "O_CREAT" not in call:
            continue
        if "AF_" in call or not re.search(r"\b(open|creat|mkdir|rename|link|symlink)", call):
            continue
        for path in PATHS.findall(call):
            base = re.search(r"<([^>]*)>", call)  # of AT_FDCWD, or of the directory given
            full = Path(path) if path.startswith("/") else Path(base[1] if base else folder) / path
            if not str(full).startswith(allowed):
                outside.append(call)
    return outside


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    "first_time", [pytest.param(True, marks=pytest.mark.slow), False], ids=["first", "later"]
)
def test_a_night_and_a_query_reach_and_write_nothing_outside_the_store(
    first_time: bool, model: Model, store: Path, tmp_path: Path, count_cases: Counting
) -> None:
    if first_time:
        shutil.rmtree(store)  # the encoders are exported by this run
    catalogue = write(tmp_path / "catalogue.parquet", products(12))
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "red.png").write_bytes(bytes(product(0)["image"]))  # type: ignore[call-overload]
    commands: list[list[str | Path]] = [
        ["check", catalogue],
        ["embed", catalogue, "--store", store, "--model", model.folder],
        ["index", "--store", store],
        ["query", "red shirt", "--image", tmp_path / "red.png", "--store", store],
    ]
    for command in commands:
        calls = traced_calls(command, folder)
        assert calls, "strace saw nothing"
        assert [call for call in calls if INTERNET.search(call)] == [], command[0]
        assert made_outside(calls, store, folder) == [], command[0]
        assert list((folder / "home").iterdir()) == [], command[0]
        assert list((folder / "tmp").iterdir()) == [], command[0]
    count_cases("commands whose system calls are watched", len(commands))


WORD = "xylophonist"  # of a query, and of nothing else


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_query_writes_no_file_and_is_in_none(
    published: Path, tmp_path: Path, count_cases: Counting
) -> None:
    (tmp_path / "queries.csv").write_text("query_id,text\nq1,red shirt\n")
    commands: list[list[str | Path]] = [
        ["query", f"red {WORD}", "--format", "jsonl"],
        ["query", "--queries", tmp_path / "queries.csv"],
        ["recommend", "--liked", "p0001"],
        ["explain", f"red {WORD}", "p0003"],
    ]
    folder = tmp_path / "run"
    folder.mkdir()
    for command in commands:
        calls = traced_calls([*command, "--store", published], folder)
        assert [call for call in calls if INTERNET.search(call)] == [], command
        assert made_outside(calls, folder / "calls.txt", folder) == [], command
        assert opened_to_write(calls) == [], command
        assert [*(folder / "home").iterdir(), *(folder / "tmp").iterdir()] == [], command
    files = [path for path in published.rglob("*") if path.is_file()]
    assert [path for path in files if WORD.encode() in path.read_bytes()] == []
    count_cases("commands whose system calls are watched", len(commands))


def opened_to_write(calls: list[str]) -> list[str]:
    """The calls that open a file to write to it."""
    return [
        call
        for call in calls
        if re.search(r"\bO_(WRONLY|RDWR|CREAT|APPEND)\b", call)
        and not any(str(path).startswith(HARMLESS) for path in PATHS.findall(call))
    ]


def test_onnxruntime_is_loaded_in_one_place() -> None:
    loading = [
        path.relative_to(PIPELINE).as_posix()
        for path in sorted(PIPELINE.rglob("*.py"))
        if re.search(r"^\s*(import|from) onnxruntime", path.read_text(), re.MULTILINE)
    ]
    assert loading == ["model/onnx_session.py"]
