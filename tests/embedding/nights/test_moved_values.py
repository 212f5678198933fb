"""Rows that do not go with their ids any more are refused; scaled and filled columns are named."""

import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import draw
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.embedding.nights.moved_values import (
    find_filled,
    find_moved,
    find_partly_moved,
    find_scaled,
    moved_contents,
)
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model

COUNT = 60
SETTINGS = EmbedSettings(device="cpu", workers=0)
RANDOM = random.Random(3)
SHOP: dict[str, list[object]] = {
    "product_id": [f"p{row:02}" for row in range(COUNT)],
    "title": [f"mug number {row}" for row in range(COUNT)],
    "image": [draw((row, 99, 20), row) for row in range(COUNT)],
    "brand": [RANDOM.choice(["Acme", "Globex", "Initech", "Hooli"]) for _ in range(COUNT)],
    "price": [round(10 ** RANDOM.uniform(0.5, 3), 2) for _ in range(COUNT)],
    "uvp": [f"{9 + row},{row:02} \u20ac" for row in range(COUNT)],
    "weight": [round(RANDOM.uniform(0.1, 3), 3) for _ in range(COUNT)],
    "rating": [None if row % 3 else RANDOM.choice([1.5, 3.0, 4.5]) for row in range(COUNT)],
    "is_active": [row % 5 > 0 for row in range(COUNT)],
    "since": [date(2024, 1, 1) + timedelta(days=row) for row in range(COUNT)],
    "place": [float(row + 1) for row in range(COUNT)],
}
Order = Callable[[list[object]], list[object]]
ORDERS: dict[str, Order] = {
    "one row too far": lambda values: values[-1:] + values[:-1],
    "one row too early": lambda values: values[1:] + values[:1],
    "the first is lost": lambda values: [*values[1:], values[1]],
    "backwards": lambda values: values[::-1],
    "sorted": lambda values: sorted(values, key=lambda value: (str(value)[::-1], str(value))),
    "shuffled": lambda values: random.Random(1).sample(values, len(values)),
}


@pytest.fixture
def night(tiny: Model, quick_disk: Path) -> Callable[..., list[str]]:
    """Embeds the shop, then with other columns: the warnings of that."""
    save_query_encoders(quick_disk / "store", tiny)

    def embed(columns: dict[str, list[object]]) -> list[str]:
        pq.write_table(pa.table(columns), quick_disk / "c.parquet", row_group_size=25)
        catalogue = open_catalogue(quick_disk / "c.parquet")
        return list(embed_tiny(catalogue, tiny, quick_disk / "store", SETTINGS).warnings)

    def run(**changes: Sequence[object]) -> list[str]:
        embed(SHOP)
        return embed({**SHOP, **{name: list(values) for name, values in changes.items()}})

    return run


