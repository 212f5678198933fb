"""By how much vectors moved overnight, category by category, against all others."""

import math
from dataclasses import dataclass

import numpy as np

from prodmatch.morning.pair import SAME, Pair
from prodmatch.morning.report import ShiftedCategory
from prodmatch.storage.vectors import Rows

FEWEST = 10  # products of a category
MOST_SHOWN = 20  # categories
USUAL = 0.02  # of the products: what may always move
SURE = 0.001  # p, times the categories, below which it is no chance
NOTABLE = 0.25  # of a category must have moved


@dataclass(frozen=True)
class CategoryShift:
    """A category whose texts or pictures moved, and its products that did, rows of tonight."""

    figures: ShiftedCategory
    rows: Rows


def find_shifts(pair: Pair) -> list[CategoryShift]:
    """The categories whose vectors moved most surely, of every column of labels, surest first."""
    if not pair.same_model:
        return []
    found: list[CategoryShift] = []
    groups = [
        (name, label, np.flatnonzero(pair.values(name).before == code))
        for name in pair.labels
        for code, label in enumerate(pair.values(name).texts)
    ]
    groups = [group for group in groups if len(group[2]) >= FEWEST]
    for part, cosines in (("text", pair.shift.text), ("picture", pair.shift.image)):
        moved = cosines < SAME
        usual = max(USUAL, float(moved.mean()) if len(moved) else 0.0)
        for name, label, rows in groups:
            chosen = rows[moved[rows]]
            if not len(chosen):
                continue
            p = min(1.0, len(groups) * _tail(len(chosen), len(rows), usual))
            significant = p < SURE and len(chosen) >= NOTABLE * len(rows)
            mean = float(np.mean(cosines[chosen]))
            numbers = (len(rows), len(chosen), round(mean, 4), float(f"{p:.3g}"))
            figures = ShiftedCategory(name, label, part, *numbers, significant)
            found.append(CategoryShift(figures, pair.after[chosen]))
    found.sort(key=lambda each: (not each.figures.significant, each.figures.p, each.figures.cosine))
    return found[: max(MOST_SHOWN, sum(each.figures.significant for each in found))]


def _tail(count: int, total: int, share: float) -> float:
    """The probability of `count` or more of `total` where each has that share."""
    if share >= 1:
        return 1.0
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(share) + (total - k) * math.log1p(-share)
        for k in range(count, total + 1)
    ]  # fmt: skip
    return min(1.0, sum(map(math.exp, logs)))
