"""Titles, codes, dates and copies that no shop means are refused; what shops do passes."""

import random
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import draw
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model

COUNT = 60
SETTINGS = EmbedSettings(device="cpu", workers=0)
RANDOM = random.Random(4)
MANY = random.Random(5).sample(range(COUNT), 9)  # 15 in a hundred
FEW = MANY[:3]
Table = dict[str, list[object]]
NO_SIGN = re.compile(r"[^\w\s]")
KINDS = ("shirt", "mug", "chair", "lamp", "boot")
DAYS = [date(2023, 1, 1) + timedelta(days=RANDOM.randrange(700)) for _ in range(COUNT)]
SHOP: Table = {
    "product_id": [f"P{row:03}" for row in range(COUNT)],
    "title": [f"Gr\u00fcn {KINDS[row % 5]} of {row} hours" for row in range(COUNT)],
    "description": ["A th\u00e4ng to try."] * COUNT,
    "stock": [RANDOM.randrange(1, 900) for _ in range(COUNT)],
    "image": [draw((row * 4, 99, 20), row) for row in range(COUNT)],
    "brand": [RANDOM.choice(["Acme", "Globex", "Initech"]) for _ in range(COUNT)],
    "category": [KINDS[row % 5] for row in range(COUNT)],
    "price": [round(RANDOM.uniform(5, 90), 2) + 0.001 for _ in range(COUNT)],
    "list_price": [f"{RANDOM.uniform(5, 90):.1f}9" for _ in range(COUNT)],
    "gtin": [f"4006381{RANDOM.randrange(10**6):06d}" for _ in range(COUNT)],
    "upc": [f"0{RANDOM.randrange(10**11):011d}" for _ in range(COUNT)],
    "ean": [4006381000000 + row for row in range(COUNT)],
    "mpn": [f"AB-{RANDOM.randrange(10**5):05d}/X" for _ in range(COUNT)],
    "since": [*DAYS],
    "until": [day.strftime("%d/%m/%Y") for day in DAYS],
    "updated": [datetime(2024, 1, 1) + timedelta(hours=row * 31) for row in range(COUNT)],
    "sold": [datetime(2024, 1, 1) + timedelta(days=row) for row in range(COUNT)],
    "place": [str(row + 1) for row in RANDOM.sample(range(COUNT), COUNT)],
    "url": [f"https://shop.example/p/{row}-{KINDS[row % 5]}" for row in range(COUNT)],
    "size": [f"{row}.5 x {row % 7}.25 cm, 1,{row:03} pieces" for row in range(COUNT)],
    "width": [f"0.{row + 125} m" for row in range(COUNT)],
}


def put(name: str, value: Callable[[str], object], rows: list[int] | None = None) -> Table:
    """The shop with other values of a column of texts."""
    chosen = range(COUNT) if rows is None else rows
    return {
        **SHOP,
        name: [value(str(old)) if row in chosen else old for row, old in enumerate(SHOP[name])],
    }


def move(name: str, rows: list[int]) -> Table:
    """The shop with the values of some rows each on the next one."""
    values = list(SHOP[name])
    for row, source in zip(rows, [*rows[1:], rows[0]], strict=True):
        values[row] = SHOP[name][source]
    return {**SHOP, name: values}


def again(count: int, **changes: list[object]) -> Table:
    """The shop with its first products once more, under other ids."""
    ids = [f"{name}-copy" for name in SHOP["product_id"][:count]]
    more: Table = {name: list(values[:count]) for name, values in SHOP.items()}
    more.update({"product_id": list(ids), **{name: each[:count] for name, each in changes.items()}})
    return {name: [*values, *more[name]] for name, values in SHOP.items()}


def exchange(day: date) -> date:
    return day.replace(month=day.day, day=day.month) if day.day <= 12 else day


def misread(text: str) -> str:
    return text.encode().decode("cp1252")


