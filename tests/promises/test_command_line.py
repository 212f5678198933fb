"""The command line's contract: output, exit codes, and one clear line for bad input."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import draw, products, run, write

from prodmatch.model.description import Model
from prodmatch.search.answers.hits import hit_fields
from prodmatch.search.product_index import open_index
from prodmatch.storage.locks import lock_store

HIT = ["query_id", "rank", "product_id", "score", "probability", "lexical", "text", "image"]


@pytest.fixture(scope="module")
def night(exported: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store filled by the commands `embed` and `index`, with what they printed beside it."""
    store = tmp_path_factory.mktemp("night") / "store"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    catalogue = write(store.with_name("catalogue.parquet"), products(40))
    embedded = run("embed", catalogue, "--store", store, "--model", model.folder, "--workers", "0")
    indexed = run("index", "--store", store)
    assert (embedded.code, indexed.code) == (0, 0), embedded.err + indexed.err
    store.with_name("embed.json").write_text(embedded.out)
    store.with_name("index.json").write_text(indexed.out)
    return store


def test_embed_and_index_end_with_one_line_of_json(night: Path) -> None:
    embedded = json.loads(night.with_name("embed.json").read_text())
    indexed = json.loads(night.with_name("index.json").read_text())
    assert embedded["rows"] == embedded["embedded"] + embedded["rejected"] == 40
    assert (embedded["texts_encoded"], embedded["images_encoded"]) == (40, 40)
    assert (indexed["generation"], indexed["products"], indexed["recall_at_10"]) == (1, 40, 1.0)


def test_a_hit_in_json_has_the_fields_of_the_contract(night: Path) -> None:
    done = run("query", "red shirt", "--store", night, "--top", "2", "--format", "jsonl")
    hits = [json.loads(line) for line in done.out.splitlines()]
    assert [list(hit)[:9] for hit in hits] == [[*HIT, "generation"]] * 2
    assert (hits[0]["rank"], hits[0]["generation"], hits[0]["colour"]) == (1, 1, "red")
    whole = run("query", "red shirt", "--store", night, "--top", "2", "--format", "json")
    assert json.loads(whole.out) == hits
    rows = csv.DictReader(
        io.StringIO(
            run("query", "red shirt", "--store", night, "--format", "csv", "--top", "2").out
        )
    )
    assert [row["product_id"] for row in rows] == [hit["product_id"] for hit in hits]


def test_the_table_shows_titles_and_with_explain_the_parts(night: Path) -> None:
    done = run("query", "red shirt", "--store", night, "--top", "1", "--explain")
    head, line = done.out.splitlines()
    assert head.split() == [*HIT[1:3], "title", *HIT[3:]]
    assert "red" in line


def test_queries_in_a_file_answer_in_its_order(night: Path, tmp_path: Path) -> None:
    (tmp_path / "mug.png").write_bytes(draw((20, 60, 200), 1))
    lines = [
        {"query_id": "words", "text": "green chair"},
        {"query_id": "picture", "image": "mug.png"},
        {"query_id": "both", "text": "mug", "image": "mug.png"},
        {"query_id": "item", "product_id": "p0007"},
    ]
    path = tmp_path / "queries.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run("query", "--queries", path, "--store", night, "--top", "3", "--format", "jsonl")
    hits = [json.loads(line) for line in done.out.splitlines()]
    assert [hit["query_id"] for hit in hits] == [
        str(line["query_id"]) for line in lines for _ in "123"
    ]

    table = pa.table(
        {"query_id": [1, 2], "text": ["green chair", None], "image": [None, draw((20, 60, 200), 1)]}
    )
    pq.write_table(table, tmp_path / "queries.parquet")
    again = run(
        "query",
        "--queries",
        tmp_path / "queries.parquet",
        "--store",
        night,
        "--top",
        "3",
        "--format",
        "jsonl",
    )
    found = [json.loads(line) for line in again.out.splitlines()]
    assert [hit["product_id"] for hit in found] == [hit["product_id"] for hit in hits[:6]]


