"""Numbers that are of another size overnight are told from prices that changed."""

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.embedding.nights.findings import Finding
from prodmatch.embedding.nights.value_changes import compare_numbers
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model

COUNT = 60
Change = Callable[[float, random.Random], float]


def compare(change: Change, seed: int, name: str = "price", share: float = 1) -> Finding | None:
    """The finding where this share of random prices is changed."""
    rng = random.Random(seed)
    before = [round(10 ** rng.uniform(0, 3), 2) for _ in range(COUNT)]
    chosen = set(rng.sample(range(COUNT), round(share * COUNT)))
    after = [change(old, rng) if row in chosen else old for row, old in enumerate(before)]
    return compare_numbers(name, np.array(before), np.array(after), lambda row: f"p{row}")


def times(factor: float, low: float = 1, high: float = 1) -> Change:
    """Prices times so much, and each times something between two numbers."""
    return lambda price, rng: round(price * factor * rng.uniform(low, high), 4)


FAULTS: dict[str, tuple[Change, str]] = {
    "cents": (times(100), "100 times what it was (cents for whole units?)"),
    "whole units": (times(0.01), "1/100 of what it was (whole units for cents?)"),
    "thousands": (times(1000), "1e+03 times what it was (a decimal point read"),
    "a thousandth": (lambda price, rng: price / 1000, "1/1e+03 of what it was (a point of"),
    "ten times": (times(10), "10 times what it was (a decimal point lost or moved?)"),
    "yen": (times(160), "160 times what it was (another currency, another unit?)"),
    "five times": (times(5), "5 times what it was (another currency, another unit?)"),
    "cents and a sale": (times(100, 0.3, 0.9), "times what it was ("),
    "cents and a rise": (times(100, 1, 1.2), "times what it was ("),
    "zero": (lambda price, rng: 0.0, "0 (is that unknown?)"),
    "negative": (lambda price, rng: -price, "negative"),
    "kroner": (times(11.4, 0.98, 1.02), "times what it was (another currency"),
}
HONEST: dict[str, Change] = {
    "nothing": times(1),
    "a tenth off": times(0.9),
    "seven tenths off": times(0.3),
    "a sale": times(1, 0.3, 0.9),
    "a rise": times(1, 1, 1.5),
    "dollars": times(1.1),
    "zloty": times(4.3, 0.95, 1.05),
    "from zloty": times(1 / 4.3),
    "whole prices": lambda price, rng: float(round(price)),
    "prices of nines": lambda price, rng: int(price) + 0.99,
    "unknown": lambda price, rng: float("nan"),
    "shuffled": lambda price, rng: round(10 ** rng.uniform(0, 3), 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_another_size_is_refused(name: str, count_cases: Counting) -> None:
    change, message = FAULTS[name]
    for seed, share in enumerate((1.0, 0.9, 0.75, 0.6, 0.55)):
        found = compare(change, seed, share=share)
        assert found is not None
        assert found.refused
        assert message in found.text
        assert f"for {round(share * COUNT)} of {COUNT} products ('p" in found.text
        assert found.text.count("->") == 5
        count_cases("prices of another size", 1)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_change_passes(name: str, count_cases: Counting) -> None:
    for seed, share in enumerate((1.0, 0.9, 0.75, 0.6, 0.3)):
        found = compare(HONEST[name], seed, share=share)
        assert found is None or (name == "shuffled" and not found.refused)
        count_cases("honest changes of prices", 1)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5])
def test_a_part_of_another_size_is_a_warning(share: float) -> None:
    found = compare(times(100), 1, share=share)
    assert found is not None
    assert not found.refused
    assert compare(times(100), 1, share=0.05) is None


@pytest.mark.parametrize(("factor", "refused"), [(1000, True), (2.2, False), (453.6, True)])
def test_other_columns_are_refused_where_all_are_of_one_ratio(factor: float, refused: bool) -> None:
    found = compare(times(factor), 1, name="weight")
    assert bool(found and found.refused) == refused
    restocked = compare(lambda price, rng: price * 10 ** rng.uniform(0, 3), 1, name="stock")
    assert restocked is None or not restocked.refused
    assert compare_numbers("run", np.full(9, 1.0), np.full(9, 50.0), str) is None