REFUSED: dict[str, tuple[Table, str]] = {
    "titles on others": (move("title", MANY), "'title' has the text that another .* for 9"),
    "GTINs on others": (move("gtin", MANY), "'gtin' has the text that another product had for 9"),
    "addresses on others": (move("url", MANY), "'url' has the text that another"),
    "titles cut": (put("title", lambda t: t[:15]), "'title' ends after 15 characters for"),
    "addresses cut": (put("url", lambda t: t[:25]), "'url' ends after 25 characters for 60 of 60"),
    "codes cut": (put("gtin", lambda t: t[:10]), "'gtin' ends after 10"),
    "one title": (put("title", lambda t: "Untitled", MANY), "one text for 9 .*a placeholder"),
    "one code": (put("gtin", lambda t: "Does not apply", MANY), "'gtin' has one text for 9"),
    "few titles": (put("title", lambda t: t.split()[1]), "'title' has (5 different|one text)"),
    "ids as titles": (
        {**SHOP, "title": SHOP["product_id"]}, "the texts of 'product_id' for 60 of 60 products",
    ),
    "codes as titles": ({**SHOP, "title": SHOP["gtin"]}, "'title' has the texts of 'gtin'"),
    "addresses as titles": ({**SHOP, "title": SHOP["url"]}, "'title' has the texts of 'url'"),
    "categories as brands": (
        {**SHOP, "brand": SHOP["category"]}, "'brand' has the texts of 'category' for 60",
    ),
    "bytes": (put("title", lambda t: f"{t.encode()!r}"), "'title' has 60 of 60 texts as a program"),
    "JSON": (put("title", lambda t: f'{{"en": "{t}"}}', MANY), "'title' has 9 of 60 .*a program"),
    "misread": (put("title", misread, MANY), "'title' has 9 of 60 .* a wrong encoding"),
    "lost letters": (put("title", lambda t: t.replace("\u00fc", "\ufffd")), "a wrong encoding"),
    "letters that are not ASCII lost": (
        put("title", lambda t: t.replace("\u00fc", "")), "'title' has lost letters that are not",
    ),
    "letters as question marks": (
        put("title", lambda t: t.replace("\u00fc", "?"), MANY), "'title' has 9 .* in a wrong",
    ),
    "letters as escapes": (
        put("title", lambda t: t.replace("\u00fc", "\\xfc"), MANY), "'title' has 9 .* a wrong",
    ),
    "codes rounded": (put("gtin", lambda t: f"{t[:-3]}000", MANY), "'gtin' has 9 .* in zeros"),
    "no letters": (put("title", lambda t: "??? " + t[-8:-6], MANY), "9 of 60 .*without a letter"),
    "one word": (put("title", lambda t: t[4:].replace(" ", "")), "60 of 60 texts of one word"),
    "codes with .0": (put("gtin", lambda t: f"{t}.0"), "'gtin' has 60 of 60 texts with a fraction"),
    "codes as powers": (put("gtin", lambda t: f"{int(t):.5E}"), "in scientific notation"),
    "codes in quotes": (put("mpn", lambda t: f"'{t}"), "'mpn' has 60 of 60 .*a spreadsheet's"),
    "codes as formulas": (put("gtin", lambda t: f'="{t}"'), "'gtin' has 60 of 60 .*spreadsheet's"),
    "zeros lost": (put("upc", lambda t: t.lstrip("0")), "'upc' has lost the zeros in front of"),
    "codes as doubles": (
        {**SHOP, "ean": [float(str(code)) for code in SHOP["ean"]]}, "'ean' is of type double",
    ),
    "day and month": (
        {**SHOP, "since": list(map(exchange, DAYS))}, "'since' has day and month exchanged for",
    ),
    "day and month as text": (
        put("until", lambda t: f"{t[3:5]}/{t[:2]}/{t[6:]}"), "'until' has day and month exchanged",
    ),
    "1970": ({**SHOP, "since": [date(1970, 1, 1)] * COUNT}, "'since' has years that no product"),
    "years of two digits": (put("until", lambda t: f"{t[:6]}0023"), "'until' has years that"),
    "everything twice": (again(COUNT), "60 new products are others under another id .'P000-copy'"),
    "a quarter twice": (again(15), "15 new products .*`max_removed=0.2` allows: .*[?] The emb"),
    "prices cut": (
        {**SHOP, "price": [int(float(str(price))) for price in SHOP["price"]]},
        "'price' has lost the fractions of 60 of 60 prices",
    ),
    "prices of text cut": (
        put("list_price", lambda t: t.partition(".")[0]), "'list_price' has lost the fractions",
    ),
}  # fmt: skip


@pytest.fixture
def night(tiny: Model, quick_disk: Path) -> Callable[[Table], list[str]]:
    """Embeds the shop, then another night: the warnings of that."""
    save_query_encoders(quick_disk / "store", tiny)

    def embed(columns: Table) -> list[str]:
        pq.write_table(pa.table(columns), quick_disk / "c.parquet", row_group_size=25)
        catalogue = open_catalogue(quick_disk / "c.parquet")
        return list(embed_tiny(catalogue, tiny, quick_disk / "store", SETTINGS).warnings)

    embed(SHOP)
    return embed


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_shop_means_is_refused(
    name: str, night: Callable[[Table], list[str]], count_cases: Counting
) -> None:
    columns, message = REFUSED[name]
    with pytest.raises(CatalogueError, match=message) as raised:
        night(columns)
    assert (
        "'P0" in str(raised.value) or name in ("codes as doubles", "few titles") or "prices" in name
    )
    count_cases("faulty nights refused", 1)


