"""What is predicted of a column, and its rows: missing values, doubtful labels, evidence."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.attributes.classifier import unit_parts
from prodmatch.attributes.evidence import (
    Neighbourhood,
    find_evidence,
    least_similarity,
    telling_words,
)
from prodmatch.attributes.labels import MIN_LABELLED, MIN_SUPPORT, MISSING, Labels, fold_value
from prodmatch.attributes.learn import Learnt, Predictions, Source, learn
from prodmatch.attributes.zero_shot import ValueNames, name_scores
from prodmatch.search.searcher import Searcher
from prodmatch.storage.vectors import Rows, draw_rows

DOUBTFUL_LABEL = 0.02  # probability below which a label that is contradicted is doubtful
MOST_COMPARED = 20_000  # products that say how near products usually are to a name
SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("column", pa.string()),
        ("state", pa.string()),
        ("label", pa.string()),  # that the product has
        ("value", pa.string()),  # the likeliest
        ("probability", pa.float32()),  # that it is right; null where that is not known
        ("second", pa.string()),
        ("label_probability", pa.float32()),
        ("nearest", pa.list_(pa.string())),  # products that have the value
        ("words", pa.list_(pa.string())),  # of the text, that speak for it
    ]
)
STATES = ("doubtful", "predicted", "abstained", "unfamiliar", "named", "suggested")


@dataclass(frozen=True)
class ColumnResult:
    """A column's predictions with their evidence, and the figures of its report."""

    labels: Labels
    values: tuple[str, ...]
    predictions: Predictions
    states: list[str]
    nearest: list[Rows]
    words: list[list[str]]
    figures: dict[str, object]
    warnings: list[str] = field(default_factory=list)


def predict_column(
    source: Source, labels: Labels, precision: float, wanted: npt.NDArray[np.bool_]
) -> ColumnResult:
    """The missing values of a column, and the labels that the other products contradict.

    Args:
        precision: share of the accepted predictions that are to be right.
        wanted: `(products,)`, which ones are predicted.
    """
    learnt = learn(source, labels.codes, len(labels.values), precision)
    missing = labels.missing[wanted[labels.missing]]
    doubtful = _doubtful(source, learnt, labels, wanted)
    found = _join(learnt.predict(source, missing, labels.codes), doubtful)
    near = find_evidence(source.ann, found.rows, found.codes, labels.codes)
    least = least_similarity(source.ann, labels.codes)
    states = _states(found, near, least, len(missing))
    figures = _figures(learnt, labels, states, "labels")
    return ColumnResult(
        labels,
        labels.values,
        found,
        states,
        near.rows,
        _words(source, learnt, found),
        figures,
        _warnings(labels.column, learnt, states, precision),
    )


def suggest_column(
    searcher: Searcher,
    source: Source,
    labels: Labels,
    values: tuple[str, ...],
    precision: float,
    wanted: npt.NDArray[np.bool_],
) -> ColumnResult:
    """The values of a column that too few products have one of, from their names.

    Products whose text names one value have it. Where they are enough, the others are predicted
    from pictures and other words as these are; else values are suggested by the vectors of
    their names, without a probability.
    """
    names = ValueNames(values)
    codes = names.find([text or "" for text in source.texts.to_pylist()])
    numbers = {fold_value(value): number for number, value in enumerate(values)}
    for row in np.flatnonzero(labels.given != None).tolist():  # noqa: E711 (element by element)
        codes[row] = numbers.get(fold_value(labels.given[row]), MISSING)
    codes[codes < 0] = MISSING
    codes[labels.decided & (labels.codes == MISSING)] = MISSING
    rows = labels.missing[wanted[labels.missing]]
    missing, named = rows[codes[rows] == MISSING], rows[codes[rows] >= 0]
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    if (counts >= MIN_SUPPORT).sum() >= 2 and counts.sum() >= MIN_LABELLED:
        learnt = learn(source, codes, len(values), precision, names=names.words)
        result = _predict_others(source, learnt, labels, (values, codes), missing)
        result.warnings.extend(_warnings(labels.column, learnt, result.states, precision))
    else:
        result = _suggest(searcher, source, labels, values, missing)
        result.warnings.append(
            f"{labels.column}: {int(counts.sum())} products have a value or name one in their "
            f"text; {MIN_LABELLED} are needed for a precision to be measured. Values are suggested "
            "without a probability. Decide on some, and give the decisions with `labels`."
        )
    result.figures["named"] = len(named)
    unknown, sure = np.full(len(named), np.nan), np.ones(len(named), np.bool_)
    own = Predictions(named, codes[named], codes[named], unknown, unknown, sure)
    return replace(
        result,
        predictions=_join(result.predictions, own),
        states=[*result.states, *["named"] * len(named)],
        nearest=[*result.nearest, *[named[:0]] * len(named)],
        words=[*result.words, *([values[code]] for code in codes[named].tolist())],
    )


def _predict_others(
    source: Source, learnt: Learnt, labels: Labels, named: tuple[tuple[str, ...], Rows], rows: Rows
) -> ColumnResult:
    """Rows that name no value, from those that do.

    Args:
        learnt: from the products that name one.
        named: the values, and the number of each product's.
    """
    values, codes = named
    found = learnt.predict(source, rows, codes)
    near = find_evidence(source.ann, rows, found.codes, codes, with_text=False)
    least = least_similarity(source.ann, codes, with_text=False)
    states = _states(found, near, least, len(rows))
    figures = _figures(learnt, labels, states, "products whose text names a value")
    words = _words(source, learnt, found)
    return ColumnResult(labels, values, found, states, near.rows, words, figures)


