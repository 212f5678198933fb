"""How sure figures are, and systems compared query by query: by how much they differ, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prodmatch.evaluation.trec import Qrels, Run

Values = npt.NDArray[np.float64]

RESAMPLES = 2_000
PERMUTATIONS = 10_000
BLOCK = 1_000  # permutations at a time
BINS = 10
MOST_SHOWN = 10  # queries
HITS_SHOWN = 3  # of a query
JUDGED = 10  # hits of a query, of which those without a grade are listed
MEASURE = "nDCG@10"  # that queries are ordered by


@dataclass(frozen=True)
class Figure:
    """The mean of a measure over the queries, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Values, seed: int) -> Figure:
    """The mean of `(queries,)` values and its interval, by the percentiles of resampled means."""
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(*(round(float(value), 7) for value in (values.mean(), low, high)))


def randomisation_test(differences: Values, seed: int) -> float:
    """The two-sided p of paired differences `(queries,)`: how often random signs do as much."""
    rng = np.random.default_rng(seed)
    observed = abs(differences.mean()) - 1e-12
    extreme = 0
    for _ in range(PERMUTATIONS // BLOCK):
        signs = rng.choice([-1.0, 1.0], (BLOCK, len(differences)))  # (permutations, queries)
        extreme += int((np.abs((signs * differences).mean(axis=1)) >= observed).sum())
    return (1 + extreme) / (1 + PERMUTATIONS)


def brier_score(probabilities: npt.NDArray[np.floating], matches: Values) -> float:
    """The mean squared error of `(hits,)` probabilities against matches, 0 or 1."""
    return float(np.mean((probabilities - matches) ** 2))


def expected_calibration_error(
    probabilities: npt.NDArray[np.floating], matches: Values | npt.NDArray[np.bool_]
) -> float:
    """The mean gap of probability and share of matches, over ten bins of equal width."""
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=probabilities - matches, minlength=BINS)
    return float(np.abs(gaps).sum()) / len(probabilities)


@dataclass(frozen=True)
class Difference:
    """A mean difference, and the p of a two-sided paired randomisation test."""

    difference: float
    p: float


@dataclass(frozen=True)
class QueryFigure:
    """A query and what came of it."""

    query_id: str
    query: str  # its text, or what else it has
    value: float  # nDCG@10 of the hybrid
    hits: list[str]  # ids of its first products
    missed: list[str]  # ids of relevant products that are not among the first ten


@dataclass(frozen=True)
class Loss:
    """A query that another system answers better."""

    query_id: str
    query: str
    ours: float  # nDCG@10
    theirs: float
    hits: list[str]
    their_hits: list[str]


@dataclass(frozen=True)
class Comparison:
    """The hybrid less another system."""

    measures: dict[str, Difference]
    losses: list[Loss]  # the largest, by nDCG@10


@dataclass(frozen=True)
class Gain:
    """Signals together against the best one alone, by a two-sided paired randomisation test."""

    signal: str
    difference: float
    p: float


@dataclass(frozen=True)
class Cut:
    """Precision, recall and F1 of the hits at or above a probability, means over the queries."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """The figures of every system, in the order lexical, text, image, hybrid, others."""

    queries: int
    judged: int  # pairs of query and product
    relevant: int  # of these, at or above the grade that counts
    judged_at_10: float  # share of the hybrid's first ten that anybody judged
    figures: dict[str, dict[str, Figure]]  # system -> measure -> figure
    gains: dict[str, Gain]  # measure -> hybrid against the best signal
    at_threshold: Cut
    brier: float | None  # of the probabilities of the hybrid's first ten hits; None without a hit
    ece: float | None  # their expected calibration error over ten bins
    cuts: list[Cut] = field(default_factory=list)
    comparisons: dict[str, Comparison] = field(default_factory=dict)  # by the names of `runs`
    worst: list[QueryFigure] = field(default_factory=list)  # queries of the least nDCG@10


def gains_over_best(
    values: Mapping[str, Mapping[str, Values]], single: Sequence[str], together: str, seed: int
) -> dict[str, Gain]:
    """By measure: what several together are above the best one alone.

    Args:
        values: system -> measure -> `(queries,)`.
        single: the systems that are in `together`.
        together: the system of them all.
    """
    gains = {}
    for measure, found in values[together].items():
        best = max(single, key=lambda name: float(values[name][measure].mean()))
        difference = found - values[best][measure]
        p = randomisation_test(difference, seed)
        gains[measure] = Gain(best, round(float(difference.mean()), 7), round(p, 5))
    return gains


def compare(
    values: tuple[Mapping[str, Values], Mapping[str, Values]],
    runs: tuple[Run, Run],
    queries: Mapping[str, str],
    seed: int,
) -> Comparison:
    """How the hybrid differs from another system on the same queries.

    Args:
        values: of both: measure -> `(queries,)`.
        queries: query_id -> what a person knows it by, in the order of the values.
    """
    measures, (ours, theirs) = {}, values
    for measure in ours:
        differences = ours[measure] - theirs[measure]
        p = randomisation_test(differences, seed)
        measures[measure] = Difference(round(float(differences.mean()), 7), round(p, 5))
    differences = ours[MEASURE] - theirs[MEASURE]
    names = list(queries)
    worst = [row for row in np.argsort(differences, kind="stable").tolist() if differences[row] < 0]
    losses = [
        Loss(
            names[row],
            queries[names[row]],
            round(float(ours[MEASURE][row]), 4),
            round(float(theirs[MEASURE][row]), 4),
            *(run.get(names[row], [])[:HITS_SHOWN] for run in runs),
        )
        for row in worst[:MOST_SHOWN]
    ]
    return Comparison(measures, losses)


def worst_queries(
    values: Values, run: Run, qrels: Qrels, queries: Mapping[str, str], relevant: int
) -> list[QueryFigure]:
    """The queries that the hybrid answers worst, with what it found and what it missed."""
    names = list(queries)
    found = []
    for row in np.argsort(values, kind="stable")[:MOST_SHOWN].tolist():
        name, hits = names[row], run.get(names[row], [])
        wanted = [p for p, grade in qrels[name].items() if grade >= relevant and p not in hits[:10]]
        value = round(float(values[row]), 4)
        found.append(
            QueryFigure(name, queries[name], value, hits[:HITS_SHOWN], wanted[:HITS_SHOWN])
        )
    return found


def unjudged(runs: Sequence[Run], qrels: Qrels) -> list[tuple[str, str]]:
    """Pairs of query and product among the first ten hits of any run that have no grade."""
    pairs: dict[tuple[str, str], None] = {}
    for query_id, grades in qrels.items():
        for rank in range(JUDGED):
            for run in runs:
                hits = run.get(query_id, [])
                if rank < len(hits) and hits[rank] not in grades:
                    pairs[query_id, hits[rank]] = None
    return list(pairs)