HONEST: dict[str, Table] = {
    "few titles moved": move("title", FEW),
    "places": {**SHOP, "place": random.Random(1).sample(SHOP["place"], COUNT)},
    "longer titles": put("title", lambda t: f"{t} \u2013 new"),
    "capitals": put("title", str.upper),
    "titles without a word": put("title", lambda t: t.replace("Gr\u00fcn ", "")),
    "shorter titles": put("title", lambda t: t.replace(" hours", "h")),
    "numbers without dashes": put("mpn", lambda t: t.replace("-", "").replace("/", "")),
    "GTINs of 14": put("gtin", lambda t: f"0{t}"),
    "other addresses": put("url", lambda t: t.replace("shop.", "www.shop.")),
    "variants": again(COUNT, gtin=[f"5{row:012}" for row in range(COUNT)]),
    "variants of another brand": again(COUNT, brand=["Hooli"] * COUNT),
    "dates a month later": {**SHOP, "since": [day + timedelta(days=31) for day in DAYS]},
    "updated tonight": {**SHOP, "updated": [datetime(2025, 3, 4)] * COUNT},
    "prices rounded": {**SHOP, "price": [float(round(float(str(p)))) for p in SHOP["price"]]},
    "prices of nines": {**SHOP, "price": [int(float(str(p))) + 0.99 for p in SHOP["price"]]},
    "descriptions": put("description", lambda t: f"{t} Wash it."),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_what_shops_do_passes(
    name: str, night: Callable[[Table], list[str]], count_cases: Counting
) -> None:
    night(HONEST[name])
    count_cases("honest nights let through", 1)


WARNED: dict[str, tuple[Table, str]] = {
    "dates in another order": (
        put("until", lambda t: f"{t[6:]}-{t[3:5]}-{t[:2]}"),
        "'until' has its dates in another order",
    ),
    "a day early": (
        {**SHOP, "since": [day - timedelta(days=1) for day in DAYS]}, "'since' is 1 day earlier"
    ),
    "some twice": (again(6), "6 new products are others under another id"),
    "fractions cut": (put("size", lambda t: t.replace(".5", "").replace(".25", "")),
                      "'size' has lost the fractions of numbers for 60 of 60"),
    "fractions of some cut": (put("width", lambda t: t.partition(".")[0] + " m", MANY),
                              "'width' has lost the fractions of numbers for 9 of 60"),
    "letters of a text lost": (
        {**SHOP, "description": [text.replace("\u00e4", "") for text in SHOP["description"]]},
        "'description' has lost letters that are not ASCII for 60 of 60",
    ),
    "times of day lost": (
        {**SHOP, "updated": [time.replace(hour=0) for time in SHOP["updated"]]},
        "'updated' has days only, and had times of day",
    ),
    "signs turned": ({**SHOP, "stock": [-each for each in SHOP["stock"]]},
                     "'stock' is the negative of what it was for 60 of 60"),
    **{
        f"{name}, {how}": (put(name, change, rows), f"'{name}' has lost marks between digits for")
        for name, rows in (("size", None), ("size", MANY), ("width", None))
        for how, change in {
            "points lost": lambda t: t.replace(".", ""),
            "points as spaces": lambda t: t.replace(".", " "),
            "signs lost": lambda t: NO_SIGN.sub("", t.upper()),
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_what_may_be_a_fault_is_a_warning(
    name: str, night: Callable[[Table], list[str]], count_cases: Counting
) -> None:
    columns, message = WARNED[name]
    assert [text for text in night(columns) if message in text] != []
    count_cases("changes that are named", 1)


UNNAMED: dict[str, Table] = {
    "a part a day early": {
        **SHOP, "since": [day - timedelta(days=row % 5 > 0) for row, day in enumerate(DAYS)],
    },
    "a day later": {**SHOP, "since": [day + timedelta(days=1) for day in DAYS]},
    "decimal commas": put("size", lambda t: t.translate({46: ",", 44: "."})),
    "no thousands": put("size", lambda t: t.replace("1,", "1")),
    "thousands apart": put("size", lambda t: t.replace("1,", "1 ")),
    "other numbers": put("size", lambda t: f"1{t}".replace(".5", "")),
    "few points lost": put("size", lambda t: t.replace(".", ""), FEW),
    "marks with spaces": put("size", lambda t: t.replace(".", " . ")),
    "days a month later": {**SHOP, "sold": [day + timedelta(days=31) for day in SHOP["sold"]]},
    "other words": put("size", lambda t: t.replace(" x ", " by ")),
    "whole sizes": put("size", lambda t: t.replace(".5", ".0")),
    "letters without accents": put("title", lambda t: t.replace("\u00fc", "u")),
    "a question": put("title", lambda t: f"{t}? Yes"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNNAMED)
def test_what_shops_do_with_dates_and_numbers_is_not_named(
    name: str, night: Callable[[Table], list[str]], count_cases: Counting
) -> None:
    assert not [
        text for text in night(UNNAMED[name]) if re.search("time zone|lost|times of day", text)
    ]
    count_cases("honest nights let through", 1)
