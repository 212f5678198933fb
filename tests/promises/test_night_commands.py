"""The night from a shell: what is remembered, what is refused, and who holds the store."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small import products, run, write

from prodmatch.model.description import Model
from prodmatch.storage.locks import lock_store


def test_a_store_remembers_and_its_gate_is_heard(
    exported: Path, model: Model, tmp_path: Path
) -> None:
    store, catalogue = tmp_path / "store", tmp_path / "c.parquet"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    write(catalogue, products(20))
    first = run("build", catalogue, "--store", store, "--model", model.folder)
    assert (first.code, first.last["embedded"]) == (0, 20)
    (warning,) = first.last["warnings"]
    assert warning.startswith("columns not searched that look as if they should be: colour")
    again = run("build", "--store", store)
    assert (again.code, again.last["reused"], again.last["generation"]) == (0, 40, 2)
    write(catalogue, products(15))
    refused = run("build", "--store", store)
    assert (refused.code, refused.out) == (1, "")
    assert "5 of 20 products are gone ('p0015', " in refused.err
    assert "--max-removed 0.2" in refused.err
    assert "--accept-changes" in refused.err
    assert run("embed", "--store", store, "--max-removed", "0.3").code == 0
    write(catalogue, products(5))
    accepted = run("embed", "--store", store, "--accept-changes")
    assert (accepted.code, accepted.last["removed"]) == (0, 10)
    assert "warning: accepted: 10 of 15 products are gone" in accepted.err
    page = tmp_path / "page.html"
    asked = run("query", "red shirt", "--store", store, "--html", page)
    assert (asked.code, "data:image/" in page.read_text()) == (0, True)
    catalogue.unlink()
    asked = run("query", "red shirt", "--store", store, "--html", page)
    assert asked.code == 0
    assert f"warning: no pictures are shown: {catalogue}: there is no such file" in asked.err


def test_a_store_without_a_catalogue_says_so(tmp_path: Path) -> None:
    done = run("embed", "--store", tmp_path / "store")
    assert (done.code, done.out) == (1, "")
    assert "was made from no catalogue yet" in done.err


def test_a_locked_store_is_told_before_torch_is_loaded(tmp_path: Path) -> None:
    catalogue = write(tmp_path / "c.parquet", products(3))
    with lock_store(tmp_path / "store"):
        for command in ("embed", "build"):
            done = subprocess.run(
                [sys.executable, "-X", "importtime", "-m", "prodmatch_cli", command, catalogue,
                    "--store", tmp_path / "store"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 4
            assert "another run is writing to this store" in done.stderr
            assert "| torch\n" not in done.stderr
            assert "click" in done.stderr


@pytest.mark.parametrize("command", ["embed", "build"])
def test_of_two_started_at_once_one_is_told_before_torch_is_loaded(
    command: str, tmp_path: Path
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(3))
    program = (  # the other takes the lock when this one has seen that it is free
        "import sys; from prodmatch_cli import main; from prodmatch.storage import atomic\n"
        "from prodmatch_cli.commands.nights import embed, build\n"
        f"module = sys.modules['prodmatch_cli.commands.nights.{command}']\n"
        "module.ensure_unlocked = lambda store: None\n"
        f"sys.argv = ['prodmatch', '{command}', {str(catalogue)!r}, '--store', "
        f"{str(tmp_path / 'store')!r}]\n"
        "try: main.main()\n"
        "finally: print('torch' in sys.modules)"
    )
    with lock_store(tmp_path / "store"):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (4, "False\n")
    assert "another run is writing to this store" in done.stderr


@pytest.mark.parametrize("command", ["embed", "build"])
def test_a_catalogue_that_is_refused_leaves_no_store(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path / "none.parquet", "--store", tmp_path / "store")
    assert done.code == 1
    assert not (tmp_path / "store").exists()


def test_nights_in_float32_load_no_torch_once_the_graphs_are_there(
    exported: Path, model: Model, tmp_path: Path
) -> None:
    store, catalogue = tmp_path / "store", tmp_path / "c.parquet"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    for count in (20, 20, 23):  # new, the same, three added
        write(catalogue, products(count))
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "prodmatch_cli", "build", catalogue,
                "--store", store, "--model", model.folder, "--precision", "float32"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert loaded.isdisjoint({"torch", "torchvision", "transformers", "onnx"})
        assert "faiss" in loaded
        report = json.loads(done.stdout)
        assert report["texts_encoded"] + report["images_encoded"] + report["reused"] == 2 * count
