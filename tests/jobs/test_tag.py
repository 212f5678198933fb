"""Missing values are predicted with a stated precision, wrong labels named, decisions come back."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import Shell
from small import COLOURS, KINDS, draw
from tiny import embed_tiny, save_query_encoders

from prodmatch.attributes import learn
from prodmatch.attributes.tagged import Tagged
from prodmatch.errors import QueryError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.tag import TagSettings, tag_products

COUNT = 600
WRONG = {"p0003": "blue", "p0109": "red"}  # "red" and "blue" by their numbers
NAMES = list(COLOURS)
SPELLINGS = ("deep {}", "deep {}", "DEEP {}", "Deep {} ", "deep  {}")


def colour_of(number: int) -> str:
    return NAMES[number % len(NAMES)]


def catalogue(folder: Path) -> Path:
    """Products whose pictures have their colour and, of half of them, whose titles name it."""
    numbers = range(COUNT)
    colours = [None if number // 6 % 3 == 1 else colour_of(number) for number in numbers]
    ids = [f"p{number:04d}" for number in numbers]
    for product_id, wrong in WRONG.items():
        colours[ids.index(product_id)] = wrong
    kinds = [KINDS[number % len(KINDS)] for number in numbers]
    names = [colour_of(number) if number % 2 else "" for number in numbers]
    table = {
        "product_id": ids,
        "title": [f"{n} {k} number {i}" for i, (n, k) in enumerate(zip(names, kinds, strict=True))],
        "colour": colours,
        "kind": kinds,
        "shade": pa.array([None] * COUNT, pa.string()),
        "maker": ["Fenn"] * COUNT,
        "typed": [None if c is None else SPELLINGS[n % 5].format(c) for n, c in enumerate(colours)],
        "named": ["Fenn" if number % 7 else "FENN" for number in numbers],
        "code": [f"code {number}" for number in numbers],
        "few": ["a", "b"] * 10 + [None] * (COUNT - 20),
        "price": [float(number) for number in numbers],
        "image": [draw(COLOURS[colour_of(number)], number) for number in numbers],
    }
    pq.write_table(pa.table(table), folder / "c.parquet")
    return folder / "c.parquet"


@pytest.fixture(scope="module")
def store(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagged")
    save_query_encoders(folder / "store", tiny)
    embed_tiny(catalogue(folder), tiny, folder / "store")
    index_embeddings(folder / "store")
    return folder / "store"


def tag(store: Path, out: Path, **settings: object) -> Tagged:
    with open_index(store) as index:
        return tag_products(index, out, TagSettings(**settings))  # type: ignore[arg-type]


def true_colour(product_id: str) -> str:
    return colour_of(int(product_id[1:]))


def test_missing_values_are_predicted_and_wrong_labels_named(store: Path, tmp_path: Path) -> None:
    tagged = tag(store, tmp_path / "t.parquet", columns=["colour"])
    rows = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert rows == tagged.tables["colour"].to_pylist()
    missing = [row for row in rows if row["label"] is None]
    assert len(missing) == tagged.report.columns["colour"]["missing"] == 198
    predicted = [row for row in missing if row["state"] == "predicted"]
    assert len(predicted) >= 190
    right = [row["value"] == true_colour(row["product_id"]) for row in predicted]
    assert np.mean(right) >= 0.95
    assert {row["product_id"]: row["value"] for row in rows if row["state"] == "doubtful"} == {
        product_id: true_colour(product_id) for product_id in WRONG
    }
    assert all(0.9 < row["probability"] < 1 for row in predicted)


def test_values_that_take_turns_are_all_learnt_from_some_of_the_labels(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn, "MOST_TRAINING", 402 // 3)
    tagged = tag(store, tmp_path / "t.parquet", columns=["colour"], precision=0.8)
    rows = tagged.tables["colour"].to_pylist()
    assert {row["value"] for row in rows if row["state"] == "predicted"} == set(NAMES)


def test_spellings_of_a_value_are_one_value(store: Path, tmp_path: Path) -> None:
    every = {
        column: tag(store, tmp_path / "t.parquet", columns=[column]).tables[column].to_pylist()
        for column in ("colour", "typed")
    }
    assert [
        (row["product_id"], row["state"], row["value"], row["probability"])
        for row in every["typed"]
    ] == [
        (row["product_id"], row["state"], f"deep {row['value']}", row["probability"])
        for row in every["colour"]
    ]
    labels = {row["product_id"]: row["label"] for row in every["typed"] if row["label"]}
    assert labels.keys() == WRONG.keys()  # none for its spelling


def test_values_of_a_column_that_is_learnt_are_not_used_and_a_warning_names_them(
    store: Path, tmp_path: Path
) -> None:
    plain = tag(store, tmp_path / "t.parquet", columns=["colour"])
    named = tag(store, tmp_path / "t.parquet", values={"colour": ["purple", "orange"]})
    assert named.tables == plain.tables
    (warning,) = set(named.report.warnings) - set(plain.report.warnings)
    assert warning.startswith("`values=colour`: 402 products have a value")


def test_evidence_is_of_products_with_the_value_and_of_words(store: Path, tmp_path: Path) -> None:
    tagged = tag(store, tmp_path / "t.parquet", columns=["colour"])
    missing = [row for row in tagged.tables["colour"].to_pylist() if row["state"] == "predicted"]
    near = [(row["value"], name) for row in missing for name in row["nearest"]]
    assert len(near) > 2 * len(missing)
    assert np.mean([value == true_colour(name) for value, name in near]) > 0.98
    named = [row for row in missing if int(row["product_id"][1:]) % 2]
    assert named
    assert all(row["value"] in " ".join(row["words"]) for row in named)


def test_decisions_come_back_as_labels_and_end_doubts(store: Path, tmp_path: Path) -> None:
    decided = {"p0003": "red", "p0109": "blue", "p0000": "red", "p0007": ""}
    path = tmp_path / "d.csv"
    with path.open("w", newline="") as file:
        rows = [(product_id, "colour", value) for product_id, value in decided.items()]
        csv.writer(file).writerows([("product_id", "column", "value"), *rows])
    tagged = tag(store, tmp_path / "t.parquet", columns=["colour"], labels=[path])
    rows = tagged.tables["colour"].to_pylist()
    assert tagged.report.decisions == 4
    assert not decided.keys() & {row["product_id"] for row in rows}
    assert "doubtful" not in {row["state"] for row in rows}


def test_values_without_any_label_are_learnt_from_texts_that_name_them(
    store: Path, tmp_path: Path
) -> None:
    tagged = tag(store, tmp_path / "t.parquet", values={"shade": NAMES})
    rows = tagged.tables["shade"].to_pylist()
    named = [row for row in rows if row["state"] == "named"]
    assert {int(row["product_id"][1:]) for row in named} == set(range(1, COUNT, 2))
    assert all(row["probability"] is None for row in named)
    others = [row for row in rows if row["state"] == "predicted"]
    assert len(others) > 280
    assert np.mean([row["value"] == true_colour(row["product_id"]) for row in others]) >= 0.95
    figures = tagged.report.columns["shade"]
    assert figures["measured_on"] == "products whose text names a value"


def test_values_that_no_text_names_are_suggested_without_a_probability(
    store: Path, tmp_path: Path
) -> None:
    tagged = tag(store, tmp_path / "t.parquet", values={"shade": ["purple", "orange"]})
    rows = tagged.tables["shade"].to_pylist()
    assert {row["state"] for row in rows} == {"suggested"}
    assert {row["probability"] for row in rows} == {None}
    assert "without a probability" in tagged.report.warnings[0]


def test_what_is_suggested_of_a_product_depends_on_no_other(store: Path, tmp_path: Path) -> None:
    values = ["red blue", "green boot", "chair lamp"]

    def suggested(names: list[str], product_ids: set[str] | None) -> dict[str, tuple[str, str]]:
        given = {"values": {"shade": names}, "product_ids": product_ids}
        rows = tag(store, tmp_path / "t.parquet", **given).tables["shade"].to_pylist()
        return {row["product_id"]: (row["value"], row["second"]) for row in rows}

    every = suggested(values, None)
    ten = {f"p{number:04d}" for number in range(10)}
    for chosen in (ten, *({product_id} for product_id in ten)):
        for names in (values, values[::-1]):
            assert suggested(names, chosen) == {name: every[name] for name in chosen}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": ["color"]}, "no column 'color'; did you mean colour?"),
        ({"columns": ["price"]}, "is of the type double"),
        ({"columns": ["maker"]}, "all 600 products that have a value have 'Fenn'"),
        ({"columns": ["named"]}, "all 600 products that have a value have 'Fenn'"),
        ({"values": {"shade": ["red", "Red "]}}, "names 1 value; two are needed"),
        ({"columns": ["code"]}, "600 values, of which 0 are of 5 products or more"),
        ({"columns": ["few"]}, "20 products have a value"),
        ({"columns": ["shade"]}, "no product has a value. Name the values with `values`"),
        ({"values": {"shade": ["red"]}}, "names 1 value; two are needed"),
        ({"precision": 1.0}, "`precision=1`: must be"),
    ],
)
def test_columns_that_cannot_be_predicted_are_refused(
    store: Path, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(QueryError) as error:
        tag(store, tmp_path / "t.parquet", **settings)
    assert message in str(error.value)
    assert not (tmp_path / "t.parquet").exists()


def test_without_a_column_all_that_are_suited_are_predicted(store: Path, tmp_path: Path) -> None:
    report = tag(store, tmp_path / "t.parquet").report
    assert set(report.columns) == {"colour", "typed", "kind"}
    assert len(report.warnings) >= 5
    assert all("not predicted" in each for each in report.warnings[:5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("product_id,column\np0000,colour\n", "has no column 'value'"),
        ("product_id,column,value\np0000,color,red\n", "no column 'color' in the catalogue"),
        ("", "cannot be read"),
    ],
)
def test_files_of_decisions_that_cannot_be_used_are_refused(
    store: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "d.csv").write_text(content)
    with pytest.raises(QueryError) as error:
        tag(store, tmp_path / "t.parquet", columns=["colour"], labels=[tmp_path / "d.csv"])
    assert message in str(error.value)


def test_the_command_writes_a_table_and_a_page(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(store, monkeypatch, capsys)
    out, page = tmp_path / "t.parquet", tmp_path / "t.html"
    few = pq.read_table(store.with_name("c.parquet")).slice(0, 12)
    pq.write_table(few, tmp_path / "few.parquet")
    done = shell(
        "tag", str(tmp_path / "few.parquet"), "--column", "colour", "--out", str(out),
        "--html", str(page),
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["rows"] == pq.read_table(out).num_rows == 7  # 6 missing, 1 wrong
    text = page.read_text()
    assert text.count('class="case"') == 7
    assert text.count("data:image/webp") == 7
    done = shell("tag", "--values", "shade", "--out", str(out))
    assert (done.code, "is not of the form COLUMN=VALUE" in done.err) == (2, True)
