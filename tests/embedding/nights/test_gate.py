"""The gate: a night that lost what the night before had is refused, an honest one is not."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import COLOURS, SCHEMA, Row, draw, products
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.embed import EmbedReport, EmbedSettings
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model
from prodmatch.storage.embeddings import open_embeddings

STRICT = EmbedSettings(device="cpu", workers=0, max_reject=1.0)
ACCEPTING = EmbedSettings(device="cpu", workers=0, max_reject=1.0, accept_changes=True)
COUNT = 40


@pytest.fixture
def store(tiny: Model, quick_disk: Path) -> Path:
    save_query_encoders(quick_disk / "store", tiny)
    return quick_disk / "store"


Table = dict[str, list[object]]


def table(rows: list[Row]) -> Table:
    return {name: [row.get(name) for row in rows] for name in SCHEMA.names}


def embed(
    content: Mapping[str, object], tiny: Model, store: Path, settings: EmbedSettings = STRICT
) -> EmbedReport:
    path = store.parent / "c.parquet"
    pq.write_table(pa.table(dict(content)), path)
    options = CatalogueOptions(image_root=store.parent)
    return embed_tiny(open_catalogue(path, options), tiny, store, settings)


def rename(content: Table, old: str, new: str) -> Table:
    return {new if name == old else name: values for name, values in content.items()}


def some(values: list[object], count: int, put: object) -> list[object]:
    """The values with the first ones replaced."""
    return [put] * count + values[count:]


PLACEHOLDER = draw((128, 128, 128), 1)

FAULTS: dict[str, tuple[Callable[[Table], Mapping[str, object]], str]] = {
    "title renamed": (lambda t: rename(t, "title", "Title"), "'title' .there is a 'Title'"),
    "description gone": (lambda t: {n: t[n] for n in t if n != "description"}, "'description'"),
    "pictures renamed": (lambda t: rename(t, "image", "images"), "'image' .*'images'"),
    "price gone": (lambda t: {n: t[n] for n in t if n != "price"}, "column gone: 'price'"),
    "price renamed": (lambda t: rename(t, "price", "Price"), r"`columns`, price=Price"),
    "price as text": (
        lambda t: {**t, "price": [f"{value}" for value in t["price"]]},
        "'price' is of type string and was of type double",
    ),
    "colour as numbers": (
        lambda t: {**t, "colour": list(range(COUNT))}, "'colour' is of type int64",
    ),
    "price all null": (lambda t: {**t, "price": pa.nulls(COUNT)}, "'price' is empty"),
    "price null of many": (lambda t: {**t, "price": some(t["price"], 5, None)}, "lost 5 of 40"),
    "title emptied": (lambda t: {**t, "title": [""] * COUNT}, "'title' is empty"),
    "colour a list": (lambda t: {**t, "colour": [["red"]] * COUNT}, "'colour' .its type is none"),
    "nine products gone": (lambda t: {n: v[9:] for n, v in t.items()}, "9 of 40 products are gone"),
    "cut off": (lambda t: {n: v[:31] for n, v in t.items()}, "may be cut off"),
    "one product left": (lambda t: {n: v[:1] for n, v in t.items()}, "39 of 40 products are gone"),
    "ids without zeros": (
        lambda t: {**t, "product_id": [f"p{number}" for number in range(COUNT)]},
        "under other ids: 'p0000' is 'p0' now",
    ),
    "ids in capitals": (lambda t: {**t, "product_id": [str(i).upper() for i in t["product_id"]]},
        "'p0000' is 'P0000' now"),
    "other ids": (
        lambda t: {**t, "product_id": [f"x{n}x" for n in range(COUNT)]}, "40 others are new",
    ),
    "texts gone": (
        lambda t: {**t, **{n: some(t[n], 5, None) for n in ("title", "description")}},
        r"5 have no text any more: 'p0000', 'p0001', 'p0002', 'p0003', 'p0004'\)",
    ),
    "texts all the same": (
        lambda t: {**t, "title": ["N/A"] * COUNT, "description": [None] * COUNT},
        "40 have the same text as others now",
    ),
    "pictures gone": (lambda t: {**t, "image": some(t["image"], 5, None)}, "5 have no picture"),
    "all pictures gone": (
        lambda t: {**t, "image": pa.nulls(COUNT, pa.binary())}, "40 have no picture",
    ),
    "a placeholder": (
        lambda t: {**t, "image": some(t["image"], 5, PLACEHOLDER)},
        "5 have the same picture as others now",
    ),
    "half gone, half a placeholder": (
        lambda t: {**t, "image": some(some(t["image"], 5, None), 3, PLACEHOLDER)},
        "5 of the 40 products that stay",
    ),
    "broken pictures": (
        lambda t: {**t, "image": [bytes(p)[:150] for p in t["image"][:5]] + t["image"][5:]},
        "image_broken 5",
    ),
    "prices times 100": (
        lambda t: {**t, "price": [100 * float(str(p)) for p in t["price"]]},
        "'price' is 100 times what it was .cents for whole units.. for 39 of 39 products "
        r"\('p0001' 1 -> 100, 'p0002' 2 -> 200",
    ),
    "prices NaN": (lambda t: {**t, "price": [float("nan")] * COUNT}, "'price' is empty"),
    "missing files": (
        lambda t: {**t, "image": [f"{n}.png" for n in range(COUNT)]},
        "40 of 40 pictures cannot be used",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_each_time_and_let_through_where_accepted(
    name: str, store: Path, tiny: Model, count_cases: Counting
) -> None:
    before = table(products(COUNT))
    digest = embed(before, tiny, store).embeddings
    change, message = FAULTS[name]
    after = change(before)
    for _ in range(2):  # running it again does not let it through
        with pytest.raises(CatalogueError, match=message):
            embed(after, tiny, store)
        embeddings = open_embeddings(store / "embeddings")
        assert embeddings is not None
        assert embeddings.digest == digest
    report = embed(after, tiny, store, ACCEPTING)
    assert report.rows == report.embedded + report.rejected
    assert any(text.startswith("accepted: ") for text in report.warnings)
    assert embed(after, tiny, store).embeddings == report.embeddings  # it is the usual now
    count_cases("faulty nights refused", 1)


HONEST: dict[str, Callable[[Table], Mapping[str, object]]] = {
    "nothing": lambda t: t,
    "eight products gone": lambda t: {n: v[8:] for n, v in t.items()},
    "another order": lambda t: {n: v[::-1] for n, v in t.items()},
    "another order of columns": lambda t: {n: t[n] for n in reversed(t)},
    "prices moved": lambda t: {**t, "price": [float(str(value)) * 1.1 for value in t["price"]]},
    "prices whole": lambda t: {**t, "price": list(range(COUNT))},
    "four prices unknown": lambda t: {**t, "price": some(t["price"], 4, None)},
    "all titles edited": lambda t: {**t, "title": [f"{title} new" for title in t["title"]]},
    "four titles empty": lambda t: {**t, "title": some(t["title"], 4, "")},
    "four pictures gone": lambda t: {**t, "image": some(t["image"], 4, None)},
    "four placeholders": lambda t: {**t, "image": some(t["image"], 4, PLACEHOLDER)},
    "other pictures": lambda t: {**t, "image": [draw(COLOURS["red"], 900 + n) for n in range(40)]},
    "a new column": lambda t: {**t, "brand": ["Own"] * COUNT},
    "text as a dictionary": lambda t: {**t, "colour": pa.array(t["colour"]).dictionary_encode()},
    "large text": lambda t: {**t, "title": pa.array(t["title"], pa.large_string())},
    "twice as many": lambda t: table(products(2 * COUNT)),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_night_passes(name: str, store: Path, tiny: Model, count_cases: Counting) -> None:
    before = table(products(COUNT))
    embed(before, tiny, store)
    report = embed(HONEST[name](before), tiny, store)
    assert report.rows == report.embedded > 0
    count_cases("honest nights let through", 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken pictures", "image_broken 5"),
        ("missing files", "image_missing 40"),
        ("all pictures gone", "no product has a picture"),
    ],
)
def test_a_first_night_has_limits_too(name: str, message: str, store: Path, tiny: Model) -> None:
    with pytest.raises(CatalogueError, match=message):
        embed(FAULTS[name][0](table(products(COUNT))), tiny, store)
    assert open_embeddings(store / "embeddings") is None


def test_addresses_of_pictures_are_a_warning(store: Path, tiny: Model) -> None:
    content = {**table(products(9)), "image": [f"https://shop.test/{n}.png" for n in range(9)]}
    report = embed(content, tiny, store)
    assert report.embedded == report.without_image == 9
    assert [
        text for text in report.warnings if "9 products name their picture by an address" in text
    ]


def test_pictures_that_become_addresses_are_refused_as_such(store: Path, tiny: Model) -> None:
    before = table(products(COUNT))
    embed(before, tiny, store)
    addresses = [f"https://shop.test/{n}.png" for n in range(COUNT)]
    with pytest.raises(CatalogueError, match="40 have no picture any more; 40 are named by addr"):
        embed({**before, "image": addresses}, tiny, store)


@pytest.mark.parametrize(("gone", "named"), [(1, False), (5, True)])
def test_many_products_gone_are_named_below_the_limit(
    gone: int, named: bool, store: Path, tiny: Model
) -> None:
    before = table(products(COUNT))
    embed(before, tiny, store)
    report = embed({name: cells[:-gone] for name, cells in before.items()}, tiny, store)
    assert report.removed == gone
    warned = [text for text in report.warnings if f"{gone} of 40 products are gone" in text]
    assert bool(warned) == named
    assert not named or "the catalogue may be cut off" in warned[0]


def test_limits_are_settings(store: Path, tiny: Model) -> None:
    before = table(products(COUNT))
    embed(before, tiny, store)
    less = {name: values[1:] for name, values in before.items()}
    lost = {**before, "image": some(before["image"], 1, None)}
    strict = EmbedSettings(device="cpu", workers=0, max_removed=0.02, max_lost=0.02)
    with pytest.raises(CatalogueError, match=r"more than `max_removed=0\.02` allows"):
        embed(less, tiny, store, strict)
    with pytest.raises(CatalogueError, match=r"more than `max_lost=0\.02` allows"):
        embed(lost, tiny, store, strict)
    assert embed(less, tiny, store).removed == 1


def test_what_is_noticed_is_in_the_warnings(store: Path, tiny: Model) -> None:
    before = table(products(COUNT))
    embed(before, tiny, store)
    after = {**before, "brand": ["Own"] * COUNT, "image": some(before["image"], 2, b"no picture")}
    warnings = embed(after, tiny, store).warnings
    assert "new columns: 'brand'" in warnings
    assert any(text.startswith("2 of 40 pictures cannot be used") for text in warnings)
    assert any("2 have no picture any more: 'p0000', 'p0001'" in text for text in warnings)


ONE_VALUE: dict[str, tuple[dict[str, Callable[[int], object]], bool]] = {
    "a price": ({"price": lambda row: 9.99}, True),
    "most prices": ({"price": lambda row: 9.99 if row % 20 else 10.0 + row}, True),
    "a price as text": ({"list_price": lambda row: "$9.99"}, True),
    "a stock": ({"stock": lambda row: 0}, False),
    "a colour": ({"colour": lambda row: "red"}, False),
    "half the prices": ({"price": lambda row: 9.99 if row % 2 else 10.0 + row}, False),
}


@pytest.mark.parametrize("name", ONE_VALUE)
def test_one_value_for_all_is_named_and_refused_of_prices(
    name: str, store: Path, tiny: Model, count_cases: Counting
) -> None:
    def shop(**changes: Callable[[int], object]) -> Mapping[str, object]:
        columns: dict[str, Callable[[int], object]] = {
            "product_id": lambda row: f"p{row}",
            "title": lambda row: f"mug {row}",
            "colour": lambda row: ["red", "blue", "green", "white"][row % 4],
            "price": lambda row: 10.0 + row,
            "list_price": lambda row: f"${20 + row}.00",
            "stock": lambda row: row * 3,
            "is_new": lambda row: False,
        }
        return {
            name: [make(row) for row in range(COUNT)] for name, make in (columns | changes).items()
        }

    changes, refused = ONE_VALUE[name]
    embed(shop(), tiny, store)
    (column,) = changes
    if refused:
        with pytest.raises(CatalogueError, match=f"column '{column}' is .* of its values; the"):
            embed(shop(**changes), tiny, store)
    else:
        warnings = embed(shop(**changes), tiny, store).warnings
        named = any("of its values" in text and f"'{column}'" in text for text in warnings)
        assert named == (name != "half the prices")
    count_cases("one value for all", 1)


@pytest.mark.parametrize("text", ["null", "NaN", " None ", "N/A", "-", "undefined"])
def test_a_text_that_stands_for_none_is_no_value(text: str, store: Path, tiny: Model) -> None:
    content = table(products(COUNT))
    embed(content, tiny, store)
    with pytest.raises(CatalogueError, match="column 'colour' has lost 8 of 40 values"):
        embed({**content, "colour": some(content["colour"], 8, text)}, tiny, store)
