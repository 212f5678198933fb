"""What the program never does, told from its source; and that it needs no `assert` to say no."""

import ast
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Counting
from tiny import night, save_catalogue, save_query_encoders, save_tiny_model

import prodmatch
import prodmatch_cli
from prodmatch.encoders.networks.text import load_bert
from prodmatch.errors import ModelError
from prodmatch_cli import main

ROOTS = [Path(str(module.__file__)).parent for module in (prodmatch, prodmatch_cli)]
SOURCES = [path for root in ROOTS for path in sorted(root.rglob("*.py"))]

WRITES = {
    "write_text", "write_bytes", "copyfile", "copytree", "move", "rmtree", "unlink", "mkdir",
    "rename", "hardlink_to", "symlink_to", "touch", "makedirs", "memmap", "fsync",
    "NamedTemporaryFile",
}  # fmt: skip
# Names below a directory that `files` makes and names when it is whole.
# That of `published` is torch's own cache.
WITHIN = {
    "model_writer.py": {"mkdir"},
    "dual_encoder.py": {"mkdir"},
    "published.py": {"mkdir"},
    "temporary.py": {"memmap"},
}
OPENED = {"server.py": {"socket", "http"}}  # what the service listens at, and its status numbers
FETCHES = {"snapshot_download", "download_url_to_file", "hf_hub_download", "urlopen"}


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            found.append((name, node))
    return found


def constant(call: ast.Call, name: str) -> object:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def test_the_command_line_closes_each_index_that_it_opens() -> None:
    opened = 0
    for path in SOURCES:
        if ROOTS[1] not in path.parents:
            continue
        closed: set[int] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.With):
                closed.update(id(item.context_expr) for item in node.items)
            elif isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name == "enter_context":
                    closed.update(map(id, node.args))
                elif name == "open_index":
                    opened += 1
                    assert id(node) in closed, f"{path.name}:{node.lineno}"
    assert opened > 8


def test_one_module_writes_files() -> None:
    for path in SOURCES:
        if path.name == "atomic.py":
            continue
        for name, call in calls(path):
            place = f"{path.name}:{call.lineno}: {name}"
            given = [each.value for each in call.args if isinstance(each, ast.Constant)]
            if name == "memmap" and "r" in given:
                continue  # of a file without a name, to read
            assert name not in WRITES - WITHIN.get(path.name, set()), place
            if name == "open" and path.name != "locks.py":  # locks over NFS take an open file
                modes = [a.value for a in call.args if isinstance(a, ast.Constant)]
                assert not any(isinstance(m, str) and set(m) & set("wax+") for m in modes), place
            if name == "write_index":  # FAISS's own loses data on a full disk
                assert "PyCallbackIOWriter" in ast.unparse(call), place


def test_nothing_runs_code_from_a_file_or_asks_a_network() -> None:
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            banned = ("pickle", "shelve", "dill", "joblib", "urllib", "requests", "http", "socket")
            opening = {name.split(".")[0] for name in names if name != "urllib.parse"}
            assert not opening & set(banned) - OPENED.get(path.name, set()), path
        for name, call in calls(path):
            place, whole = f"{path.name}:{call.lineno}", ast.unparse(call)
            assert name not in FETCHES or path.name in ("published.py", "hub.py"), place
            assert not (name in ("eval", "exec") and isinstance(call.func, ast.Name)), place
            runs = whole.startswith(("os.system", "subprocess"))
            assert not runs or path.name == "other_index.py", place  # `prodmatch build` itself
            if whole.startswith("torch.load("):
                assert constant(call, "weights_only") is True, place
            if name == "from_pretrained":
                assert constant(call, "local_files_only") is True, place
                assert constant(call, "trust_remote_code") is False, place
            assert constant(call, "allow_pickle") is not True, place
            assert constant(call, "shell") is not True, place


def test_a_models_own_code_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    own = {"AutoConfig": "code.Config", "AutoModel": "code.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": own}))
    with pytest.raises(ModelError, match="the text encoder cannot be loaded"):
        load_bert(tmp_path)
    assert not (tmp_path / "ran").exists()