KINDS: dict[str, tuple[Callable[[float], object], pa.DataType]] = {
    "double": (float, pa.float64()),
    "float": (float, pa.float32()),
    "decimal": (lambda price: Decimal(f"{price:.2f}"), pa.decimal128(12, 2)),
    "integer": (round, pa.int64()),
    "small integer": (round, pa.int32()),
}


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_every_type_of_numbers_is_compared(
    before: str, after: str, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    store, settings = quick_disk / "store", EmbedSettings(device="cpu", workers=0)
    save_query_encoders(store, tiny)

    def embed(kind: str, factor: float, settings: EmbedSettings) -> list[str]:
        value, column = KINDS[kind]
        prices = [value(factor * (10 + row)) for row in range(9)]
        table = {"product_id": [f"p{row}" for row in range(9)], "title": ["red mug"] * 9}
        path = store.parent / "c.parquet"
        pq.write_table(pa.table({**table, "price": pa.array(prices, column)}), path)
        return embed_tiny(open_catalogue(path), tiny, store, settings).warnings

    embed(before, 1, settings)
    embed(after, 0.5, settings)
    for _ in range(2):
        with pytest.raises(CatalogueError, match=r"'price' is 100 times .* 9 of 9 .*'p0' 5 -> 500"):
            embed(before, 50, settings)
    accepting = EmbedSettings(device="cpu", workers=0, accept_changes=True)
    assert any(text.startswith("accepted: column 'price'") for text in embed(after, 50, accepting))
    embed(before, 50, settings)
    count_cases("prices of another size", 1)


def comma(price: float) -> str:
    return f"{price:,.2f}".translate(str.maketrans(",.", ".,"))


WRITTEN: dict[str, Callable[[float], str]] = {
    "plain": lambda price: f"{price:.2f}",
    "dollars": lambda price: f"${price:,.2f}",
    "euros": lambda price: f"{comma(price)} \u20ac",
    "francs": lambda price: f"CHF {price:,.2f}".replace(",", "'"),
    "a code": lambda price: f"{price:.2f} USD",
}
TEXT_FAULTS: dict[str, Callable[[float, int], str]] = {
    "a lost point": lambda price, row: f"{price:.2f}".replace(".", ""),
    "cents": lambda price, row: f"{100 * price:.2f}",
    "cents in euros": lambda price, row: f"{comma(100 * price)} \u20ac",
    "thousands": lambda price, row: f"{1000 * price:.2f}",
    "a hundredth": lambda price, row: f"{price / 100:.4f}",
    "zero": lambda price, row: "0.00",
    "no numbers": lambda price, row: "see our shop",
    "no values": lambda price, row: "N/A",
    "a fifth without": lambda price, row: f"{price:.2f}" if row % 5 else "-",
    "another column": lambda price, row: f"red mug {row}",
}
TEXT_HONEST: dict[str, Callable[[float, int], str]] = {
    **{name: lambda price, row, write=write: write(price) for name, write in WRITTEN.items()},
    "a sale": lambda price, row: f"{0.7 * price:.2f}",
    "a rise": lambda price, row: f"{1.4 * price:,.2f} EUR",
    "whole prices": lambda price, row: f"{round(price)}",
    "whole prices in euros": lambda price, row: f"{comma(round(price))[:-3]} \u20ac",
    "some sold out": lambda price, row: f"{price:.2f}" if row % 20 else "sold out",
    "some without": lambda price, row: f"{price:.2f}" if row % 20 else "",
}


def embed_texts(texts: list[str], store: Path, tiny: Model, name: str = "price") -> list[str]:
    table = {"product_id": [f"p{row:02}" for row in range(len(texts))]}
    path = store.parent / "c.parquet"
    pq.write_table(pa.table({**table, "title": ["red mug"] * len(texts), name: texts}), path)
    settings = EmbedSettings(device="cpu", workers=0)
    return embed_tiny(open_catalogue(path), tiny, store, settings).warnings


@pytest.mark.parametrize("written", WRITTEN)
def test_prices_kept_as_text_are_compared(
    written: str, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    store, rng = quick_disk / "store", random.Random(5)
    save_query_encoders(store, tiny)
    prices = [round(10 ** rng.uniform(0.5, 3.5), 2) for _ in range(40)]
    first = [WRITTEN[written](price) for price in prices]
    embed_texts(first, store, tiny)
    for name, write in TEXT_FAULTS.items():
        with pytest.raises(CatalogueError, match=r"column 'price' (is|has) .* \('?p00"):
            embed_texts([write(price, row) for row, price in enumerate(prices)], store, tiny)
        count_cases(f"prices kept as text: faults ({name})", 1)
    for name, write in TEXT_HONEST.items():
        embed_texts([write(price, row) for row, price in enumerate(prices)], store, tiny)
        embed_texts(first, store, tiny)
        count_cases(f"prices kept as text: honest changes ({name})", 2)


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ("1.{:03} \u20ac", "1{:03} \u20ac", False),  # thousands, which 1.000 may be
        ("1.{:03}", "1.{:03},00", False),
        ("1.{:03}", "1,{:03}.00", False),
        ("1.{:03},50", "1.{:03}", False),
        ("1.{:03},50", "1.{:03}.50", True),  # no number
        ("{}.99", "{}99", True),
        ("{},99", "{}.99", False),
        ("{}", "{}00", True),
        ("{} apples", "{}00 apples", False),  # were none
    ],
)
def test_a_point_may_be_of_thousands(
    before: str, after: str, refused: bool, tiny: Model, quick_disk: Path
) -> None:
    store = quick_disk / "store"
    save_query_encoders(store, tiny)
    embed_texts([before.format(100 + row) for row in range(20)], store, tiny)
    texts = [after.format(100 + row) for row in range(20)]
    if refused:
        with pytest.raises(CatalogueError, match="column 'price'"):
            embed_texts(texts, store, tiny)
    else:
        assert not [text for text in embed_texts(texts, store, tiny) if "'price'" in text]


def test_texts_that_are_no_prices_are_not_refused(tiny: Model, quick_disk: Path) -> None:
    store = quick_disk / "store"
    save_query_encoders(store, tiny)
    embed_texts([f"{row}.99" for row in range(20)], store, tiny, "model")
    warnings = embed_texts([f"{row}99" for row in range(20)], store, tiny, "model")
    (warning,) = [text for text in warnings if "'model'" in text]
    assert "has lost marks between digits for 20 of 20 products" in warning