def test_a_query_imports_neither_torch_nor_transformers(night: Path) -> None:
    program = (
        "import sys; from prodmatch.search.product_index import open_index; "
        f"open_index({str(night)!r}).search('red shirt'); "
        "sys.exit(bool({'torch', 'transformers', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_store_of_one_model_refuses_another_naming_both(
    night: Path, model: Model, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model.folder, other)
    content = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps({**content, "name": "other"}))
    for command in (["query", "red shirt"], ["index"]):
        done = run(*command, "--store", night, "--model", other)
        assert done.code == 3
        assert "'small'" in done.err
        assert "'other'" in done.err
        assert done.out == ""
        assert len(done.err.splitlines()) == 1


def bad_catalogues(folder: Path) -> dict[str, tuple[Path, str]]:
    """Catalogues that are refused, and what the message must say."""
    (folder / "text.parquet").write_text("product_id,title\n1,a shirt\n")
    (folder / "empty.parquet").write_bytes(b"")
    named = [{**row, "sku": row["product_id"]} for row in products(3)]
    pq.write_table(
        pa.Table.from_pylist(named).drop_columns(["product_id"]), folder / "named.parquet"
    )
    pq.write_table(pa.table({"product_id": ["1"], "price": [2.0]}), folder / "bare.parquet")
    pq.write_table(pa.table({"product_id": [[1]], "title": ["a"]}), folder / "list.parquet")
    pq.write_table(pa.table({"product_id": ["1"], "title": [2.5]}), folder / "number.parquet")
    (folder / "folder").mkdir()
    return {
        "not parquet": (folder / "text.parquet", "not a readable Parquet file"),
        "no bytes": (folder / "empty.parquet", "not a readable Parquet file"),
        "no file": (folder / "none.parquet", "no such file"),
        "no file in the folder": (folder / "folder", "holds no file that ends in .parquet or .pq"),
        "no id": (folder / "named.parquet", "column 'product_id' is missing; found title,"),
        "no content": (
            folder / "bare.parquet",
            "neither text nor picture; found product_id, price",
        ),
        "ids of lists": (folder / "list.parquet", "product ids are strings, integers or UUIDs"),
        "titles of numbers": (folder / "number.parquet", "column 'title' is of type double"),
        "no rows": (write(folder / "zero.parquet", []), "has no rows"),
        "no good row": (
            write(folder / "bad.parquet", [{"product_id": f"{n}"} for n in range(3)]),
            "3 of 3 rows are rejected (no_content 3)",
        ),
    }


@pytest.mark.parametrize(
    "fault",
    [
        "not parquet", "no bytes", "no file", "no file in the folder", "no id", "no content",
        "ids of lists", "titles of numbers", "no rows", "no good row",
    ],
)  # fmt: skip
def test_a_bad_catalogue_is_one_clear_line_and_nothing_is_lost(
    night: Path, model: Model, tmp_path: Path, fault: str
) -> None:
    catalogue, message = bad_catalogues(tmp_path)[fault]
    before = [hit_fields(hit) for hit in open_index(night).search("red shirt")]
    done = run("embed", catalogue, "--store", night, "--model", model.folder, "--workers", "0")
    assert done.code == 1
    assert done.out == ""
    assert message in done.err
    assert str(catalogue) in done.err
    assert len(done.err.splitlines()) == 1
    assert [hit_fields(hit) for hit in open_index(night).search("red shirt")] == before


def test_a_model_that_is_none_is_one_clear_line(night: Path, tmp_path: Path) -> None:
    catalogue = night.with_name("catalogue.parquet")
    (tmp_path / "model.json").write_text("{}")
    for name, message in (
        ("no-such", "neither a shipped model (compact"),
        (str(catalogue), "neither a shipped model"),
        (str(tmp_path), "'format' must be 4"),
    ):
        done = run("embed", catalogue, "--store", night, "--model", name)
        assert (done.code, done.out) == (1, "")
        assert message in done.err
        assert len(done.err.splitlines()) == 1


