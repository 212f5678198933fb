"""Matching from store to files."""

import json
import shutil
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from listings import listing, publish
from small import KINDS, SCHEMA, Row, draw
from tiny import night, save_tiny_model

from prodmatch.errors import MismatchError, QueryError, StoreError
from prodmatch.match import MatchSettings, find_matches
from prodmatch.matching.match_files import MatchReport
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index

COUNT = 30


def row(name: str, number: int, **changed: object) -> Row:
    return {**listing(f"{name}{number:03d}", number), **changed}


@pytest.fixture(scope="module")
def shop(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty products; three of them are in it twice, and one is in two sizes."""
    rows = [row("p", number) for number in range(COUNT)]
    rows += [row("p", number, product_id=f"q{number:03d}") for number in range(3)]
    rows.append(row("p", 7, product_id="s040", title="green chair oak, size 40"))
    rows.append(row("p", 7, product_id="s042", title="green chair oak, size 42"))
    return publish(tmp_path_factory.mktemp("shop") / "shop", tiny, rows)


@pytest.fixture(scope="module")
def other_shop(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same thirty products by other ids, with their words in another order, no pictures."""
    rows = []
    for number in range(COUNT):
        title = " ".join([*str(row("r", number)["title"]).split()[::-1], "new"])
        rows.append(row("r", number, title=title, image=None))
    return publish(tmp_path_factory.mktemp("other") / "shop", tiny, rows)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    lines = ["left,right,match"]
    for number in range(COUNT):
        lines.append(f"p{number:03d},r{number:03d},true")
        lines += [f"p{number:03d},r{(number + step) % COUNT:03d},false" for step in (1, 3, 5)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(store: Path, out: Path, settings: MatchSettings | None = None) -> MatchReport:
    with open_index(store) as index:
        return find_matches(index, out, settings)


def test_equal_listings_are_one_group(shop: Path, tmp_path: Path) -> None:
    report = run(shop, tmp_path / "out")
    assert (report.left, report.right, report.equal) == (COUNT + 5, COUNT + 5, 3)
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    equal = {(p["left"], p["right"]) for p in pairs if p["probability"] == 1}
    assert equal == {("p000", "q000"), ("p001", "q001"), ("p002", "q002")}
    groups = pq.read_table(tmp_path / "out/groups.parquet").to_pylist()
    of = {group["product_id"]: group["group_id"] for group in groups}
    assert of["p000"] == of["q000"] != of["p001"]


def test_what_the_texts_leave_open_is_not_the_same(tiny: Model, tmp_path: Path) -> None:
    rows = [row("p", number, colour=None) for number in range(COUNT)]
    rows.append(row("p", 4, product_id="z004", colour=None, title=f"zeta {rows[4]['title']}"))
    report = run(publish(tmp_path / "shop", tiny, rows), tmp_path / "out")
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    (found,) = [p for p in pairs if {p["left"], p["right"]} == {"p004", "z004"}]
    assert (found["relation"], found["probability"]) == ("different", 0.5)
    assert report.measured_on.startswith("planted duplicates; of 146 pairs of real listings")


def test_variants_are_named(shop: Path, tmp_path: Path) -> None:
    run(shop, tmp_path / "out")
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    (sizes,) = [p for p in pairs if {p["left"], p["right"]} == {"s040", "s042"}]
    assert (sizes["relation"], sizes["differences"]) == ("variant", "size 40 / 42")


def test_one_photograph_in_two_colours_is_a_variant(tiny: Model, tmp_path: Path) -> None:
    rows = [
        row("p", number, colour=None, title=f"{KINDS[number % 5]} QX{number}")
        for number in range(COUNT)
    ]
    rows.append({**rows[4], "product_id": "h004", "image": draw((60, 60, 150), 4)})
    run(publish(tmp_path / "shop", tiny, rows), tmp_path / "out")
    for _ in range(2):  # the second time from the scores that are kept
        pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
        (found,) = [p for p in pairs if {p["left"], p["right"]} == {"p004", "h004"}]
        assert (found["relation"], found["differences"]) == (
            "variant",
            "picture one colour / another",
        )
        assert run(tmp_path / "shop/store", tmp_path / "out").scored == 0


def test_what_a_column_or_a_title_tells_apart_is_no_match(
    tiny: Model, labels: Path, other_shop: Path, tmp_path: Path
) -> None:
    """The scorer learns that these match; one has another colour in its column, one is used."""
    rows = [row("p", number) for number in range(COUNT)]
    rows[4]["colour"] = "purple"
    rows[6]["title"] = f"{rows[6]['title']} (refurbished)"
    store = publish(tmp_path / "shop", tiny, rows)
    with open_index(store) as index, open_index(other_shop) as other:
        find_matches(index, tmp_path / "out", MatchSettings(pairs=labels), against=other)
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    found = {(p["left"], p["right"]): p for p in pairs}
    assert found["p005", "r005"]["relation"] == "same"
    assert found["p004", "r004"]["relation"] == "variant"
    assert found["p004", "r004"]["differences"] == "colour purple / blue"
    assert found["p004", "r004"]["probability"] <= 0.02
    assert found["p006", "r006"]["relation"] == "variant"
    assert found["p006", "r006"]["differences"] == "condition refurbished / new"
    groups = pq.read_table(tmp_path / "out/groups.parquet").to_pylist()
    assert not {"p004", "r004"} & {group["product_id"] for group in groups}


def test_a_second_run_keeps_ids_and_bytes(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    contents = []
    for _ in range(2):
        run(shop, out)
        contents.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert contents[0] == contents[1]


def test_a_night_scores_only_what_is_new(tiny: Model, tmp_path: Path) -> None:
    """Pairs of a new listing and likely ones are scored; the rest is as it was, or removed."""
    rows = [row("p", number) for number in range(COUNT)]
    rows.append(row("p", 3, product_id="q003"))
    store = publish(tmp_path / "shop", tiny, rows)
    first = run(store, tmp_path / "out")
    assert first.scored == first.candidates
    before = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    groups = pq.read_table(tmp_path / "out/groups.parquet").to_pylist()
    rows = [each for each in rows if each["product_id"] != "p007"]
    rows.append(row("p", 4, product_id="q004", title="red lamp number QX128 anew"))
    pq.write_table(
        pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "shop" / "catalogue.parquet"
    )
    night(tmp_path / "shop" / "catalogue.parquet", tiny, store)
    second = run(store, tmp_path / "out")
    assert second.scored == MatchSettings().candidates + 2  # one has it among its best
    assert run(store, tmp_path / "out").scored == 0
    after = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    there = {"p007", "q004"}
    kept = [[p for p in pairs if not there & {p["left"], p["right"]}] for pairs in (before, after)]
    assert kept[0] == kept[1]
    assert groups == [
        group
        for group in pq.read_table(tmp_path / "out/groups.parquet").to_pylist()
        if group["product_id"] in {each["product_id"] for each in groups}
    ]


def test_thousands_that_look_alike_are_one_group(tiny: Model, tmp_path: Path) -> None:
    """They differ in the price and have one title and picture; a hundred differ in nothing."""
    rows = [row("p", number) for number in range(COUNT)]
    alike = [
        row("p", 3, product_id=f"x{n:04d}", price=10 + max(n - 100, 0) / 1000) for n in range(5000)
    ]
    store = publish(tmp_path / "shop", tiny, rows + alike)
    settings = MatchSettings(precision=0.5)
    report = run(store, tmp_path / "out", settings)
    assert report.equal == 5000  # to p003
    assert report.candidates < 11 * (COUNT + 1)
    groups = pq.read_table(tmp_path / "out/groups.parquet").to_pylist()
    of = {group["product_id"]: group["group_id"] for group in groups}
    assert len({of[f"x{n:04d}"] for n in range(5000)} | {of["p003"]}) == 1


def test_pictures_are_compared_where_they_can_be_read(shop: Path, tmp_path: Path) -> None:
    report = run(shop, tmp_path / "out")
    assert report.pictures > 0
    assert report.warnings == []
    copy = tmp_path / "shop"
    shutil.copytree(shop, copy)
    settings = json.loads((copy / "store.json").read_text())
    settings["catalogue"] = str(tmp_path / "gone.parquet")
    (copy / "store.json").write_text(json.dumps(settings))
    report = run(copy, tmp_path / "again")
    assert report.pictures == 0
    assert [line.partition(" are compared by their vectors")[0] for line in report.warnings] == [
        f"pictures of {copy}"
    ]


def test_pictures_that_are_gone_are_named(tiny: Model, tmp_path: Path) -> None:
    rows = [row("p", number) for number in range(6)]
    rows += [row("p", 0, product_id="q000", price=None), row("x", 9, image=None)]
    store = publish(tmp_path / "shop", tiny, rows)
    assert run(store, tmp_path / "out").warnings == []
    for each in rows:
        each["image"] = None
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "shop/catalogue.parquet")
    (warning,) = run(store, tmp_path / "again").warnings
    assert warning.startswith("pictures of ")
    assert "products cannot be read, such as that of 'p000'" in warning


def test_two_shops_are_matched_by_labels(
    shop: Path, other_shop: Path, labels: Path, tmp_path: Path
) -> None:
    scorer = tmp_path / "scorer.safetensors"
    with open_index(shop) as index, open_index(other_shop) as other:
        settings = MatchSettings(pairs=labels, scorer=scorer)
        report = find_matches(index, tmp_path / "out", settings, against=other)
        again = find_matches(index, tmp_path / "again", MatchSettings(scorer=scorer), against=other)
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    same = {(p["left"], p["right"]) for p in pairs if p["relation"] == "same"}
    assert {(f"p{n:03d}", f"r{n:03d}") for n in range(COUNT)} - same == set()
    assert ("q000", "r000") in same  # is equal to p000
    assert report.precision >= 0.95
    assert (again.same, again.scorer) == (report.same, "120 pairs of labels.csv")
    groups = pq.read_table(tmp_path / "out/groups.parquet").to_pylist()
    first = next(group["group_id"] for group in groups if group["product_id"] == "r000")
    members = {(g["side"], g["product_id"]) for g in groups if g["group_id"] == first}
    assert members == {("left", "p000"), ("left", "q000"), ("right", "r000")}


def test_one_gtin_is_one_product_and_another_is_another(tiny: Model, tmp_path: Path) -> None:
    first, second, third, fourth = "5702016617412", "3165140838320", "9780306406157", "036000291452"
    eans = [first, second, third]
    rows = [row("p", n, ean=eans[n] if n < len(eans) else None) for n in range(COUNT)]
    rows += [
        row("q", 0, title="nothing alike", image=None, ean=first, price=None),
        row("q", 1, ean=fourth),
        row("q", 2, title="nothing alike, pack of 2", image=None, ean=third, price=None),
    ]
    schema = SCHEMA.append(pa.field("ean", pa.string()))
    report = run(
        publish(tmp_path / "shop", tiny, rows, schema),
        tmp_path / "out",
        MatchSettings(candidates=1),
    )
    pairs = {
        (pair["left"], pair["right"]): pair
        for pair in pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    }
    assert pairs["p000", "q000"]["relation"] == "same"
    assert pairs["p000", "q000"]["probability"] == pytest.approx(0.99)
    assert pairs["p001", "q001"]["relation"] == "variant"
    assert pairs["p001", "q001"]["differences"] == f"gtin {second} / {fourth.lstrip('0')}"
    assert pairs.get(("p002", "q002"), {"relation": None})["relation"] != "same"
    groups = pq.read_table(tmp_path / "out/groups.parquet")["product_id"].to_pylist()
    assert groups == ["p000", "q000"]
    assert report.same == 1


def test_copies_in_two_shops_are_pairs_each_with_each(tiny: Model, tmp_path: Path) -> None:
    """The products of both shops have the same ids, and copies under other ids."""
    rows = [row("p", number) for number in range(COUNT)]
    copies = [row("p", 0, product_id=f"p000-{n}") for n in range(2)]
    stores = [publish(tmp_path / name, tiny, rows + copies) for name in ("shop", "other")]
    with open_index(stores[0]) as index, open_index(stores[1]) as other:
        settings = MatchSettings(precision=0.5)
        report = find_matches(index, tmp_path / "out", settings, against=other)
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    same = [(p["left"], p["right"]) for p in pairs if p["relation"] == "same"]
    ids = ["p000", "p000-0", "p000-1"]
    of = [pair for pair in same if pair[0] in ids and pair[1] in ids]
    assert sorted(of) == sorted(product(ids, ids))
    assert report.same == len(same) == len(set(same))


def test_pairs_of_unknown_ids_are_named(
    shop: Path, other_shop: Path, labels: Path, tmp_path: Path
) -> None:
    labels.write_text(labels.read_text() + "zz,r000,true\n")
    with open_index(shop) as index, open_index(other_shop) as other:
        settings = MatchSettings(pairs=labels)
        report = find_matches(index, tmp_path / "out", settings, against=other)
    assert report.warnings == [
        f"`pairs` {labels}: pairs that name products that are not in the index, such as 'zz': 1. "
        "They are left out."
    ]


def test_too_few_pairs_leave_nothing(
    shop: Path, other_shop: Path, labels: Path, tmp_path: Path
) -> None:
    labels.write_text("\n".join(labels.read_text().splitlines()[:40]))
    with open_index(shop) as index, open_index(other_shop) as other:
        settings = MatchSettings(pairs=labels, scorer=tmp_path / "scorer")
        with pytest.raises(QueryError, match="39 labelled pairs are too few"):
            find_matches(index, tmp_path / "out", settings, against=other)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_a_store_of_another_model_is_refused(shop: Path, tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model", name="another")
    other = publish(tmp_path / "other", model, [row("r", number) for number in range(12)])
    with (
        open_index(shop) as index,
        open_index(other) as against,
        pytest.raises(MismatchError, match="was made with another model than"),
    ):
        find_matches(index, tmp_path / "out", against=against)
    assert not (tmp_path / "out").exists()


def test_a_store_is_not_matched_against_itself(shop: Path, tmp_path: Path) -> None:
    with (
        open_index(shop) as index,
        open_index(shop / "../store") as again,
        pytest.raises(QueryError, match="is the store itself"),
    ):
        find_matches(index, tmp_path / "out", against=again)
    assert not (tmp_path / "out").exists()


def test_a_scorer_without_a_threshold_is_not_kept(
    shop: Path, other_shop: Path, labels: Path, tmp_path: Path
) -> None:
    lines = labels.read_text().splitlines()
    random = [line.replace("true", "false") if n % 8 == 1 else line for n, line in enumerate(lines)]
    labels.write_text("\n".join(random))
    (tmp_path / "scorer").write_text("an older one")
    with open_index(shop) as index, open_index(other_shop) as other:
        settings = MatchSettings(1.0, pairs=labels, scorer=tmp_path / "scorer")
        with pytest.raises(QueryError, match="no threshold has it"):
            find_matches(index, tmp_path / "out", settings, against=other)
    assert (tmp_path / "scorer").read_text() == "an older one"


def test_equal_listings_of_far_prices_are_not_the_same(tiny: Model, tmp_path: Path) -> None:
    prices = {"p000": 10.0, "p001": 10.5, "p002": 90.0}
    rows = [row("p", 0, product_id=name, price=price) for name, price in prices.items()]
    store = publish(tmp_path / "shop", tiny, [*rows, row("z", 1), row("z", 2)])
    run(store, tmp_path / "out")
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    same = {(pair["left"], pair["right"]) for pair in pairs if pair["relation"] == "same"}
    assert same == {("p000", "p001")}


def test_equal_listings_without_a_picture_are_scored(tiny: Model, tmp_path: Path) -> None:
    twins = [row("p", 0, product_id=name, image=None, title="red chair") for name in ("a", "b")]
    store = publish(tmp_path / "shop", tiny, [*twins, *(row("z", n) for n in range(6))])
    report = run(store, tmp_path / "out")
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    (pair,) = (pair for pair in pairs if (pair["left"], pair["right"]) == ("a", "b"))
    assert pair["relation"] == "different"
    assert pair["probability"] < report.threshold
    assert report.groups == 0


def test_an_out_that_cannot_be_written_is_refused_at_once(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in ("file", "file/out"):
        with pytest.raises(StoreError, match="file: is no directory"):
            run(shop, tmp_path / out)
    (tmp_path / "out/scores.safetensors").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"scores\.safetensors: is there, and is no regular file"):
        run(shop, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scores.safetensors"]


@pytest.mark.parametrize("group_id", ["g1", None])
def test_what_is_no_file_of_groups_is_refused(
    group_id: str | None, shop: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out/groups.parquet"
    path.parent.mkdir()
    path.write_text("left,right")
    if group_id is None:
        columns = {"group_id": [None, "g1"], "side": ["left"] * 2, "product_id": ["p000", "p001"]}
        pq.write_table(pa.table(columns), path)
    with pytest.raises(QueryError, match="is no file of groups"):
        run(shop, tmp_path / "out")
    assert list(path.parent.iterdir()) == [path]
