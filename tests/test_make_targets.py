"""Benchmarks, recipes and evaluation run to their ends by `make`, on a few generated products."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from checkout import link_checkout, make
from shared_data import save_shared_data
from small import products, write
from training_data import save_start

from prodmatch.matching.scoring.pair_scorer import open_scorer
from prodmatch.model.description import Model, open_model

# Stands where the baseline's own encoder does, which takes a download to install.
SENTENCE_TRANSFORMERS = """
import numpy as np

class SentenceTransformer:
    def __init__(self, encoder, **options):
        assert encoder.endswith("text")

    def encode(self, texts, **options):
        return np.full((len(texts), 768), 768**-0.5, np.float32)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout").mkdir()
    return link_checkout(tmp_path / "checkout")


def stand_in(checkout: Path, *peers: str) -> None:
    """Environments of peers that need no download: this one."""
    for name in peers:
        peer = checkout / "build" / "peers" / name
        (peer / "bin").mkdir(parents=True)
        (peer / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (peer / "bin" / "python").chmod(0o755)
        (peer / ".ready").touch()


@pytest.fixture
def data(tmp_path: Path) -> str:
    return f"DATA={save_shared_data(tmp_path / 'data')}"


@pytest.mark.slow
def test_embed_comes_before_index_where_make_runs_jobs_at_once(checkout: Path) -> None:
    catalogue = write(checkout / "my few.parquet", products(20))
    places = (f"CATALOGUE={catalogue}", "STORE=my store")
    done = make(checkout, "-j4", "embed", "index", *places)
    embedded, indexed = (json.loads(line) for line in done.stdout.splitlines())
    assert (embedded["embedded"], indexed["generation"]) == (20, 1)


@pytest.mark.slow
def test_bench_measures_every_job_and_the_baseline(checkout: Path) -> None:
    catalogue = write(checkout / "few.parquet", products(20))
    done = make(checkout, "bench-job", f"CATALOGUE={catalogue}", "OPTIONS=--rounds 1")
    assert (done.returncode, done.stderr) == (0, "")
    count, _, *rows = done.stdout.splitlines()[-7:]
    assert count == "20 products, medians of 1 rounds"
    assert [row[:24].strip() for row in rows] == [
        "embed, new store",
        "embed, nothing new",
        "index",
        "query, from the shell",
        "baseline",
    ]


@pytest.mark.slow
def test_bench_encode_measures_what_there_is_and_names_what_is_missing(
    checkout: Path, tmp_path: Path
) -> None:
    catalogue = write(checkout / "few.parquet", products(20))
    stand_in(checkout, "plain", "onnx", "openvino", "fastembed")
    (tmp_path / "fastembed.py").write_text("raise ImportError('no such peer')")
    options = "OPTIONS=--rounds 1 --text-count 20 --picture-count 12 --deep-share 1 --base-step 9"
    done = make(
        checkout, "bench-encode", f"CATALOGUE={catalogue}", options, PYTHONPATH=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert "left out: fastembed: ImportError: no such peer" in done.stderr
    rows = json.loads((checkout / "build/bench/encode.json").read_text())["rows"]
    measured = {(row["work"].split(",")[0], row["way"]) for row in rows if "missing" not in row}
    for work in ("MiniLM-L6", "BERT-base", "resnet18", "resnet50"):
        assert (work, "ours, float32") in measured
    assert ("resnet18", "DataLoader, float32") in measured
    make(checkout, "bench-nights", f"CATALOGUE={catalogue}", "OPTIONS=--rounds 1")
    write_page(checkout)
    page = (checkout / "out" / "RESULTS.md").read_text()
    assert "### MiniLM-L6, 20 texts" in page
    assert "* Left out: fastembed" in page
    assert "the first night" in page


def write_page(checkout: Path) -> None:
    script = [sys.executable, checkout / "benchmarks" / "results.py", "--out", "out/RESULTS.md"]
    subprocess.run(script, cwd=checkout, check=True)


@pytest.mark.slow
def test_bench_index_peers_measures_what_there_is(checkout: Path, published: Path) -> None:
    stand_in(checkout, "hnswlib", "usearch", "autofaiss")
    options = "OPTIONS=--rounds 1 --count 200 --recall .9"
    done = make(checkout, "bench-index-peers", f"STORE={published}", options)
    assert done.returncode == 0, done.stderr
    assert "left out: hnswlib: ModuleNotFoundError" in done.stderr
    rows = json.loads((checkout / "build/bench/index.json").read_text())["rows"]
    found = {row["way"]: row["recall"] for row in rows if "missing" not in row}
    assert found == {"ours, codes": pytest.approx(1, abs=0.1), "ours, flat": 1.0}
    write_page(checkout)
    assert "| ours, flat |" in (checkout / "out" / "RESULTS.md").read_text()


@pytest.mark.slow
def test_bench_ask_measures_both_text_encoders_and_the_baseline(
    checkout: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(checkout / "few.parquet", products(20))
    stand_in(checkout, "plain")
    (tmp_path / "sentence_transformers.py").write_text(SENTENCE_TRANSFORMERS)
    options = f"OPTIONS=--rounds 1 --seconds 0.1 --layers 1 --model {model.folder}"
    done = make(
        checkout, "bench-ask", f"CATALOGUE={catalogue}", "COUNT=300", options,
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    rows = [row[:40].strip() for row in done.stdout.splitlines()]
    for name in (model.folder.name, "BERT of 1 layers"):
        assert {f"prodmatch query, {name}", f"baseline, {name}"} <= set(rows), rows
    assert sum("filter" in row for row in rows) == 10


@pytest.mark.slow
def test_bench_index_measures_building_searching_and_a_cold_search(
    checkout: Path, published: Path
) -> None:
    options = "OPTIONS=--dim 16 --json found.json"
    done = make(checkout, "bench-index", f"STORE={published}", "COUNT=3000", options)
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads((checkout / "found.json").read_text())["rows"]
    assert found["way"] == "prodmatch codes"
    assert 0.7 < found["recall@10"] <= 1  # of 60 products, mixed: nearly the same many times over
    assert found["cold MB"] >= 0


@pytest.mark.slow
def test_bench_serve_measures_the_service_and_loses_no_request(
    checkout: Path, published: Path
) -> None:
    options = "OPTIONS=--seconds 0.2 --requests 40 --publishes 2"
    done = make(checkout, "bench-serve", f"STORE={published}", options)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()[-5:]
    assert lines[0].startswith("60 products")
    assert [line.split()[:2] for line in lines[1:4]] == [[n, "clients"] for n in ("1", "4", "16")]
    assert " 0 failed, 0 mixed," in lines[4]


@pytest.mark.slow
def test_evaluate_measures_every_signal_on_every_set(
    checkout: Path, data: str, model: Model
) -> None:
    done = make(checkout, "evaluate", data, f"OPTIONS=--model {model.folder}")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len({row["set"] for row in rows}) == 4
    assert {row["system"] for row in rows} == {"lexical", "text", "image", "hybrid"}
    (full,) = (
        row for row in rows if row["set"] == "val.attributes (title)" and row["system"] == "lexical"
    )
    assert full["RR(rel=3)"] == 1.0


@pytest.mark.slow
def test_model_trains_a_model_that_opens(checkout: Path, data: str) -> None:
    save_start(checkout / "build" / "broad")  # else it is made of packages
    done = make(checkout, "model", data, "DRAWINGS=36", "OPTIONS=--epochs 1 --batch-rows 16")
    assert done.returncode == 0, done.stderr
    assert open_model(str(checkout / "build" / "compact")).heads.bank is not None
    splits = pq.read_table(checkout / "build/training_data/products.parquet")["split"]
    assert set(splits.to_pylist()) == {"train", "val"}


@pytest.mark.slow
def test_scorer_trains_a_scorer_that_opens(checkout: Path, data: str, model: Model) -> None:
    planted = "PLANTED=--products 32 --planted 24 --words 8"
    done = make(checkout, "scorer", data, planted, f"MODEL={model.folder}")
    assert done.returncode == 0, done.stderr
    scorer = open_scorer(checkout / "build" / "scorer" / "scorer.safetensors")
    assert f"digest {scorer.digest()}" in done.stdout
    assert scorer.held_out_inside is not None
    left = pq.read_table(checkout / "build/scorer/walmart_amazon/left.parquet")["title"]
    assert len(left) == 96  # those of train and valid


@pytest.mark.parametrize("target", ["evaluate", "model", "terms", "bench-drift", "scorer"])
def test_a_target_says_which_data_are_missing(checkout: Path, target: str) -> None:
    done = make(checkout, target, "DATA=nowhere")
    assert "nowhere/" in done.stdout + done.stderr
    assert "set DATA" in done.stdout + done.stderr


def test_every_variable_has_one_value(checkout: Path) -> None:
    makefile = (checkout / "Makefile").read_text()
    names = re.findall(r"^(\w+) [:?]?= ", makefile, re.M)
    assert len(set(names)) == len(names)
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.M)
    done = make(checkout, "--dry-run", "--warn-undefined-variables", *targets)
    assert (done.returncode, done.stderr) == (0, "")
    assert "build/peers/hnswlib" in done.stdout
