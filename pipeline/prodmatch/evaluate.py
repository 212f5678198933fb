"""Job: how well an index answers judged queries; each signal alone, the hybrid, and other runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import RR, Measure, P, R, Success, nDCG

from prodmatch.errors import QueryError
from prodmatch.evaluation.trec import Qrels, Run, write_run
from prodmatch.search.hits import Hit
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.queries import Query
from prodmatch.search.scoring import SIGNALS

__all__ = ["EvaluateSettings", "Evaluation", "Figure", "Gain", "evaluate_index"]

HYBRID = "hybrid"
PERMUTATIONS = 10_000
RESAMPLES = 2_000
BINS = 10
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
Values = npt.NDArray[np.float64]  # (queries,)


@dataclass(frozen=True)
class EvaluateSettings:
    """What is measured and how surely."""

    relevant: int = 1  # the lowest grade that the measures without grades count as a match
    depth: int = 100  # hits of a query
    threshold: float = 0.5  # of the probability, for precision, recall and F1
    weights: Mapping[str, float] | None = None  # of the hybrid; the model's own if None
    where: str | None = None
    seed: int = 0

    def measures(self) -> list[Measure]:
        """The measures, under the names and definitions of ir-measures."""
        rel = self.relevant
        cutoffs = [P(rel=rel) @ 1, P(rel=rel) @ 10, R(rel=rel) @ 10, R(rel=rel) @ 100]
        return [nDCG @ 10, RR(rel=rel), *cutoffs, Success(rel=rel) @ 10]


@dataclass(frozen=True)
class Figure:
    """The mean of a measure over the queries, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """The hybrid against the best single signal, by a two-sided paired randomisation test."""

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
    brier: float  # mean squared error of the probability over the hybrid's first ten hits
    ece: float  # their expected calibration error over ten bins
    cuts: list[Cut] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Names and values, for JSON."""
        return asdict(self)


def evaluate_index(
    index: ProductIndex,
    queries: Sequence[Query],
    qrels: Qrels,
    settings: EvaluateSettings | None = None,
    *,
    runs: Mapping[str, Run] | None = None,
    out: Path | None = None,
) -> Evaluation:
    """Asks every judged query of each signal and of the hybrid, and measures the answers.

    Queries without a relevant product are left out: nothing could be found for them.

    Args:
        index: the generation to measure.
        queries: what is asked.
        qrels: grades of products; what is not judged counts as no match.
        settings: measures and weights.
        runs: rankings of other programs, measured beside ours.
        out: a directory for our runs in TREC's form.

    Raises:
        QueryError: qrels and queries, or qrels and products, have nothing in common.
    """
    settings = settings or EvaluateSettings()
    if taken := sorted({*SIGNALS, HYBRID} & set(runs or {})):
        raise QueryError(f"--run: {taken[0]!r} is the name of one of ours. Rename the file.")
    asked = _judged_queries(index, queries, qrels, settings)
    hits = {name: _ask(index, asked, name, settings) for name in (*SIGNALS, HYBRID)}
    if out is not None:
        for name, found in hits.items():
            ranked = [
                (query.query_id, [(hit.product_id, hit.score) for hit in answer])
                for query, answer in zip(asked, found, strict=True)
            ]
            write_run(out / f"{name}.run", ranked)
    rankings = {
        name: {
            query.query_id: [hit.product_id for hit in answer]
            for query, answer in zip(asked, found, strict=True)
        }
        for name, found in hits.items()
    }
    query_ids = [query.query_id for query in asked]
    values = {
        name: _values(run, query_ids, qrels, settings)
        for name, run in {**rankings, **(runs or {})}.items()
    }
    cuts = [_cut(asked, hits[HYBRID], qrels, settings.relevant, at) for at in THRESHOLDS]
    brier, ece = _calibration_errors(asked, hits[HYBRID], qrels, settings.relevant)
    grades = [grade for query_id in query_ids for grade in qrels[query_id].values()]
    return Evaluation(
        queries=len(asked),
        judged=len(grades),
        relevant=sum(grade >= settings.relevant for grade in grades),
        judged_at_10=_judged_share(rankings[HYBRID], qrels),
        figures={
            name: {measure: _figure(found, settings.seed) for measure, found in each.items()}
            for name, each in values.items()
        },
        gains=_gains(values, settings.seed),
        at_threshold=_cut(asked, hits[HYBRID], qrels, settings.relevant, settings.threshold),
        brier=brier,
        ece=ece,
        cuts=cuts,
    )


def _judged_queries(
    index: ProductIndex,
    queries: Sequence[Query],
    qrels: Qrels,
    settings: EvaluateSettings,
) -> list[Query]:
    asked = [
        query
        for query in queries
        if any(g >= settings.relevant for g in qrels.get(query.query_id, {}).values())
    ]
    if not asked:
        raise QueryError(
            f"--qrels: none of the {len(queries)} queries has a product judged "
            f"{settings.relevant} or higher. Compare the query ids, or lower --relevant."
        )
    named = [p for query in asked for p in qrels[query.query_id]]
    if not any(product in index for product in dict.fromkeys(named)):
        raise QueryError(
            f"--qrels: none of the {len(set(named))} products judged is in the index, such as "
            f"{named[0]!r}. Compare the product ids."
        )
    return asked


def _ask(
    index: ProductIndex, asked: Sequence[Query], name: str, settings: EvaluateSettings
) -> list[list[Hit]]:
    weights = settings.weights if name == HYBRID else {name: 1.0}
    found = index.search_many(asked, where=settings.where, top=settings.depth, weights=weights)
    if name == HYBRID:
        return found
    return [[hit for hit in hits if hit.score != 0] for hits in found]  # 0: the signal is silent


def _values(
    run: Run, query_ids: Sequence[str], qrels: Qrels, settings: EvaluateSettings
) -> dict[str, Values]:
    """Every measure of every query."""
    scored = {
        query_id: {
            product: 1.0 / place for place, product in enumerate(run.get(query_id, []), start=1)
        }
        for query_id in query_ids
    }
    qrels = {query_id: qrels[query_id] for query_id in query_ids}
    measures = settings.measures()
    values = {str(measure): np.zeros(len(query_ids)) for measure in measures}
    places = {query_id: place for place, query_id in enumerate(query_ids)}
    for found in ir_measures.iter_calc(measures, qrels, scored):
        values[str(found.measure)][places[found.query_id]] = found.value
    return values


def _figure(values: Values, seed: int) -> Figure:
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(*(round(float(value), 7) for value in (values.mean(), low, high)))


def _gains(values: Mapping[str, Mapping[str, Values]], seed: int) -> dict[str, Gain]:
    gains = {}
    for measure, hybrid in values[HYBRID].items():
        best = max(SIGNALS, key=lambda signal: float(values[signal][measure].mean()))
        difference = hybrid - values[best][measure]
        p = randomisation_test(difference, seed)
        gains[measure] = Gain(best, round(float(difference.mean()), 7), round(p, 5))
    return gains


def randomisation_test(differences: Values, seed: int) -> float:
    """The two-sided p of paired differences `(queries,)`: how often random signs do as much."""
    rng = np.random.default_rng(seed)
    seen = abs(differences.mean()) - 1e-12
    extreme = 0
    for _ in range(PERMUTATIONS // 1000):
        signs = rng.choice([-1.0, 1.0], (1000, len(differences)))  # (trials, queries)
        extreme += int((np.abs((signs * differences).mean(axis=1)) >= seen).sum())
    return (1 + extreme) / (1 + PERMUTATIONS)


def _cut(
    asked: Sequence[Query],
    hits: Sequence[Sequence[Hit]],
    qrels: Qrels,
    relevant: int,
    threshold: float,
) -> Cut:
    rows = []
    for query, found in zip(asked, hits, strict=True):
        grades = qrels[query.query_id]
        wanted = {product for product, grade in grades.items() if grade >= relevant}
        kept = {hit.product_id for hit in found if hit.probability >= threshold}
        right = len(kept & wanted)
        precision, recall = right / max(1, len(kept)), right / len(wanted)
        rows.append((precision, recall, 2 * right / (len(kept) + len(wanted))))
    means = np.mean(rows, axis=0)
    return Cut(threshold, *(round(float(mean), 4) for mean in means))


def _calibration_errors(
    asked: Sequence[Query],
    hits: Sequence[Sequence[Hit]],
    qrels: Qrels,
    relevant: int,
) -> tuple[float, float]:
    """Brier score and expected calibration error of the probabilities of the first ten hits."""
    shown = [
        (hit.probability, qrels[query.query_id].get(hit.product_id, 0) >= relevant)
        for query, found in zip(asked, hits, strict=True)
        for hit in found[:10]
    ]
    said, matches = (np.array(column, np.float64) for column in zip(*shown, strict=True))
    bins = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=said - matches, minlength=BINS)
    brier = float(np.mean((said - matches) ** 2))
    return round(brier, 4), round(float(np.abs(gaps).sum()) / len(said), 4)


def _judged_share(run: Run, qrels: Qrels) -> float:
    first = [(query, product) for query, found in run.items() for product in found[:10]]
    judged = sum(product in qrels[query] for query, product in first)
    return round(judged / max(1, len(first)), 4)
