"""Job: how well an index answers judged queries; each signal alone, the hybrid, and other runs."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import RR, Measure, P, R, Success, nDCG

from prodmatch.errors import QueryError, require_path, require_type
from prodmatch.evaluation.comparison import (
    MEASURE,
    Cut,
    Evaluation,
    Values,
    bootstrap_mean,
    brier_score,
    compare,
    expected_calibration_error,
    gains_over_best,
    unjudged,
    worst_queries,
)
from prodmatch.evaluation.trec import Qrels, Run, check_qrels, check_runs, write_run
from prodmatch.search.answers.hits import Hit
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.queries import Query, require_all
from prodmatch.search.scoring import SIGNALS
from prodmatch.storage.atomic import write_file

DEPTH = 100  # hits of a query
HYBRID = "hybrid"
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass(frozen=True)
class EvaluateSettings:
    """What is measured and how surely."""

    relevant: int = 1  # the lowest grade that the measures without grades count as a match
    threshold: float = 0.5  # of the probability, for precision, recall and F1
    weights: Mapping[str, float] | None = None  # of the hybrid; the model's own if None
    where: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require_type(self.relevant, int | np.integer, "`relevant`", "Give int.", QueryError)
        number = float | int | np.number
        require_type(self.threshold, number, "`threshold`", "Give a number.", QueryError)
        if not 0 <= self.threshold <= 1:
            raise QueryError(f"`threshold={self.threshold}`: must be 0 to 1.")
        if self.relevant < 1:
            raise QueryError(f"`relevant={self.relevant}`: must be 1 or more; 0 is no match.")

    def measures(self) -> list[Measure]:
        """The measures, under the names and definitions of ir-measures."""
        rel = self.relevant
        cutoffs = [P(rel=rel) @ 1, P(rel=rel) @ 10, R(rel=rel) @ 10, R(rel=rel) @ 100]
        return [nDCG @ 10, RR(rel=rel), *cutoffs, Success(rel=rel) @ 10]


def evaluate_index(
    index: ProductIndex,
    queries: Iterable[Query],
    qrels: Qrels,
    settings: EvaluateSettings | None = None,
    *,
    runs: Mapping[str, Run] | None = None,
    out: Path | str | None = None,
) -> Evaluation:
    """Searches for every judged query by each signal and by the hybrid, and measures the hits.

    Queries without a relevant product are left out: nothing could be found for them. `top` and
    `offset` of queries are not used, as the measures are of whole rankings; `where` is.

    Args:
        qrels: grades of products, whole numbers; what is not judged counts as no match.
        runs: rankings of other programs, measured in the same table.
        out: a directory for our runs in TREC's form, and `to_judge.csv`: hits without a grade.

    Raises:
        QueryError: qrels and queries, or qrels and products, have nothing in common, two queries
            have one id, a run has a product twice, or an argument is of another type.
    """
    require_type(index, ProductIndex, "`index`", "Give open_index(STORE).", QueryError)
    require_type(
        settings, EvaluateSettings | None, "`settings`", "Give EvaluateSettings(...).", QueryError
    )
    out = None if out is None else require_path(out, "out")
    queries, qrels = require_all(queries), check_qrels(qrels)
    settings, runs = settings or EvaluateSettings(), check_runs({} if runs is None else runs)
    if taken := sorted({*SIGNALS, HYBRID} & set(runs)):
        raise QueryError(f"`runs`: {taken[0]!r} is the name of one of ours. Rename the file.")
    judged = _judged_queries(index, queries, qrels, settings)
    hits = {name: _search(index, judged, name, settings) for name in (*SIGNALS, HYBRID)}
    if out is not None:
        for name, found in hits.items():
            write_run(out / f"{name}.run", _scored(judged, found))
    rankings = {
        name: {
            query_id: [product for product, _ in ranked]
            for query_id, ranked in _scored(judged, found)
        }
        for name, found in hits.items()
    }
    qrels = {query.query_id: qrels[query.query_id] for query in judged}
    names = {query.query_id: _name(query) for query in judged}
    if out is not None:
        pairs = unjudged([*rankings.values(), *runs.values()], qrels)
        _write_unjudged(out / "to_judge.csv", index, pairs, names)
    return _evaluation(hits[HYBRID], rankings, runs, qrels, names, settings)


def _evaluation(
    hits: Sequence[Sequence[Hit]],
    rankings: Mapping[str, Run],
    runs: Mapping[str, Run],
    qrels: Qrels,
    names: Mapping[str, str],
    settings: EvaluateSettings,
) -> Evaluation:
    """The figures of our rankings and of others; `hits` are those of the hybrid."""
    values = {name: _measure(run, qrels, settings) for name, run in {**rankings, **runs}.items()}
    ours, ranking = values[HYBRID], rankings[HYBRID]
    grades = [grade for products in qrels.values() for grade in products.values()]
    cuts = [_cut(hits, qrels, settings.relevant, at) for at in THRESHOLDS]
    brier, ece = _calibration_errors(hits, qrels, settings.relevant)
    return Evaluation(
        queries=len(qrels),
        judged=len(grades),
        relevant=sum(grade >= settings.relevant for grade in grades),
        judged_at_10=_judged_share(rankings[HYBRID], qrels),
        figures={
            name: {measure: bootstrap_mean(each[measure], settings.seed) for measure in each}
            for name, each in values.items()
        },
        gains=gains_over_best(values, SIGNALS, HYBRID, settings.seed),
        at_threshold=_cut(hits, qrels, settings.relevant, settings.threshold),
        brier=brier,
        ece=ece,
        cuts=cuts,
        comparisons={
            name: compare((ours, values[name]), (ranking, run), names, settings.seed)
            for name, run in runs.items()
        },
        worst=worst_queries(ours[MEASURE], ranking, qrels, names, settings.relevant),
    )


def search_run(
    index: ProductIndex, queries: Sequence[Query], settings: EvaluateSettings | None = None
) -> Run:
    """The ranking of an index by its own weights, to compare with that of another."""
    settings = settings or EvaluateSettings()
    found = index.search_many(_whole(queries), where=settings.where, top=DEPTH)
    return {
        query.query_id: [hit.product_id for hit in hits]
        for query, hits in zip(queries, found, strict=True)
    }


def _whole(queries: Sequence[Query]) -> list[Query]:
    """Queries without a `top` and an `offset` of their own: rankings are measured whole."""
    return [replace(query, top=None, offset=None) for query in queries]


def _name(query: Query) -> str:
    """What a person knows a query by."""
    return query.text or (query.product_id and f"like {query.product_id}") or "a picture"


def _write_unjudged(
    path: Path,
    index: ProductIndex,
    pairs: Sequence[tuple[str, str]],
    names: Mapping[str, str],
) -> None:
    """A file to fill in: queries and products that nobody judged, with the texts of both."""
    titles = index.products.titles(dict.fromkeys(product for _, product in pairs))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["query_id", "query", "product_id", "title", "relevance"])
    for query_id, product in pairs:
        writer.writerow([query_id, names[query_id], product, titles.get(product, ""), ""])
    write_file(path, text.getvalue())


def _judged_queries(
    index: ProductIndex,
    queries: Sequence[Query],
    qrels: Qrels,
    settings: EvaluateSettings,
) -> list[Query]:
    ids = Counter(query.query_id for query in queries)
    if twice := next((name for name, count in ids.items() if count > 1), None):
        raise QueryError(
            f"`queries`: query_id {twice!r} stands twice. Give every query an id of its own."
        )
    judged = _whole([query for query in queries if _has_match(query, qrels, settings.relevant)])
    if not judged:
        raise QueryError(
            f"`qrels`: none of the {len(queries)} queries has a product judged "
            f"{settings.relevant} or higher. Compare the query ids, or lower `relevant`."
        )
    find_missing(index, {query.query_id: qrels[query.query_id] for query in judged})
    return judged


def _has_match(query: Query, qrels: Qrels, relevant: int) -> bool:
    return any(grade >= relevant for grade in qrels.get(query.query_id, {}).values())


def describe_left_out(
    queries: Sequence[Query], qrels: Qrels, runs: Mapping[str, Run], relevant: int
) -> list[str]:
    """Warnings of queries that are not measured, and of those that a run has no hits for."""
    ids = {query.query_id for query in queries if _has_match(query, qrels, relevant)}
    others = [query.query_id for query in queries if query.query_id not in ids]
    unknown = sorted(set(qrels) - {query.query_id for query in queries})
    found = []
    if others:
        found.append(
            f"{len(others)} of {len(queries)} queries have no product judged {relevant} or higher, "
            f"such as {others[0]!r}; they are left out"
        )
    if unknown:
        found.append(
            f"{len(unknown)} queries of the qrels are not among the queries, such as "
            f"{unknown[0]!r}; they are left out"
        )
    for name, run in runs.items():
        if empty := sorted(ids - set(run)):
            found.append(
                f"run {name!r} has no hits for {len(empty)} of {len(ids)} queries, such as "
                f"{empty[0]!r}; they count as not found"
            )
    return found


def find_missing(index: ProductIndex, qrels: Qrels) -> list[str]:
    """The products judged that are not in an index, and so cannot be found."""
    named = list(dict.fromkeys(product for grades in qrels.values() for product in grades))
    missing = [product for product in named if product not in index]
    if len(missing) == len(named):
        raise QueryError(
            f"none of the {len(named)} products judged is in the index of {index.store}, such as "
            f"{named[0]!r}. Compare the product ids."
        )
    return missing


def describe_filtered(
    index: ProductIndex, queries: Sequence[Query], qrels: Qrels, settings: EvaluateSettings
) -> list[str]:
    """A warning of relevant products that no query can find, as they do not meet its condition."""
    relevant, filtered = 0, []
    for query in queries:
        grades = qrels.get(query.query_id, {})
        wanted = [product for product, grade in grades.items() if grade >= settings.relevant]
        found = [(index.products.row_of(product), product) for product in wanted]
        rows = {row: product for row, product in found if row is not None}
        relevant += len(rows)
        lost = np.zeros(len(rows), np.bool_)
        for condition in (settings.where, query.where):
            if condition is not None:
                lost |= ~np.isin([*rows], index.products.rows_where(condition))
        filtered += [
            product for product, is_lost in zip(rows.values(), lost, strict=True) if is_lost
        ]
    if not filtered:
        return []
    return [
        f"{len(filtered)} of {relevant} relevant products of the index do not meet the filter, "
        f"such as {filtered[0]!r}; they count as not found"
    ]


def _search(
    index: ProductIndex, queries: Sequence[Query], name: str, settings: EvaluateSettings
) -> Sequence[Sequence[Hit]]:
    """The hits of each query by one signal, or by the hybrid."""
    if name == HYBRID:
        return index.search_many(queries, where=settings.where, top=DEPTH, weights=settings.weights)
    # A picture and a product have no words: the lexical signal is silent.
    usable = [query for query in queries if name != "lexical" or query.text is not None]
    found = index.search_many(usable, where=settings.where, top=DEPTH, weights={name: 1.0})
    hits = {query.query_id: each for query, each in zip(usable, found, strict=True)}
    return [
        [hit for hit in hits.get(query.query_id, ()) if hit.score != 0]  # 0: silent, too
        for query in queries
    ]


def _scored(
    queries: Sequence[Query], hits: Sequence[Sequence[Hit]]
) -> list[tuple[str, list[tuple[str, float]]]]:
    """The id of each query, and the ids and scores of its hits."""
    return [
        (query.query_id, [(hit.product_id, hit.score) for hit in found])
        for query, found in zip(queries, hits, strict=True)
    ]


def _measure(run: Run, qrels: Qrels, settings: EvaluateSettings) -> dict[str, Values]:
    """Every measure of every query, in the order of the qrels."""
    scored = {
        query_id: {product: 1.0 / rank for rank, product in enumerate(run.get(query_id, []), 1)}
        for query_id in qrels
    }
    measures = settings.measures()
    values = {str(measure): np.zeros(len(qrels)) for measure in measures}
    positions = {query_id: position for position, query_id in enumerate(qrels)}
    for found in ir_measures.iter_calc(measures, qrels, scored):
        values[str(found.measure)][positions[found.query_id]] = found.value
    return values


def _cut(hits: Sequence[Sequence[Hit]], qrels: Qrels, relevant: int, threshold: float) -> Cut:
    """Precision, recall and F1 of hits in the order of the qrels."""
    rows = []
    for grades, found in zip(qrels.values(), hits, strict=True):
        wanted = {product for product, grade in grades.items() if grade >= relevant}
        kept = {hit.product_id for hit in found if hit.probability >= threshold}
        right = len(kept & wanted)
        precision, recall = right / max(1, len(kept)), right / len(wanted)
        rows.append((precision, recall, 2 * right / (len(kept) + len(wanted))))
    means = np.mean(rows, axis=0)
    return Cut(threshold, *(round(float(mean), 4) for mean in means))


def _calibration_errors(
    hits: Sequence[Sequence[Hit]], qrels: Qrels, relevant: int
) -> tuple[float | None, float | None]:
    """Brier score and expected calibration error of the probabilities of the first ten hits."""
    first = [
        (hit.probability, grades.get(hit.product_id, 0) >= relevant)
        for grades, found in zip(qrels.values(), hits, strict=True)
        for hit in found[:10]
    ]
    if not first:
        return None, None
    probabilities, matches = (np.array(column, np.float64) for column in zip(*first, strict=True))
    return (
        round(brier_score(probabilities, matches), 4),
        round(expected_calibration_error(probabilities, matches), 4),
    )


def _judged_share(run: Run, qrels: Qrels) -> float:
    first = [(query, product) for query, found in run.items() for product in found[:10]]
    judged = sum(product in qrels[query] for query, product in first)
    return round(judged / max(1, len(first)), 4)
