"""Queries with negations and limits of a price, as an index answers them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from phrases import KNOWN, known
from small import COLOURS, KINDS, SCHEMA, products
from tiny import night, save_query_encoders

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.lexical.understanding import understand
from prodmatch.model.description import Model


@pytest.fixture(scope="module")
def index(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    """Sixty products in three colours; the prices of "red shirt number 30" and so on."""
    folder = tmp_path_factory.mktemp("understood")
    save_query_encoders(folder / "store", tiny)
    pq.write_table(pa.Table.from_pylist(products(60), SCHEMA), folder / "c.parquet")
    night(folder / "c.parquet", tiny, folder / "store")
    with open_index(folder / "store") as opened:
        yield opened


def test_a_sign_is_a_negation_though_a_product_has_the_words_without_it() -> None:
    for text in ("shirt -striped", "-striped shirt", "shirt !striped"):
        understood = understand(
            text, known(lambda words: words in (["shirt", "striped"], ["striped"]))
        )
        assert (understood.words, understood.without) == ("shirt", ("striped",))
    assert understand("-striped", known(lambda words: words == ["striped"])).is_all_negative
    assert understand("the price not striped", KNOWN).is_all_negative


def test_what_is_near_to_the_query_may_be_excluded(index: ProductIndex) -> None:
    kinds = [(colour, kind) for colour in COLOURS for kind in KINDS]
    right = 0
    for colour, kind in kinds:
        for other in {*COLOURS, *KINDS} - {colour, kind}:
            hits = index.search(f"{colour} {kind} not {other}", top=4)
            titles = [str(hit.metadata["title"]) for hit in hits]
            assert not any(other in title for title in titles)
            right += sum(title.startswith(f"{colour} {kind}") for title in titles)
    assert right >= 260  # of 360; 220 with what the query wants left in what it excludes


def test_hits_neither_contain_what_is_not_wanted_nor_pass_the_limit(index: ProductIndex) -> None:
    (answer,) = index.answer([Query("a", "shirt not red under $30")])
    assert (answer.searched_for, answer.understood) == ("shirt", "without red; price < 30")
    assert answer.hits
    for hit in answer.hits:
        assert hit.metadata["colour"] != "red"
        assert float(str(hit.metadata["price"])) < 30
    rows = answer.as_rows()
    assert rows[0]["understood"] == "without red; price < 30"
    assert "understood" not in rows[1]


@pytest.mark.parametrize("text", ["shirt -gren", "shirt -gren/", "shirt | not | nor -green"])
def test_what_is_not_wanted_may_be_mistyped(index: ProductIndex, text: str) -> None:
    (answer,) = index.answer([Query("a", text)], SearchOptions(top=60))
    assert answer.understood == "without green"
    assert all(hit.metadata["colour"] != "green" for hit in answer.hits)


def test_an_exact_search_understands_nothing(index: ProductIndex) -> None:
    (answer,) = index.answer([Query("a", "shirt not red under $30")], SearchOptions(exact=True))
    assert (answer.searched_for, answer.understood) == (None, None)
    assert answer.hits[0].metadata["colour"] == "red"


def test_a_limit_without_a_column_of_prices_is_hinted_at(tiny: Model, tmp_path: Path) -> None:
    save_query_encoders(tmp_path / "store", tiny)
    table = pa.Table.from_pylist(products(9), SCHEMA).rename_columns(
        ["product_id", "title", "description", "colour", "weight", "image"]
    )
    pq.write_table(table, tmp_path / "c.parquet")
    night(tmp_path / "c.parquet", tiny, tmp_path / "store")
    (answer,) = open_index(tmp_path / "store").answer([Query("a", "shirt under $30")])
    assert answer.understood is None
    assert answer.hints == (
        "price < 30: not applied, as there is no column of prices. Give a condition with `where`",
    )


PRICE_COLUMNS: dict[str, tuple[dict[str, list[object]], str | None, str | None]] = {
    "plain": ({"price": [1.5]}, "price < 5", None),
    "cents": ({"price_cents": [150]}, "price_cents < 500", None),
    "dollars": ({"priceUSD": [1.5]}, "priceUSD < 5", None),
    "dollars by a column": ({"price": [1.5], "currency": ["CAD"]}, "price < 5", None),
    "euros": ({"price_eur": [1.5]}, None, "price_eur is in EUR, and the query says $"),
    "pounds": ({"price": [1.5], "price_currency": ["GBP"]}, None, "price is in GBP, and the query"),
    "a sign beside": ({"price": [1.5], "price_currency": ["$"]}, "price < 5", None),
    "another sign": ({"price": [1.5], "price_currency": ["\u20ac"]}, None, "price is in EUR, and"),
    "its own column": (
        {"price": [1.5], "price_currency": ["EUR"], "tax_currency": ["USD"]},
        None,
        "price is in EUR, and the query",
    ),
    "several": (
        {"price": [1.5], "price_b": [2]},
        None,
        "there are several columns of prices, price",
    ),
    "one of them paid": ({"price": [1.5], "msrp": [9], "cost": [1]}, "price < 5", None),
    "reduced": (
        {"price": [9.0], "sale_price": [1.5]},
        "sale_price or price < 5",
        None,
    ),
    "a compound": ({"Verkaufspreis": [1.5]}, "Verkaufspreis < 5", None),
    "pounds by a sign": (
        {"Price (\u00a3)": [1.5]},
        None,
        "Price (\u00a3) is in GBP, and the query",
    ),
    "by a word": ({"price_dollars": [1.5]}, "price_dollars < 5", None),
    "a column in German": (
        {"preis": [1.5], "W\u00e4hrung": ["EUR"]},
        None,
        "preis is in EUR, and the query says $",
    ),
    "of shipping too": (
        {"price": [1.5], "currency": ["USD"], "shipping_currency": ["EUR"]},
        "price < 5",
        None,
    ),
    "one for each currency": (
        {"price_eur": [1.5], "price_usd": [1.6]},
        "price_usd < 5",
        None,
    ),
    "text": ({"price": ["$1.50"]}, None, "price is text ('$1.50')"),
    "a flag": ({"price": [1.5], "price_drop": [True]}, "price < 5", None),
}


@pytest.mark.parametrize("name", PRICE_COLUMNS)
def test_a_limit_is_of_the_column_and_its_currency(name: str, tiny: Model, tmp_path: Path) -> None:
    columns, understood, hint = PRICE_COLUMNS[name]
    save_query_encoders(tmp_path / "store", tiny)
    table = {"product_id": ["p0", "p1"], "title": ["red mug", "blue mug"]}
    pq.write_table(
        pa.table({**table, **{name: 2 * values for name, values in columns.items()}}),
        tmp_path / "c.parquet",
    )
    night(tmp_path / "c.parquet", tiny, tmp_path / "store")
    (answer,) = open_index(tmp_path / "store").answer([Query("a", "mug under $5")])
    assert answer.understood == understood
    assert [text for text in answer.hints if "not applied" in text] == list(answer.hints)
    assert (hint or "") in " ".join(answer.hints)
    assert bool(answer.hints) == bool(hint)
    assert answer.searched_for == "mug"
    assert answer.hits


SEVERAL = "price is in several currencies (currency: EUR, GBP, US$), and the query says "


@pytest.mark.parametrize(
    ("text", "understood", "hint", "found"),
    [
        ("mug under $5", "price < 5; currency IN ('US$')", None, {"p1"}),
        ("mug under 5 pounds", "price < 5; currency IN ('GBP')", None, {"p2"}),
        ("mug under 5", None, f"{SEVERAL}none", {"p0", "p1", "p2", "p3"}),
        ("mug under 500 yen", None, f"{SEVERAL}JPY", {"p0", "p1", "p2", "p3"}),
        ("mug over $1 under \u20ac5", None, f"{SEVERAL}$ and EUR", {"p0", "p1", "p2", "p3"}),
    ],
)
def test_a_limit_is_of_the_products_in_its_currency(
    text: str,
    understood: str | None,
    hint: str | None,
    found: set[str],
    tiny: Model,
    tmp_path: Path,
) -> None:
    save_query_encoders(tmp_path / "store", tiny)
    table = {
        "product_id": [f"p{number}" for number in range(4)],
        "title": [f"{colour} mug" for colour in ("red", "blue", "green", "black")],
        "price": [2.0, 3.0, 4.0, 2.5],
        "currency": ["EUR", "US$", "GBP", None],
    }
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    night(tmp_path / "c.parquet", tiny, tmp_path / "store")
    (answer,) = open_index(tmp_path / "store").answer([Query("a", text)])
    assert answer.understood == understood
    assert (hint or "") in " ".join(answer.hints)
    assert {hit.product_id for hit in answer.hits} == found


def test_limits_that_exclude_each_other_are_not_applied(index: ProductIndex) -> None:
    (answer,) = index.answer([Query("a", "shirt under $10 or over $40")])
    assert answer.understood is None
    assert answer.hints[0].startswith("price < 10 and price > 40: not applied, as no price meets")
    assert answer.hits


def test_a_number_that_no_price_is_below_is_no_limit(index: ProductIndex) -> None:
    bare, priced = index.answer([Query("a", "shirt over 99"), Query("b", "shirt over $99")])
    assert bare.understood is None
    assert bare.hints[0].startswith("price > 99: not applied, as no product has such a price")
    assert bare.hits
    assert (priced.understood, priced.hits) == ("price > 99", [])


def test_a_limit_that_is_not_understood_is_hinted_at(index: ProductIndex) -> None:
    (answer,) = index.answer([Query("a", "shirt under 5 kg")])
    assert answer.hints == (
        "'under 5 kg': searched for as words; no limit of a price was understood. "
        "Give a condition with `where`",
    )