def _suggest(
    searcher: Searcher, source: Source, labels: Labels, values: tuple[str, ...], rows: Rows
) -> ColumnResult:
    """Rows by the vectors of the values' names; nothing says how often that is right."""
    vectors, others = (
        unit_parts(source.ann.vectors(each))
        for each in (rows, draw_rows(source.ann.row_count, MOST_COMPARED))
    )
    scores = name_scores(searcher.encoders, values, vectors, others)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    unknown, sure = np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
    figures: dict[str, object] = {
        "values": len(values),
        "labelled": len(labels.labelled),
        "missing": len(labels.missing),
        "measured_on": None,
        "suggested": len(rows),
    }
    return ColumnResult(
        labels,
        values,
        Predictions(rows, order[:, 0], order[:, 1], unknown, unknown, sure),
        ["suggested"] * len(rows),
        [rows[:0]] * len(rows),
        [[] for _ in rows],
        figures,
    )


def as_table(result: ColumnResult, product_ids: pa.Array) -> pa.Table:
    """The rows of a column, by `STATES`, then the likeliest first, then in the index's order."""
    found, values = result.predictions, pa.array(result.values, pa.string())
    rank = {state: number for number, state in enumerate(STATES)}
    ranks = np.array([rank[state] for state in result.states], np.int64)
    order = np.lexsort((found.rows, -np.nan_to_num(found.probability), ranks))
    flat = [row for number in order.tolist() for row in result.nearest[number].tolist()]
    sizes = [len(result.nearest[number]) for number in order.tolist()]
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    ids = product_ids.cast(pa.string())
    nearest = ids.take(pa.array(flat, pa.int64()))

    def number(column: npt.NDArray[np.float64]) -> pa.Array:
        chosen = column[order]
        return pa.array(chosen.round(6), pa.float32(), mask=np.isnan(chosen))

    return pa.Table.from_arrays(
        [
            ids.take(pa.array(found.rows[order])),
            pa.array([result.labels.column] * len(order), pa.string()),
            pa.array([result.states[number] for number in order.tolist()], pa.string()),
            pa.array(result.labels.given[found.rows[order]].tolist(), pa.string()),
            values.take(pa.array(found.codes[order])),
            number(found.probability),
            values.take(pa.array(found.second[order])),
            number(found.label_probability),
            pa.ListArray.from_arrays(offsets, nearest),
            pa.array([result.words[number] for number in order.tolist()], pa.list_(pa.string())),
        ],
        schema=SCHEMA,
    )


def _doubtful(
    source: Source, learnt: Learnt, labels: Labels, wanted: npt.NDArray[np.bool_]
) -> Predictions:
    """The products whose own label the classifiers that never saw it contradict."""
    rows = np.flatnonzero((labels.codes >= 0) & ~labels.decided & wanted)
    found = learnt.predict(source, rows, labels.codes)
    against = (found.codes != labels.codes[rows]) & found.sure
    against &= found.label_probability <= DOUBTFUL_LABEL
    return _take(found, np.flatnonzero(against))


def _states(found: Predictions, near: Neighbourhood, least: float, missing: int) -> list[str]:
    """The state of each prediction: the first ones are of missing values, the rest of doubts."""
    states = np.where(found.sure, "predicted", "abstained").astype(object)
    states[near.similarity < least] = "unfamiliar"
    states[missing:] = "doubtful"
    return [str(state) for state in states]


def _words(source: Source, learnt: Learnt, found: Predictions) -> list[list[str]]:
    dim = source.ann.dim if learnt.with_text else source.ann.dim // 2
    numbers = learnt.vocabulary.number(source.words(found.rows))
    weights = learnt.fitted.word_weights(dim)
    return telling_words(learnt.vocabulary.words, numbers, found.codes, weights)


def _join(one: Predictions, other: Predictions) -> Predictions:
    names = one.__dataclass_fields__
    return Predictions(
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in names)
    )


def _take(found: Predictions, positions: Rows) -> Predictions:
    return Predictions(*(getattr(found, name)[positions] for name in found.__dataclass_fields__))


def _figures(
    learnt: Learnt, labels: Labels, states: list[str], measured_on: str
) -> dict[str, object]:
    return {
        "values": learnt.fitted.own.shape[1],
        "labelled": len(labels.labelled),
        "missing": len(labels.missing),
        "measured_on": measured_on,
        "accuracy": round(learnt.accuracy, 4),
        "precision": None if learnt.precision is None else round(learnt.precision, 4),
        "coverage": round(learnt.coverage, 4),
        **{state: states.count(state) for state in STATES[:4]},
    }


def _warnings(column: str, learnt: Learnt, states: list[str], precision: float) -> list[str]:
    if learnt.threshold is None:
        return [
            f"{column}: no probability reaches a precision of {precision:g} on "
            f"{len(learnt.rows)} labelled products; nothing is predicted. Give a lower "
            "`precision`, or more labels with `labels`."
        ]
    strange = states.count("unfamiliar")
    if not strange:
        return []
    return [
        f"{column}: {strange} products are like none that have a value, and are abstained from."
    ]
