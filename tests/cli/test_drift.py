"""The command `drift`: what it compares, prints and writes, when it ends with 1, and its errors."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pages import Tags
from shell import Shell
from small import Row, products, write
from tiny import night, save_query_encoders, save_tiny_model

from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index

COUNT = 90
Harm = Callable[[Row], object]


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path / "store", monkeypatch, capsys)


def publish(store: Path, model: Model, rows: list[Row], **options: tuple[str, ...]) -> None:
    """One more night, over a catalogue that stays."""
    if not (store / "encoders" / model.fingerprint[:32]).exists():
        save_query_encoders(store, model)
    number = len(list(store.parent.glob("night*.parquet")))
    night(write(store.parent / f"night{number}.parquet", rows, **options), model, store)


def harmed(rows: list[Row], count: int, harm: Harm) -> list[Row]:
    for row in rows[10 : 10 + count]:
        harm(row)
    return rows


def in_cents(row: Row) -> None:
    row["price"] = 100 * float(str(row["price"]))


def in_sale(row: Row) -> None:
    row["price"] = 0.8 * float(str(row["price"]))


def test_an_ordinary_night_has_no_alarm(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    later = harmed(products(COUNT + 2)[1:], 3, in_sale)
    publish(shell.store, tiny, later)
    done = shell("drift", "--max-drift", "0")
    assert (done.code, done.err) == (0, "")
    names, figures = (line.split() for line in done.out.splitlines())
    assert names[:4] == ["products", "added", "changed", "removed"]
    assert figures[:4] == ["generation", "2", "against", "1"]
    assert figures[4:9] == ["91", "2", "3", "1", "0"]
    assert figures[-1] == "0"


def test_prices_in_cents_end_with_1_where_a_limit_is_given(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    publish(shell.store, tiny, harmed(products(COUNT), 9, in_cents))
    done = shell("drift", "--out", "morning")
    assert done.code == 0
    assert "alarm: price: 9 products have five times what it was or more" in done.out
    assert "'p0010', 'p0011', 'p0012', 'p0013', 'p0014', ...); usual are" in done.out
    refused = shell("drift", "--max-drift", "0.05", "--format", "json")
    assert refused.code == 1
    assert refused.err.startswith(
        "error: generation 2 against 1: alarms name 10.00% of the products, more than "
        "--max-drift 0.05 allows: price: 9 products"
    )
    report = json.loads(refused.out)
    assert report == json.loads(Path("morning/drift.json").read_text())
    assert report["drift"] == 0.1
    assert report["alarms"][0]["product_ids"] == ["p0010", "p0011", "p0012", "p0013", "p0014"]
    assert shell("drift", "--max-drift", "0.1").code == 0


def test_what_the_gate_warns_of_is_named_where_there_is_no_alarm(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    doubled = products(COUNT)
    for row in doubled:
        row["price"] = 2 * float(str(row["price"]))
    publish(shell.store, tiny, doubled)
    done = shell("drift")
    assert "alarm: " not in done.out
    assert "warning: column 'price' is 2 times what it was" in done.err


def without_picture(row: Row) -> None:
    row["image"] = None


def test_alarms_name_options_as_they_are_typed(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    publish(shell.store, tiny, harmed(products(COUNT), 30, without_picture))
    done = shell("drift")
    assert done.code == 0
    assert "more than --max-lost 0.1 allows" in done.out


def test_all_rows_of_the_alarms_are_in_a_table(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    publish(shell.store, tiny, harmed(products(COUNT), 9, in_cents))
    assert shell("drift", "--out", "morning").code == 0
    rows = pq.read_table("morning/rows.parquet").to_pylist()
    jumped = [row for row in rows if row["alarm"] == "jumped:price"]
    assert [row["product_id"] for row in jumped] == [f"p{number:04d}" for number in range(10, 19)]
    assert jumped[0] == {
        "alarm": "jumped:price",
        "product_id": "p0010",
        "title": "blue shirt number 10",
        "before": "10",
        "after": "1000",
    }


def test_the_page_runs_nothing_and_shows_the_pictures(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    bad = harmed(products(COUNT), 9, in_cents)
    bad[10]["title"] = "<script>alert(1)</script> blaues Hemd aus Leinen"
    publish(shell.store, tiny, bad)
    assert shell("drift", "--out", "morning").code == 0
    page = Path("morning/drift.html").read_text()
    tags = Tags(page)
    assert {"script", "link", "iframe", "object"} & set(tags.tags) == set()
    assert all(source.startswith("data:image/webp;base64,") for source in tags.sources)
    assert tags.pictures >= 5
    assert not tags.without_text
    assert "Generation 2 against 1" in tags.said
    assert "<script>alert(1)</script> blaues Hemd aus Leinen" in tags.said
    assert "10 1000" in " ".join(tags.said.split())


def test_page_and_list_say_when_generations_were_published(shell: Shell, tiny: Model) -> None:
    for count in (COUNT, COUNT - 1):
        publish(shell.store, tiny, products(count))
    for number, seconds in ((1, 1_700_000_000), (2, 1_700_086_400)):
        os.utime(shell.store / "index" / f"{number:06d}" / "manifest.json", (seconds, seconds))
    assert shell("drift", "--out", "morning").code == 0
    said = Tags(Path("morning/drift.html").read_text()).said
    assert "Published 2023-11-15 22:13 and 2023-11-14 22:13 (UTC)" in said
    listed = json.loads(shell("generations", "--format", "json").out)
    assert [each["current"] for each in listed] == [False, True]
    assert [" yes " in line for line in shell("generations").out.splitlines()[1:]] == [False, True]
    assert [each["published"] for each in listed] == [
        "2023-11-14T22:13:20Z",
        "2023-11-15T22:13:20Z",
    ]


def test_lost_texts_are_one_alarm_about_their_column(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    nothing = {"title": None, "description": None}
    publish(shell.store, tiny, harmed(products(COUNT), 8, lambda row: row.update(nothing)))
    report = json.loads(shell("drift", "--format", "json").out)
    names = [each["name"] for each in report["alarms"]]
    assert "lost:title" in names
    assert "lost:text" not in names


def test_queries_of_a_file_are_compared(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    publish(shell.store, tiny, products(COUNT)[30:])
    Path("queries.jsonl").write_text(
        '{"query_id": "a", "product_id": "p0040"}\n{"query_id": "b", "text": "zzz qqq"}\n'
    )
    done = shell("drift", "--queries", "queries.jsonl", "--format", "json")
    report = json.loads(done.out)
    assert report["queries"] == 2
    (moved,) = (each for each in report["moved"] if each["query_id"] == "a")
    with open_index(shell.store) as index:
        hits = [hit.product_id for hit in index.search(like="p0040")]
    assert moved["after"] == hits
    assert moved["unexplained"] == 0
    gone = [name for name in moved["before"] if name < "p0030"]
    assert len(gone) == 10 - moved["kept"] > 0


def test_any_two_generations_can_be_compared(shell: Shell, tiny: Model) -> None:
    for count in (60, 70, 80):
        publish(shell.store, tiny, products(count))
    for arguments, added in (((), 10), (("--against", "1"), 20), (("--generation", "2"), 10)):
        report = json.loads(shell("drift", "--format", "json", *arguments).out)
        assert report["added"] == added
    assert report["nights"]["history"] == 0
    assert [each["products"] for each in report["over_time"]] == [60, 70, 80]
    assert json.loads(shell("drift", "--format", "json").out)["nights"]["history"] == 1


def test_what_was_there_and_is_rejected_now_is_an_alarm(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    nothing = {"title": None, "description": None, "image": None}
    publish(shell.store, tiny, harmed(products(COUNT), 9, lambda row: row.update(nothing)))
    report = json.loads(shell("drift", "--format", "json").out)
    assert sum(report["rejected"]["tonight"].values()) == 9
    assert report["rejected"]["last"] == {}
    assert report["removed"] == 9
    (alarm,) = (each for each in report["alarms"] if each["name"] == "rejected")
    assert "9 products are rejected now" in alarm["text"]


def test_a_refused_night_is_named(shell: Shell, tiny: Model) -> None:
    publish(shell.store, tiny, products(COUNT))
    publish(shell.store, tiny, harmed(products(COUNT), 1, in_cents))
    assert "published nothing" not in shell("drift").err
    tomorrow = time.time() + 86400
    refused = shell.store / "rejects" / f"{'0' * 32}.parquet"
    shutil.copy(next(shell.store.glob("rejects/*.parquet")), refused)
    os.utime(refused, (tomorrow, tomorrow))
    assert "published nothing, such as a night that was refused" in shell("drift").err
    assert "published nothing" not in shell("drift", "--generation", "2").err


def test_of_different_models_rows_are_compared_and_that_is_said(
    shell: Shell, tiny: Model, tmp_path: Path
) -> None:
    publish(shell.store, tiny, products(COUNT))
    other = save_tiny_model(tmp_path / "other", name="other")
    publish(shell.store, other, harmed(products(COUNT), 9, in_cents))
    done = shell("drift", "--format", "json")
    assert "warning: the generations are of different models" in done.err
    report = json.loads(done.out)
    assert report["same_model"] is False
    assert [each["name"] for each in report["alarms"]] == ["jumped:price"]
    assert "picture" not in report["changes"]
    assert report["shifts"] == []


def test_a_catalogue_without_pictures_is_compared(shell: Shell, tiny: Model) -> None:
    for harm in (lambda row: None, in_cents):
        rows = harmed(products(COUNT), 9, harm)
        publish(shell.store, tiny, rows, leave_out=("image",))
    done = shell("drift", "--out", "morning", "--format", "json")
    assert done.code == 0
    assert "no pictures are shown: the catalogue has no column of pictures" in done.err
    assert [each["name"] for each in json.loads(done.out)["alarms"]] == ["jumped:price"]
    assert Tags(Path("morning/drift.html").read_text()).pictures == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 1, "has no generation before 1 to compare it with. Run 'prodmatch build"),
        (("--against", "1"), 1, "generation 1 cannot be compared with itself."),
        (("--against", "7"), 1, "has no generation 7; it has 1."),
        (("--max-drift", "2"), 2, "2.0 is not in the range 0<=x<=1"),
        (("--queries", "none.jsonl"), 2, "none.jsonl"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(
    shell: Shell, tiny: Model, base: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    shutil.copytree(base / "store", shell.store)
    if "--queries" in arguments:
        night(base / "after.parquet", tiny, shell.store)
    done = shell("drift", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def save_evaluation(folder: Path, value: float) -> None:
    folder.mkdir(parents=True)
    figure = {"value": value, "low": value - 0.05, "high": value + 0.05}
    content = {"queries": 9, "figures": {"hybrid": {"nDCG@10": figure}}}
    (folder / "evaluation.json").write_text(json.dumps(content))


def test_an_evaluation_that_fell_is_an_alarm(shell: Shell, tiny: Model) -> None:
    for _ in range(2):
        publish(shell.store, tiny, products(COUNT))
    save_evaluation(Path("evaluated/2026-01-01"), 0.8)
    save_evaluation(Path("evaluated/2026-01-02"), 0.75)
    arguments = ("drift", "--evaluations", "evaluated", "--max-drift", "0", "--format", "json")
    report = json.loads(shell(*arguments, "--out", "morning").out)
    assert [each["value"] for each in report["evaluations"]] == [0.8, 0.75]
    assert report["alarms"] == []
    assert "2026-01-02" in Tags(Path("morning/drift.html").read_text()).said
    save_evaluation(Path("evaluated/2026-01-03"), 0.5)
    done = shell(*arguments)
    assert done.code == 1
    assert "nDCG@10 is 0.500 (0.450 to 0.550) in '2026-01-03' and was 0.750" in done.err


def test_a_folder_without_evaluations_is_one_clear_line(shell: Shell, tiny: Model) -> None:
    done = shell("drift", "--evaluations", "nowhere")
    assert (done.code, done.out) == (2, "")
    assert "--evaluations nowhere: holds no evaluation.json" in done.err


def test_a_damaged_generation_ends_with_3(shell: Shell, tiny: Model) -> None:
    for count in (60, 70):
        publish(shell.store, tiny, products(count))
    path = shell.store / "index" / "000001" / "products.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"PAR0PAR0!")
    done = shell("drift")
    assert (done.code, done.out) == (3, "")
    assert "products.parquet: its SHA-256 is not the one in the manifest" in done.err