REFUSED = {
    "title": "'title' has the values of the night before on other products",
    "image": "have the picture that another product had",
    "price": "'price' has the values of the night before on other products",
    "product_id": "on other products|id_repeated 1",
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_are_another_products_are_refused(
    name: str, order: str, night: Callable[..., list[str]], count_cases: Counting
) -> None:
    with pytest.raises(CatalogueError, match=REFUSED[name]):
        night(**{name: ORDERS[order](SHOP[name])})
    count_cases("faulty nights refused", 1)


NAMED: dict[str, tuple[dict[str, list[object]], str]] = {
    **{
        f"brand {name}": (
            {"brand": order(SHOP["brand"])},
            "'brand' has the values of the night before on other products",
        )
        for name, order in ORDERS.items()
        if name not in ("backwards", "sorted")
    },
    "all inactive": (
        {"is_active": [False] * COUNT},
        "'is_active' is False in 100% of its values; the night before, True was in 80%",
    ),
    "inverted": (
        {"is_active": [not value for value in SHOP["is_active"]]},
        "'is_active' has other values for 60 of 60",
    ),
    "one day": ({"since": [date(2020, 1, 1)] * COUNT}, "'since' is 2020-01-01 in 100%"),
    "a tax": (
        {"price": [round(float(str(price)) * 1.19, 2) for price in SHOP["price"]]},
        "'price' is 1.19 times what it was",
    ),
    "a text of twice the price": (
        {
            "uvp": [
                f"{(200 * (9 + row) + 2 * row) // 100},{2 * row % 100:02} \u20ac"
                for row in range(COUNT)
            ]
        },
        "'uvp' is 2 times what it was",
    ),
    "pounds": (
        {"weight": [round(float(str(value)) * 2.2046, 3) for value in SHOP["weight"]]},
        "'weight' is 2.2 times what it was",
    ),
    "zero for none": (
        {"rating": [value or 0.0 for value in SHOP["rating"]]},
        "'rating' is 0 for 40 of 40 products that had no value",
    ),
    "9999 for unknown": (
        {"weight": [9999.0 if row % 3 else value for row, value in enumerate(SHOP["weight"])]},
        "'weight' is 9999 for 40 of 40 products that had other values",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_changes_that_no_shop_means_are_named(
    name: str, night: Callable[..., list[str]], count_cases: Counting
) -> None:
    changes, expected = NAMED[name]
    assert [text for text in night(**changes) if expected in text] != []
    count_cases("changes that are named", 1)


HONEST: dict[str, dict[str, list[object]]] = {
    "nothing": {},
    "ranks": {"place": ORDERS["shuffled"](SHOP["place"])},
    "two prices": {"price": [1.0, 2.0, *SHOP["price"][2:]]},
    "two pictures changed places": {"image": [*SHOP["image"][1::-1], *SHOP["image"][2:]]},
    "first ratings": {"rating": [2.0 + row % 3 for row in range(COUNT)]},
    "some at one price": {
        "price": [price if row % 12 else 9.99 for row, price in enumerate(SHOP["price"])]
    },
    "a new brand": {
        "brand": [brand if row % 3 else "Umbra" for row, brand in enumerate(SHOP["brand"])]
    },
    "some inactive": {"is_active": [row % 4 > 0 for row in range(COUNT)]},
    "other prices": {
        "price": [
            round(float(str(price)) * random.Random(row).uniform(0.8, 1.2), 2)
            for row, price in enumerate(SHOP["price"])
        ]
    },
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_changes_are_neither(
    name: str, night: Callable[..., list[str]], count_cases: Counting
) -> None:
    signs = ("on other products", "times what", "other values", "had no value", "% of its")
    found = [text for text in night(**HONEST[name]) if any(sign in text for sign in signs)]
    assert found == []
    count_cases("honest nights let through", 1)


def test_contents_of_several_products_belong_to_none() -> None:
    last = pa.array([b"a", b"b", b"b", b"c", None])
    before = np.array([0, 1, 2, 3, 4])
    for new, moved in (
        ([b"b", b"b", b"b", b"c", None], [0, 0, 0, 0, 0]),
        ([b"c", b"a", b"b", b"a", b"c"], [1, 1, 0, 1, 1]),
        ([b"x", None, b"b", b"c", b"y"], [0, 0, 0, 0, 0]),
    ):
        assert moved_contents(last, before, pa.array(new)).tolist() == list(map(bool, moved))


def test_columns_of_another_type_are_not_compared() -> None:
    labels, numbers = pa.array(["1", "2", "3"] * 9), pa.array([1.0, 2.0, 3.0] * 9)
    assert find_moved({"a": labels}, {"a": numbers}, str) == []
    assert list(find_filled({"a": labels}, {"a": numbers})) == []
    assert find_scaled("run", np.full(9, 2.0), np.full(9, 3.0)) is None


@pytest.mark.parametrize(("value", "usual", "named"), [(9999.0, 0, 1), (0.0, 0, 1), (0.0, 9, 0)])
def test_a_value_that_many_had_is_an_honest_one(value: float, usual: int, named: int) -> None:
    stock = [0.0] * usual + [float(count) for count in range(1, 61)]
    sold = [value if row % 4 == 3 and was else was for row, was in enumerate(stock)]
    found = list(find_filled({"stock": pa.array(stock)}, {"stock": pa.array(sold)}))
    assert len(found) == named


def partly(name: str, before: list[object], after: list[object]) -> list[str]:
    old, new = (pa.array(values) for values in (before, after))
    return [found.text for found in find_partly_moved({name: old}, {name: new}, str)]


@pytest.mark.parametrize("name", ["price", "brand"])
def test_a_part_of_the_values_on_other_products_is_named(name: str, count_cases: Counting) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        values = {
            "price": [round(chance.uniform(5, 90), 2) for _ in range(400)],
            "brand": [chance.choice("abcdefgh") for _ in range(400)],
        }[name]
        chosen = chance.sample(range(400), 80)
        now = list(values)
        for row, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True):
            now[row] = values[other]
        now[chosen[0]] = values[chosen[0]]  # one value too many, and one that is gone
        (text,) = partly(name, [*values], [*now])
        assert text.startswith(f"column '{name}' has the values of the night before on other")
        if name == "price":
            assert partly("stock", [*values], [*now]) == []
    count_cases("nights of values moved in part", 20)


@pytest.mark.parametrize(("others", "named"), [(3, 1), (9, 0)])
def test_few_of_the_moved_values_may_be_new(others: int, named: int) -> None:
    before: list[object] = [row + 0.99 for row in range(400)]
    after = [*before[190:0:-1], before[0], *before[191:]]
    after[:others] = [900.5 + row for row in range(others)]
    assert len(partly("price", before, after)) == named


def test_prices_and_labels_that_change_by_chance_have_not_moved(count_cases: Counting) -> None:
    points = [4.99, 9.99, 14.99, 19.99, 24.99, 29.99, 39.99, 49.99]
    for seed in range(60):
        chance = random.Random(seed)
        share, count = chance.uniform(0.1, 0.6), chance.choice([200, 600])
        for name, choices in (("price", [*points]), ("brand", list("abcdefgh"))):
            before = [chance.choice(choices) for _ in range(count)]
            after = [
                chance.choice(choices) if chance.random() < share else value for value in before
            ]
            assert partly(name, [*before], [*after]) == []
        base = [chance.choice(points) for _ in range(count)]
        sales = [
            [price * 0.8 if chance.random() < 0.3 else price for price in base] for _ in range(2)
        ]
        assert partly("price", [*sales[0]], [*sales[1]]) == []
    count_cases("honest nights of prices and labels", 180)


HOURS = {
    "an hour later": (3600, "'seen' is 1 h later for 60 of 60 products: another time zone?"),
    "hours earlier": (-19800, "'seen' is 5.5 h earlier for 60 of 60 products"),
    "a week later": (7 * 86_400, None),
    "seconds later": (17, None),
}


@pytest.mark.parametrize("name", HOURS)
def test_times_of_another_zone_are_named(
    night: Callable[..., list[str]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, expected = HOURS[name]
    first = datetime(2026, 3, 1, 9)
    times = [first + timedelta(minutes=7 * row) for row in range(COUNT)]
    monkeypatch.setitem(SHOP, "seen", [*times])
    found = night(seen=[time + timedelta(seconds=seconds) for time in times])
    named = [text for text in found if "another time zone?" in text]
    assert len(named) == (expected is not None)
    assert not expected or expected in named[0]
    some = [time + timedelta(seconds=seconds * (row % 3 > 0)) for row, time in enumerate(times)]
    assert not [text for text in night(seen=some) if "another time zone?" in text]