def test_a_store_that_cannot_be_written_is_one_clear_line(
    model: Model, night: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    catalogue = night.with_name("catalogue.parquet")
    for store in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/store")):
        done = run("embed", catalogue, "--store", store, "--model", model.folder)
        assert (done.code, done.out) == (1, "")
        assert "cannot be written" in done.err
        assert len(done.err.splitlines()) == 1


def test_a_place_that_cannot_be_looked_at_is_one_clear_line(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300)
    for command in (["generations", "--store", long], ["check", long]):
        done = run(*command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: {long}")
        assert done.err.endswith(": File name too long.\n")
        assert len(done.err.splitlines()) == 1


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    asked, indexed = run("query", "a", "--store", tmp_path), run("index", "--store", tmp_path)
    assert (asked.code, indexed.code) == (1, 1)
    assert f"Run 'prodmatch build CATALOGUE --store {tmp_path}'" in asked.err
    assert "Run 'prodmatch embed CATALOGUE" in indexed.err


def test_a_locked_store_exits_with_4(night: Path, model: Model) -> None:
    catalogue = night.with_name("catalogue.parquet")
    with lock_store(night):
        done = run("embed", catalogue, "--store", night, "--model", model.folder)
        asked = run("query", "red shirt", "--store", night)
    assert done.code == 4
    assert "another run" in done.err
    assert asked.code == 0  # reading needs no lock


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query"], "neither text nor picture nor id"),
        (["query", " !? "], "has no word in it"),
        (["query", "shirt", "--top", "0"], "must be from 1 to"),
        (["query", "shirt", "--filter", "pric < 3"], "no such column: pric"),
        (["query", "shirt", "--filter", "1) UNION SELECT 1 --"], "--filter"),
        (["query", "shirt", "--weights", "colour=1"], "colour"),
        (["query", "shirt", "--weights", "text=-1"], "must not be negative"),
        (["query", "--id", "nobody"], "no product of this id"),
        (["query", "--image", "/nowhere.png"], "there is no such file"),
        (["query", "shirt", "--nonsense"], "No such option"),
    ],
)
def test_a_question_that_cannot_be_asked_exits_with_2(
    night: Path, arguments: list[str], message: str
) -> None:
    done = run(*arguments, "--store", night)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_flipped_byte_is_found_and_exits_with_3(night: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(night, store)
    assert run("verify", "--store", store).code == 0
    path = store / "index" / "000001" / "index.faiss"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    done = run("verify", "--store", store)
    assert done.code == 3
    assert "index.faiss: its SHA-256 is not the one in the manifest" in done.err
    path.write_bytes(content[:-10])
    asked = run("query", "red shirt", "--store", store)
    assert asked.code == 3
    assert "index.faiss" in asked.err


@pytest.mark.parametrize("command", ["generations", "gc", "verify", "rollback"])
def test_a_store_that_is_not_there_is_an_error_and_stays_away(tmp_path: Path, command: str) -> None:
    found = run(command, "--store", tmp_path / "none")
    assert (found.code, found.out) == (1, "")
    assert str(tmp_path / "none") in found.err
    assert list(tmp_path.iterdir()) == []


def test_rollback_goes_back_and_answers_as_before(
    night: Path, model: Model, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(night, store)
    catalogue = write(tmp_path / "less.parquet", products(34))
    run("embed", catalogue, "--store", store, "--model", model.folder)
    assert run("index", "--store", store).last["generation"] == 2
    assert open_index(store).generation.product_count == 34
    assert run("rollback", "--store", store).code == 0
    assert open_index(store).generation.product_count == 40
    listed = run("generations", "--store", store).out
    assert "000002" in listed or "2" in listed


def test_dry_run_encodes_nothing(exported: Path, model: Model, tmp_path: Path) -> None:
    store = tmp_path / "store"
    catalogue = write(tmp_path / "c.parquet", products(9))
    done = run("embed", catalogue, "--store", store, "--model", model.folder, "--dry-run")
    assert (done.last["texts_to_encode"], done.last["images_to_encode"]) == (9, 9)
    assert not list(store.rglob("*.parquet"))


def test_dry_run_says_what_the_store_was_not_made_with(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base / "store", tmp_path / "store")
    catalogue = write(tmp_path / "c.parquet", products(9))
    command = ["embed", catalogue, "--store", tmp_path / "store", "--dry-run"]
    assert run(*command).last["warnings"] == []
    before = (tmp_path / "store" / "store.json").read_bytes()
    (warning,) = run(*command, "--text-columns", "title").last["warnings"]
    assert warning == "text columns title (the store was made with title, description)"
    assert (tmp_path / "store" / "store.json").read_bytes() == before


def test_check_tells_what_is_wrong_and_exits_with_1(tmp_path: Path) -> None:
    rows = products(20)
    good = run(
        "check", write(tmp_path / "good.parquet", rows), "--format", "json", "--workers", "0"
    )
    assert good.code == 0
    assert (good.last["rows"], good.last["embeddable"], good.last["rejected"]) == (20, 20, 0)
    rows += [{"product_id": "broken", "image": b"\xff\xd8"}, {"product_id": "p0001", "title": "x"}]
    bad = run("check", write(tmp_path / "bad.parquet", rows), "--format", "json")
    assert bad.code == 1
    assert bad.last["rejects"] == {"id_repeated": 1, "image_not_an_image": 1}
    shown = bad.last["examples"]["image_not_an_image"]
    assert shown == ["row 20 (broken): starts with b'\\xff\\xd8'"]
    assert bad.last["rows"] == 22
    assert "would be refused" in bad.err


def test_check_and_embed_agree_about_every_row(store: Path, tmp_path: Path, model: Model) -> None:
    rows = products(20)
    rows[3]["image"] = b"GIF89a but no more"
    rows += [{"product_id": "broken", "image": b"\xff\xd8"}, {"product_id": None, "title": "x"}]
    catalogue = write(tmp_path / "c.parquet", rows)
    checked = run("check", catalogue, "--format", "json").last
    embedded = run(
        "embed", catalogue, "--store", store, "--model", model.folder, "--max-reject", "1"
    ).last
    for name in ("rows", "rejected", "rejects", "images_unusable", "without_image", "without_text"):
        assert checked[name] == embedded[name], name


def test_convert_keeps_ids_and_texts_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(
        'product_id,title,price\n007,"a ""red"" shirt,\nlong",1.5\n8,Tasse für Kaffee,\n'
    )
    done = run("convert", tmp_path / "c.csv", tmp_path / "c.parquet")
    assert done.last["rows"] == 2
    assert pq.read_table(tmp_path / "c.parquet").to_pylist() == [
        {"product_id": "007", "title": 'a "red" shirt,\nlong', "price": 1.5},
        {"product_id": "8", "title": "Tasse für Kaffee", "price": None},
    ]
    (tmp_path / "c.jsonl").write_text('{"product_id": 7, "title": "a"}\n{"product_id": 8}\n')
    assert run("convert", tmp_path / "c.jsonl", tmp_path / "j.parquet").last["rows"] == 2
    for name, content in (("x.csv", "a,b\n"), ("x.jsonl", "{no json\n"), ("x.xls", "")):
        (tmp_path / name).write_text(content)
        bad = run("convert", tmp_path / name, tmp_path / "out.parquet")
        assert (bad.code, len(bad.err.splitlines())) == (1, 1)
        assert not (tmp_path / "out.parquet").exists()


def test_a_closed_pipe_is_no_failure(night: Path) -> None:
    query = f"{sys.executable} -m prodmatch_cli query shirt --store {night}"
    command = f"{query} --format jsonl --top 40 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_an_output_that_is_full_is_one_clear_line(night: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "prodmatch_cli", "generations", "--store", night],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device.\n"


def test_no_progress_is_drawn_into_a_file(night: Path, model: Model) -> None:
    catalogue = write(night.with_name("more.parquet"), products(60))
    done = subprocess.run(
        [sys.executable, "-m", "prodmatch_cli", "embed", catalogue, "--store", night,
         "--model", model.folder, "--workers", "0"],
        capture_output=True, check=True,
        env={name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"},
    )  # fmt: skip
    assert json.loads(done.stdout)["texts_encoded"] == 20
    assert done.stderr == b""