ASK = """
import sys
import numpy as np
from prodmatch.errors import ProdmatchError
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
index = open_index(sys.argv[1])
TEXTS = ("", " ", "\\u200b", "\\0", "\\udcff", "!?", "a" * 10**7)
WEIGHTS = ({}, {"text": -1}, {"x": 1}, {"text": float("nan")})
asked = [
    *[lambda n=n: index.search("red shirt", top=n) for n in (-1, 0, 1, 12, 13, 10**4, 10**9)],
    *[lambda text=text: index.search(text) for text in TEXTS],
    *[lambda data=data: index.search(image=data) for data in (b"", b"x", b"\\xff\\xd8\\xff")],
    *[lambda w=w: index.search("mug", weights=w) for w in WEIGHTS],
    *[lambda w=w: index.search("mug", where=w) for w in ("1", "0", "price", "none", ") --", "")],
    lambda: index.search(),
    lambda: index.search_many([Query(product_id="none")]),
    lambda: index._searcher.ann.search(np.ones((1, 3), np.float32), 1),
    lambda: index._searcher.ann.search(np.ones(8, np.float32), 1),
]
for ask in asked:
    try:
        print(len(ask()))
    except ProdmatchError as error:
        print(type(error).__name__, error.exit_code)
"""


def test_refusals_do_not_rest_on_assert(tmp_path: Path, count_cases: Counting) -> None:
    model = save_tiny_model(tmp_path / "model")
    save_query_encoders(tmp_path / "store", model)
    night(save_catalogue(tmp_path / "c.parquet", 12), model, tmp_path / "store")
    said = []
    for options in ([], ["-O"], ["-OO"]):
        done = subprocess.run(
            [sys.executable, *options, "-c", ASK, tmp_path / "store"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        said.append(done.stdout.splitlines())
    assert said[0] == said[1] == said[2]
    assert said[0][:7] == ["QueryError 2", "QueryError 2", "1", "12", "12", "12", "QueryError 2"]
    assert said[0][-2:] == ["MismatchError 3", "MismatchError 3"]
    count_cases("faulty queries, with and without assert", 3 * len(said[0]))


STARTED = """
import runpy, signal, sys
before = signal.signal
def once(*given):
    signal.signal = before
    found = before(*given)
    print("imported" if "prodmatch_cli.main" in sys.modules else "first", flush=True)
    return found
signal.signal = once
runpy.run_module("prodmatch_cli", run_name="__main__", alter_sys=True)
"""  # says when the first handler of ours is there; before it a signal is Python's own
HOLD = """
import sys, time
from prodmatch_cli import main
main.LONGEST_SECONDS = 1.0
@main.cli.command()
def hold():
    print("ready", flush=True)
    time.sleep(600)
@main.cli.command()
def deaf():
    print("ready", flush=True)
    while True:
        try:
            time.sleep(600)
        except SystemExit:
            pass
main.main()
"""


@pytest.mark.parametrize("command", ["hold", "deaf"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_even_one_that_does_not_listen(command: str, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == "stopped; run the same command again to go on\n"


def test_a_signal_in_the_import_of_native_code_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise ImportError("initialization failed") from main._Stopped(143)

    monkeypatch.setattr(main.cli, "main", interrupted)
    with pytest.raises(main._Stopped):
        main._run()


@pytest.mark.slow
def test_a_signal_while_modules_are_imported_leaves_no_traceback(
    tmp_path: Path, count_cases: Counting
) -> None:
    for turn in range(16):
        number = (signal.SIGINT, signal.SIGTERM)[turn % 2]
        process = subprocess.Popen(
            [sys.executable, "-c", STARTED, "query", "mug", "--store", tmp_path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        time.sleep(0.03 * turn)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode in (1, 128 + number, -number)  # 1: it was done before
        assert "Traceback" not in err
        count_cases("signals while modules are imported", 1)


@pytest.mark.slow
def test_signals_at_random_instants_leave_a_run_that_goes_on(
    tmp_path: Path, count_cases: Counting
) -> None:
    import random

    from small import products, run, write

    catalogue, store = write(tmp_path / "c.parquet", products(60)), tmp_path / "store"
    rng = random.Random(0)
    for turn in range(20):
        number = (signal.SIGINT, signal.SIGTERM)[turn % 2]
        process = subprocess.Popen(
            [sys.executable, "-m", "prodmatch_cli", "embed", catalogue, "--store", store],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(rng.uniform(1.0, 12.0))
        started = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert time.monotonic() - started < 10
        assert process.returncode in (0, 128 + number, -number)  # -number: before it listens
        assert "Traceback" not in err
    done = run("embed", catalogue, "--store", store)
    assert (done.code, done.last["embedded"]) == (0, 60)
    count_cases("signals at random", 20)
