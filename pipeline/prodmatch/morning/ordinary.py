"""Ordinary nights, simulated from a catalogue's own products, and what is an alarm after them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from prodmatch.columns.amounts import is_price
from prodmatch.morning.pair import TEXT, Pair, is_label, pair_snapshots
from prodmatch.morning.snapshot import ProductVectors, Snapshot, make_snapshot
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.storage.vectors import Rows, Vectors, join_parts, normalise

MOST_ROWS = 10_000  # of a simulated night
SALES = (0.5, 0.7, 0.75, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25)  # times a price
BUSY = 4.0  # shape of the gamma distribution of a night's busyness: 0.2 to 2.2 in 19 of 20
LARGEST_QUANTITY = 2.0**53  # numbers beyond it are identifiers: no float holds them all
Cells = list[object]
BUDGET = 0.005  # false alarms a night, of all signals together
FLOOR = 0.0005  # of the products: what is taken to be usual, where simulated nights have less
FEWEST = 3  # products, for an alarm
DRAWS = 50_000  # of a signal
STANDS_OUT = 3.0  # times what most earlier nights had: such a night is no example


@dataclass(frozen=True)
class OrdinaryRates:
    """Shares of the products to which an ordinary night does something; of each column."""

    added: float = 0.01
    removed: float = 0.01
    price: float = 0.05
    number: float = 0.2
    text: float = 0.02
    picture: float = 0.01
    label: float = 0.005
    lost: float = 0.0005


@dataclass(frozen=True)
class Counts:
    """What checks found in one night."""

    rows: int  # products of the night
    found: dict[str, int]  # suspicious ones by the name of the signal


def simulate_nights(
    snapshot: Snapshot,
    count: Callable[[Pair], Counts],
    *,
    nights: int,
    seed: int,
    most_rows: int = MOST_ROWS,
) -> list[Counts]:
    """What checks find in ordinary nights that are made of one snapshot, or of some of its rows."""
    found, snapshot = [], _some_of(snapshot, most_rows, seed)
    for night in range(nights):
        rng = np.random.default_rng([seed, night])
        found.append(count(ordinary_night(snapshot, rng, OrdinaryRates())))
    return found


def _some_of(snapshot: Snapshot, most_rows: int, seed: int) -> Snapshot:
    """A small catalogue of a large one's products, with an index of its own."""
    if len(snapshot) <= most_rows:
        return snapshot
    chosen = np.random.default_rng(seed).choice(len(snapshot), most_rows, replace=False)
    rows = np.sort(chosen)
    vectors = snapshot.vectors.take(rows)
    index = build_index(lambda: iter([vectors]), len(rows), vectors.shape[1], "flat")
    products = snapshot.products.take(pa.array(rows))
    own = ProductVectors(index, np.arange(len(rows)))
    return make_snapshot(snapshot.number, snapshot.model, products, own)


def ordinary_night(snapshot: Snapshot, rng: np.random.Generator, rates: OrdinaryRates) -> Pair:
    """Two snapshots between which an ordinary night lies, made of the products of one.

    What is added are products that the first one leaves out; what is edited, photographed again
    or labelled anew takes words, pictures and labels of products like it.
    """
    rows = np.arange(len(snapshot))
    mood = rng.gamma(BUSY, 1 / BUSY)
    fate = rng.random(len(rows))
    added, removed = rates.added * mood, rates.removed * mood
    last = snapshot.select(rows[fate >= added])
    tonight = snapshot.select(rows[fate < 1 - removed])
    stayed = np.flatnonzero(fate[fate < 1 - removed] >= added)
    return pair_snapshots(last, _change(tonight, stayed, rng, rates, mood))


def _change(
    snapshot: Snapshot,
    stayed: Rows,
    rng: np.random.Generator,
    rates: OrdinaryRates,
    mood: float,
) -> Snapshot:
    """A snapshot after a night's edits of the products that stay."""

    def draw(rate: float) -> Rows:
        return stayed[rng.random(len(stayed)) < rate * mood]

    table = snapshot.products
    columns: dict[str, Cells] = {}
    edited, photographed = draw(rates.text), draw(rates.picture)
    for name in snapshot.night.types:
        cells: Cells = table[name].to_pylist()
        if name in snapshot.night.numbers:
            rate = rates.price if is_price(name) else rates.number
            _reprice(cells, draw(rate), name, rng)
        elif name in snapshot.night.labels and is_label(snapshot.night.labels[name]):
            _relabel(cells, draw(rates.label), snapshot)
        elif pa.types.is_string(snapshot.night.types[name]):
            texts = columns.setdefault(TEXT, table[TEXT].to_pylist())
            _edit(cells, texts, edited, rng)
        for row in draw(rates.lost).tolist():
            cells[row] = None
        columns[name] = cells
    for name, cells in columns.items():
        at = table.column_names.index(name)
        kind = table.schema.field(name)
        table = table.set_column(at, kind, pa.array(cells, kind.type))
    vectors = _move(snapshot.vectors, edited, photographed, rng)
    return make_snapshot(snapshot.number, snapshot.model, table, vectors)


