"""The page on which a person decides whether pairs of listings are one product."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.lexical.folding import fold
from prodmatch.matching.match_files import PAIRS, MatchReport
from prodmatch.reports.rendering import make_pictures, read_script, render

MOST_PAIRS = 60  # of a section
SECTIONS = {
    "doubt": "Near the threshold",
    "same": "Called the same",
    "variant": "Called variants",
}
LEFT, RIGHT = "left", "right"


@dataclass(frozen=True)
class ShownPair:
    """A pair as the page shows it."""

    left: str
    right: str
    relation: str
    probability: float
    differences: str | None


@dataclass(frozen=True)
class Side:
    """What is known of the listings of a side, by id."""

    pictures: Mapping[str, bytes]
    columns: Mapping[str, Mapping[str, object]]


def choose_pairs(report: MatchReport) -> dict[str, list[ShownPair]]:
    """The pairs of each section: those nearest to the threshold, and samples of the others.

    Labels of pairs in doubt teach most; the samples say whether the precision is held.
    """
    table = pq.read_table(Path(report.out) / PAIRS)
    probability = table["probability"].to_numpy()
    nearest = np.argsort(np.abs(probability - report.threshold), kind="stable")[:MOST_PAIRS]
    chosen = {"doubt": nearest}
    rest = np.setdiff1d(np.arange(len(table)), nearest)
    for relation in ("same", "variant"):
        found = rest[pc.equal(table["relation"], relation).to_numpy()[rest]]
        steps = np.linspace(0, len(found), min(MOST_PAIRS, len(found)), endpoint=False)
        chosen[relation] = found[steps.astype(np.int64)]
    return {name: _read(table, positions) for name, positions in chosen.items()}


def matches_page(
    report: MatchReport, chosen: Mapping[str, Sequence[ShownPair]], left: Side, right: Side
) -> str:
    """The page.

    Args:
        left: what is known of their left listings.
        right: of their right ones; inside one store the same.
    """
    pairs = [pair for each in chosen.values() for pair in each]
    sides = {LEFT: left, RIGHT: right}
    pictures = {f"{name}/{key}": picture for name, key, picture in _pictures(sides)}
    positions = [f"{name}/{getattr(pair, name)}" for pair in pairs for name in sides]
    return render(
        "matches.html",
        report=report,
        chosen=chosen,
        sections=SECTIONS,
        pictures=make_pictures(pictures, positions),
        sides=sides,
        marked=_marked,
        script=read_script("decide.js", "matches.js"),
    )


def _read(table: pa.Table, positions: npt.NDArray[np.int64]) -> list[ShownPair]:
    names = list(ShownPair.__dataclass_fields__)
    return [ShownPair(**row) for row in table.select(names).take(positions).to_pylist()]


def _pictures(sides: Mapping[str, Side]) -> Iterable[tuple[str, str, bytes]]:
    for name, side in sides.items():
        for key, picture in side.pictures.items():
            yield name, key, picture


def _marked(own: Side, product_id: str, other: Side, other_id: str) -> list[tuple[str, bool]]:
    """The words of a title, and whether the other title lacks each."""
    titles = [
        str(side.columns.get(key, {}).get("title") or key)
        for side, key in ((own, product_id), (other, other_id))
    ]
    there = {_plain(word) for word in titles[1].split()}
    return [(word, _plain(word) not in {*there, ""}) for word in titles[0].split()]


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, fold(word)))
