"""Which column of prices says what customers pay."""

import contextlib
import sqlite3

import pytest

from prodmatch.columns.amounts import is_price
from prodmatch.products.prices import PriceColumn, choose_price


@pytest.mark.parametrize(
    ("names", "paid"),
    [
        (["price"], "price"),
        (["cost"], "cost"),
        (["price", "msrp"], "price"),
        (["price", "cost", "compare_at_price"], "price"),
        (["List Price", "Price"], "Price"),
        (["Verkaufspreis", "Einkaufspreis"], "Verkaufspreis"),
        (["price_net", "price_gross"], "price_gross"),
        (["price", "sale_price"], "coalesce(nullif(sale_price, 0), price)"),
        (["Sale price", "Regular price"], 'coalesce(nullif("Sale price", 0), "Regular price")'),
        (["price", "regular_price", "special_price"], "coalesce(nullif(special_price, 0), price)"),
        (["price_eur", "price_usd"], None),
        (["price", "sale_price", "promo_price"], None),
        (["msrp", "cost"], "msrp"),
        (["cost", "sale_price"], None),
        (["price_cents", "sale_price"], None),
        ([], None),
    ],
)
def test_what_is_paid_is_chosen_by_the_names(names: list[str], paid: str | None) -> None:
    units = {"price_cents": 100}
    columns = [PriceColumn(name, units=units.get(name, 1)) for name in names]
    chosen = choose_price([*columns, PriceColumn("old_price", sample="$5")])
    assert (chosen and chosen.paid) == paid


@pytest.mark.parametrize(
    ("currencies", "wanted", "paid"),
    [
        ({"price_eur": "EUR", "price_usd": "USD"}, "USD", "price_usd"),
        ({"price_eur": "EUR", "price_usd": "USD"}, "$", "price_usd"),
        ({"price_eur": "EUR", "price_usd": "USD"}, "GBP", None),
        ({"price_eur": "EUR", "price_usd": "USD"}, "", None),
        ({"price_cad": "CAD", "price_usd": "USD"}, "$", None),
        ({"price": "", "price_usd": "USD"}, "USD", "price_usd"),
        ({"price": "", "price_usd": "USD"}, "EUR", None),
        (
            {"price_eur": "EUR", "sale_price_eur": "EUR", "price_usd": "USD"},
            "EUR",
            "coalesce(nullif(sale_price_eur, 0), price_eur)",
        ),
        ({"price_usd": "USD", "sale_price_eur": "EUR"}, "", None),
        ({"price_usd": "USD", "sale_price_eur": "EUR"}, "USD", "price_usd"),
        (
            {"price_usd": "USD", "sale_price": ""},
            "USD",
            "coalesce(nullif(sale_price, 0), price_usd)",
        ),
    ],
)
def test_what_is_paid_is_chosen_by_the_currency(
    currencies: dict[str, str], wanted: str, paid: str | None
) -> None:
    columns = [PriceColumn(name, currency=currency) for name, currency in currencies.items()]
    chosen = choose_price(columns, wanted)
    assert (chosen and chosen.paid) == paid


@pytest.mark.parametrize(
    "name",
    [
        "Verkaufspreis",
        "verkoopprijs",
        "Försäljningspris",
        "販売価格_税込",
        "价格",
        "Цена",
        "السعر",
    ],
)
def test_prices_are_known_in_other_languages(name: str) -> None:
    assert is_price(name)


@pytest.mark.parametrize("name", ["enterprise", "Gewicht", "priced", "商品名", "cenario"])
def test_other_names_are_no_prices(name: str) -> None:
    assert not is_price(name)


@pytest.mark.parametrize(("price", "sale", "paid"), [(9, 5, 5), (9, None, 9), (9, 0, 9), (0, 0, 0)])
def test_a_reduced_price_of_zero_is_none(price: float, sale: float | None, paid: float) -> None:
    chosen = choose_price([PriceColumn("price"), PriceColumn("sale_price")])
    assert chosen is not None
    query = f"SELECT {chosen.paid} FROM (SELECT ? AS price, ? AS sale_price)"
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(query, (price, sale)).fetchone() == (paid,)