def _reprice(cells: Cells, rows: Rows, name: str, rng: np.random.Generator) -> None:
    for row in rows.tolist():
        value = cells[row]
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not abs(value) <= LARGEST_QUANTITY:  # an identifier, infinite, or NaN
            continue
        if is_price(name):
            changed = round(value * float(rng.choice(SALES)), 2)
        else:
            changed = value + float(rng.poisson(abs(value))) - abs(value)
        cells[row] = round(changed) if isinstance(value, int) else changed


def _relabel(cells: Cells, rows: Rows, snapshot: Snapshot) -> None:
    """Labels of the products that are most like them."""
    nearest = snapshot.vectors.nearest(snapshot.vectors.take(rows), 10)
    for row, (near, _) in zip(rows.tolist(), nearest, strict=True):
        others = [cells[other] for other in near.tolist() if cells[other] not in (None, cells[row])]
        if others and cells[row] is not None:
            cells[row] = others[0]


def _edit(cells: Cells, texts: Cells, rows: Rows, rng: np.random.Generator) -> None:
    """A word less, two in another order, or one of another product's more."""
    for row in rows.tolist():
        old = cells[row]
        words = str(old or "").split()
        if len(words) < 2:
            continue
        at = int(rng.integers(len(words)))
        way = rng.random()
        if way < 0.3:
            del words[at]
        elif way < 0.6:
            words[at - 1], words[at] = words[at], words[at - 1]
        else:
            other = str(cells[int(rng.integers(len(cells)))] or "").split() or ["new"]
            words.insert(at, other[int(rng.integers(len(other)))])
        cells[row] = " ".join(words)
        texts[row] = str(texts[row] or "").replace(str(old), str(cells[row]))


def _move(
    vectors: ProductVectors, edited: Rows, photographed: Rows, rng: np.random.Generator
) -> ProductVectors:
    """The vectors of edited texts, and of pictures between their own and one like it."""
    rows = np.union1d(edited, photographed)
    text, image = vectors.parts(rows)
    near = vectors.nearest(vectors.take(rows), 3)
    others = np.array(
        [found[-1] if len(found) else row for row, (found, _) in zip(rows, near, strict=True)],
        np.int64,
    )
    other_image = vectors.parts(others)[1] if len(rows) else image
    text = np.where(np.isin(rows, edited)[:, None], _near(text, rng), text)
    again = np.isin(rows, photographed) & other_image.any(axis=1) & image.any(axis=1)
    image = np.where(again[:, None], normalise(0.6 * image + 0.4 * other_image), image)
    return ProductVectors(vectors.ann, vectors.rows, rows, join_parts(text, image))


def _near(parts: Vectors, rng: np.random.Generator) -> Vectors:
    """Directions with a cosine of about .93 to these; zeros stay zeros."""
    noise = normalise(rng.normal(size=parts.shape))
    present = parts.any(axis=1, keepdims=True)  # (n, 1)
    return np.where(present, normalise(parts + 0.4 * noise), parts)


def usual_rates(counts: Sequence[Counts]) -> dict[str, float]:
    """The share of the products that each signal finds, over several nights."""
    rows = sum(each.rows for each in counts)
    names = {name for each in counts for name in each.found}
    return {name: sum(each.found.get(name, 0) for each in counts) / max(1, rows) for name in names}


@dataclass(frozen=True)
class Limit:
    """What is usual of a signal, and above how many products it is an alarm."""

    usual: float  # products a night
    most: int


def find_limits(
    names: Sequence[str],
    rows: int,
    simulated: Sequence[Counts],
    history: Sequence[Counts],
    seed: int = 0,
) -> dict[str, Limit]:
    """The limit of each signal.

    A night is drawn from the simulated ones or from the earlier ones, busy or quiet, and its
    products at random; the limit is what all but a share of `BUDGET / len(names)` of them stay
    below.

    Args:
        rows: products of the night.
    """
    rates = usual_rates(simulated)
    quantile = 1 - BUDGET / max(1, len(names))
    limits: dict[str, Limit] = {}
    known: dict[tuple[float, ...], int] = {}
    for name in names:
        usual = max(FLOOR, rates.get(name, 0.0))
        means = tuple(sorted({usual, *_examples(name, history, usual)}))
        if means not in known:
            rng = np.random.default_rng(seed)
            chosen = np.asarray(means)[rng.integers(len(means), size=DRAWS)] * rows
            draws = rng.poisson(rng.gamma(BUSY, chosen / BUSY))
            known[means] = max(FEWEST - 1, int(np.quantile(draws, quantile, method="higher")))
        limits[name] = Limit(round(float(np.mean(means)) * rows, 2), known[means])
    return limits


def _examples(name: str, history: Sequence[Counts], usual: float) -> list[float]:
    """The shares of earlier nights, without those that stand out."""
    shares = [each.found.get(name, 0) / max(1, each.rows) for each in history]
    most = STANDS_OUT * max(usual, float(np.median(shares)) if shares else 0.0)
    return [round(share, 7) for share in shares if usual < share <= most]


def is_alarm(count: int, limit: Limit) -> bool:
    """Whether so many products are more than an ordinary night has."""
    return count > limit.most
