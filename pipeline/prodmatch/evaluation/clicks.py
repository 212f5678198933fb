"""Qrels from a log of what was shown and clicked, for where nobody has judged."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prodmatch.catalogue.records import Record, find_named, read_records
from prodmatch.errors import QueryError
from prodmatch.evaluation.trec import Qrels
from prodmatch.histories.texts import cell_text
from prodmatch.search.queries import Query

SHOWN, CLICKED, IN_CART, BOUGHT = "impression", "click", "cart", "purchase"
EVENTS = {SHOWN: SHOWN, "view": SHOWN, CLICKED: CLICKED, IN_CART: IN_CART, BOUGHT: BOUGHT}
MANY_CLICKS = 2  # that must not be fewer than its positions let expect, for grade 2
ROUNDING = 1e-9  # of a sum of shares
MANY_TIMES = 10  # that a product was shown and never clicked, for grade 0


@dataclass
class _Product:
    """What befell a product of a query."""

    events: Counter[str] = field(default_factory=Counter)
    positions: Counter[int] = field(default_factory=Counter)  # that it was shown at


def read_clicks(path: Path) -> tuple[list[Query], Qrels]:
    """Queries and qrels from a log of `query`, `product_id`, `event` and, with them, `position`.

    A product that was bought for a query has grade 3, one that was put in a cart 2; so has one
    that was clicked twice and as often as products at its positions are (clicks over expected
    clicks), as what stands first is clicked for that alone. One that was clicked has 1, and one
    that was shown ten times and never clicked 0. Others are not judged. Queries that differ in case
    and spaces are one: folded it is their id, and the first as it was typed is searched for.

    Args:
        path: Parquet, CSV or JSON lines; `event` is `impression` (or `view`), `click`, `cart` or
            `purchase`, `click` where there is none; `position` is from 1.

    Raises:
        QueryError: the log cannot be read, lacks a field, or has other events.
    """
    log: dict[str, dict[str, _Product]] = defaultdict(lambda: defaultdict(_Product))
    written: dict[str, str] = {}  # query -> how it was first written
    records = read_records(path, "`clicks`", numbers=["position"])
    _check_events(records, path)
    for number, row in enumerate(records, start=1):
        query, product_id, event, position = _read_row(row, number, path)
        plain = " ".join(query.casefold().split())
        written.setdefault(plain, query.strip())
        product = log[plain][product_id]
        product.events[event] += 1
        if event == SHOWN and position is not None:
            product.positions[position] += 1
    rates = _click_rates(log)
    qrels = {query: _grades(products, rates) for query, products in log.items()}
    qrels = {query: grades for query, grades in qrels.items() if any(grades.values())}
    if not qrels:
        raise QueryError(f"`clicks` {path}: no product was clicked for any query.")
    return [Query(query, written[query]) for query in qrels], qrels


def _check_events(records: Sequence[Record], path: Path) -> None:
    """Refuses a log whose rows would all be clicks though a column says what they are."""
    names = dict.fromkeys(name for row in records for name in row)
    other = None if "event" in names else find_named(names, "event")
    if other is not None:
        raise QueryError(
            f"`clicks` {path}: has no column 'event', without which every row is a click, and has "
            f"{other!r}. Name that 'event', with {', '.join(EVENTS)} in it, or remove it."
        )


def _read_row(
    row: Mapping[str, object], number: int, path: Path
) -> tuple[str, str, str, int | None]:
    query, product_id = cell_text(row.get("query")), cell_text(row.get("product_id"))
    event, position = row.get("event") or CLICKED, row.get("position")
    if query is None or not query.strip() or product_id is None:
        raise QueryError(
            f"`clicks` {path}: row {number} needs query and product_id; found {', '.join(row)} "
            f"with {query!r} and {product_id!r}."
        )
    kind = str(event).strip().lower()
    if kind not in EVENTS:
        raise QueryError(
            f"`clicks` {path}: row {number}: the event is {event!r}; there are {', '.join(EVENTS)}."
        )
    clicked_at = _read_position(position)
    if position is not None and clicked_at is None:
        raise QueryError(
            f"`clicks` {path}: row {number}: the position is {position!r}; positions are whole "
            "numbers from 1."
        )
    return query, product_id, EVENTS[kind], clicked_at


def _read_position(found: object) -> int | None:
    """The whole number from 1 that it is, None if it is none."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    is_whole = found >= 1 and math.isfinite(found) and found == int(found)
    return int(found) if is_whole else None


def _click_rates(log: Mapping[str, Mapping[str, _Product]]) -> dict[int, float]:
    """The share of what is shown at a position that is clicked, over all queries.

    A product's clicks count at its positions in the proportion that it was shown there.
    """
    shown: Counter[int] = Counter()
    clicked: defaultdict[int, float] = defaultdict(float)
    for products in log.values():
        for product in products.values():
            total = product.positions.total()
            for position, count in product.positions.items():
                shown[position] += count
                clicked[position] += product.events[CLICKED] * count / total
    return {position: clicked[position] / count for position, count in shown.items()}


def _grades(products: Mapping[str, _Product], rates: Mapping[int, float]) -> dict[str, int]:
    found = {product_id: _grade(product, rates) for product_id, product in products.items()}
    return {product_id: grade for product_id, grade in found.items() if grade is not None}


def _grade(product: _Product, rates: Mapping[int, float]) -> int | None:
    events = product.events
    if events[BOUGHT]:
        return 3
    expected = sum(count * rates[position] for position, count in product.positions.items())
    least = max(MANY_CLICKS, expected - ROUNDING)
    if events[IN_CART] or events[CLICKED] >= least:
        return 2
    if events[CLICKED]:
        return 1
    return 0 if events[SHOWN] >= MANY_TIMES else None
