"""What the card of a product shows of its columns: title, price, brand and link before the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from prodmatch.products.prices import PriceColumn
from prodmatch.search.answers.hits import Hit

BRANDS = frozenset("brand manufacturer vendor maker marke marque marca hersteller".split())  # noqa: SIM905
LONGEST_LINK = 2000  # characters


@dataclass(frozen=True)
class CardColumns:
    """The columns of a catalogue that a card knows."""

    price: PriceColumn | None = None
    link: str | None = None  # of addresses


@dataclass(frozen=True)
class Card:
    """A product as a page shows it."""

    title: str
    price: str | None
    brand: object
    link: str | None  # an address of http or https
    rest: Mapping[str, object]  # the other columns that have a value


def make_card(hit: Hit, columns: CardColumns) -> Card:
    """What to show of a hit."""
    values = {name: value for name, value in hit.metadata.items() if value is not None}
    title = values.pop("title", None) or hit.product_id
    price = None
    if columns.price is not None:
        names = (columns.price.reduced, columns.price.name)
        paid = next((name for name in names if values.get(name)), columns.price.name)
        price = _price(values.get(paid), columns.price)
        values = values if price is None else _without(values, paid)
    brand_name = next((name for name in values if name.lower() in BRANDS), None)
    brand = values.pop(brand_name) if brand_name is not None else None
    link = _address(values[columns.link]) if columns.link in values else None
    if link is not None:
        values = _without(values, columns.link)
    return Card(str(title), price, brand, link, values)


def _without(values: Mapping[str, object], name: str | None) -> dict[str, object]:
    return {each: value for each, value in values.items() if each != name}


def _price(value: object, column: PriceColumn) -> str | None:
    """A price in its currency's units: 1299 cents as 12.99."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    whole = isinstance(value, int) and column.units == 1
    text = f"{value:,}" if whole else f"{value / column.units:,.2f}"
    return f"{text} {column.currency}".strip()


def _address(value: object) -> str | None:
    """An address of http or https; None for all else, which a click could run."""
    text = str(value).strip()
    if len(text) > LONGEST_LINK or re.search(r"[\s\x00-\x1f\x7f-\x9f]", text):
        return None
    try:
        found = urlsplit(text)
    except ValueError:  # such as half an IPv6 address
        return None
    return text if found.scheme in ("http", "https") and found.netloc else None
