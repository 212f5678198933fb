"""Nothing is looked up, connected to or written outside the store: system calls are watched."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import Counting
from small import product, products, write
from system_calls import INTERNET, made_outside, opened_to_write, traced_calls

from prodmatch.model.description import Model

PIPELINE = Path(__file__).parents[2] / "pipeline" / "prodmatch"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    "first_time", [pytest.param(True, marks=pytest.mark.slow), False], ids=["first", "later"]
)
def test_no_network(
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


def test_onnxruntime_is_loaded_in_one_place() -> None:
    loading = [
        path.relative_to(PIPELINE).as_posix()
        for path in sorted(PIPELINE.rglob("*.py"))
        if re.search(r"^\s*(import|from) onnxruntime", path.read_text(), re.MULTILINE)
    ]
    assert loading == ["model/onnx_session.py"]
