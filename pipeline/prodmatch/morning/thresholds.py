"""How many suspicious products are an alarm: so that ordinary nights give hardly any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prodmatch.morning.ordinary import BUSY, Counts, usual_rates

BUDGET = 0.005  # false alarms a night, of all signals together
FLOOR = 0.0005  # of the products: what is taken to be usual, where simulated nights have less
FEWEST = 3  # products, for an alarm
DRAWS = 50_000  # of a signal
STANDS_OUT = 3.0  # times what most earlier nights had: such a night is no example


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
