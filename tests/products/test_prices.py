"""Which column of prices says what customers pay."""

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
        (["price", "sale_price"], "coalesce(sale_price, price)"),
        (["Sale price", "Regular price"], 'coalesce("Sale price", "Regular price")'),
        (["price", "regular_price", "special_price"], "coalesce(special_price, price)"),
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
