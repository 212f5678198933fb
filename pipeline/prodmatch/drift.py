"""Job: one generation against another; what changed, and what of it is no ordinary change."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.embedding.nights.findings import GateLimits
from prodmatch.embedding.nights.gate import compare_nights
from prodmatch.errors import CatalogueError, DamagedError, MismatchError, StoreError, require_path
from prodmatch.evaluation.over_time import find_fall
from prodmatch.morning.alarms import Findings, other_alarms
from prodmatch.morning.categories import find_shifts
from prodmatch.morning.column_checks import check_columns
from prodmatch.morning.content_checks import check_contents
from prodmatch.morning.ordinary import MOST_ROWS, Counts, find_limits, simulate_nights
from prodmatch.morning.pair import TEXT, Pair, Signal, pair_snapshots
from prodmatch.morning.queries import compare_queries, take_queries
from prodmatch.morning.report import (
    Alarm,
    DriftReport,
    EvaluationFigure,
    GenerationFigures,
    MovedQuery,
    SuspectRow,
)
from prodmatch.morning.snapshot import Snapshot, read_snapshot
from prodmatch.search.queries import Query, RejectedQuery
from prodmatch.search.searcher import Searcher
from prodmatch.storage.atomic import new_file
from prodmatch.storage.generations import (
    Generation,
    number_before,
    open_generation,
    survey_generations,
)

logger = logging.getLogger(__name__)

SIMULATED_ROWS = 60_000  # products of all simulated nights together, about
MOST_NIGHTS = 20
FEWEST_PRODUCTS = 50  # of which ordinary nights can be made
OTHER_MODEL = (
    "the generations are of different models: rows, texts and columns are compared, and queries, "
    "each by its own encoders; vectors and pictures are not"
)


@dataclass(frozen=True)
class DriftSettings:
    """What is compared, and how."""

    history: int = 5  # earlier nights that say what is usual, at most
    seed: int = 0  # of the simulated nights


def compare_generations(
    store: Path | str,
    *,
    last: int | None = None,
    tonight: int | None = None,
    queries: Sequence[Query | RejectedQuery] | None = None,
    evaluations: Sequence[EvaluationFigure] = (),
    settings: DriftSettings | None = None,
) -> DriftReport:
    """How one generation of a store differs from another.

    What is suspicious of rows, texts, pictures and numbers is counted, and is an alarm where it is
    more than ordinary nights have: earlier ones of this store, and ones that are simulated from
    its own products. The same generations give the same report.

    Args:
        last: the number of the older one; the newest before `tonight` if None.
        tonight: the number of the newer one; the current one if None.
        queries: whose first ten products are compared; some taken from the titles if None.
        evaluations: of earlier nights and this one, the newest last.

    Raises:
        StoreError: there are no two generations, or not these.
        DamagedError: a file of them is not what it should be.
    """
    store = require_path(store, "store")
    generations = _choose(store, last, tonight)
    logger.info("reading generations %d and %d", *(each.number for each in generations))
    pair = pair_snapshots(*map(read_snapshot, generations))
    findings, nights, warnings = _find(pair, store, settings or DriftSettings())
    warnings += _unpublished(store, generations[1]) if tonight is None else []
    chosen = take_queries(pair) if queries is None else queries
    moved = _compare_queries(pair, generations, chosen)
    gate = compare_nights(pair.last.night, pair.tonight.night, GateLimits())
    alarms = [*findings.alarms(), *other_alarms(gate.refusals, moved, len(chosen))]
    alarms += find_fall(evaluations)
    rows = findings.rows()
    return DriftReport(
        last=pair.last.number,
        tonight=pair.tonight.number,
        published={"last": generations[0].published, "tonight": generations[1].published},
        products={"last": len(pair.last), "tonight": len(pair.tonight)},
        added=len(pair.added),
        removed=len(pair.removed),
        changed=int(pair.changed.sum()),
        changes=_changes(pair),
        rejected=_rejects(store, generations),
        same_model=pair.same_model,
        drift=_drift(pair, alarms, rows),
        alarms=alarms,
        gate=[*gate.refusals, *gate.warnings],
        signals=findings.counts(),
        shifts=[each.figures for each in findings.shifts],
        queries=len(chosen),
        moved=moved,
        over_time=_over_time(store),
        evaluations=evaluations,
        nights=nights,
        warnings=[*warnings, *([] if alarms else gate.warnings)],
        rows=rows,
        titles=_titles(pair, moved),
    )


def _find(
    pair: Pair, store: Path, settings: DriftSettings
) -> tuple[Findings, dict[str, int], list[str]]:
    """What is significant, the nights that say what is usual, and which of them are missing."""
    signals = [*find_signals(pair), _rejected(pair, store)]
    logger.info("simulating ordinary nights", extra={"phase": "simulate"})
    simulated = simulate(pair.last, settings.seed)
    history, warnings = _history(store, pair.last, settings.history)
    warnings += [] if pair.same_model else [OTHER_MODEL]
    names, rows = [each.name for each in signals], len(pair.tonight)
    limits = find_limits(names, rows, simulated, history, settings.seed)
    nights = {"simulated": len(simulated), "history": len(history)}
    return Findings(pair, signals, limits, find_shifts(pair)), nights, warnings


def check_drift(report: DriftReport, max_drift: float) -> None:
    """Raise where alarms name more products than that share of them."""
    if report.alarms and report.drift > max_drift:
        raise CatalogueError(
            f"generation {report.tonight} against {report.last}: alarms name {report.drift:.2%} of "
            f"the products, more than `max_drift={max_drift:g}` allows: "
            f"{'; '.join(alarm.what or alarm.text for alarm in report.alarms)}."
        )


def find_signals(pair: Pair) -> list[Signal]:
    """What every check finds suspicious, with rows or without."""
    return list(chain(check_columns(pair), check_contents(pair)))


def count_signals(pair: Pair) -> Counts:
    """How many products every check finds suspicious."""
    found = {signal.name: len(signal.rows) for signal in find_signals(pair)}
    return Counts(len(pair.tonight), found)


def simulate(snapshot: Snapshot, seed: int) -> list[Counts]:
    """What the checks find in ordinary nights made of a snapshot; none of a very small one."""
    if len(snapshot) < FEWEST_PRODUCTS:
        return []
    size = min(len(snapshot), MOST_ROWS)
    nights = min(MOST_NIGHTS, SIMULATED_ROWS // size)
    return simulate_nights(snapshot, count_signals, nights=nights, seed=seed)


def write_rows(path: Path | str, report: DriftReport) -> None:
    """Writes the products that alarms name as Parquet."""
    schema = pa.schema([(field.name, pa.string()) for field in fields(SuspectRow)])
    with new_file(require_path(path, "path")) as file:
        pq.write_table(pa.Table.from_pylist([vars(row) for row in report.rows], schema), file)


def _choose(store: Path, last: int | None, tonight: int | None) -> tuple[Generation, Generation]:
    newer = open_generation(store, tonight)
    last = number_before(store, newer) if last is None else last
    if last is None:
        raise StoreError(
            f"{store}: has no generation before {newer.number} to compare it with. "
            "Run `build()` again when the catalogue has changed."
        )
    if last == newer.number:
        raise StoreError(f"{store}: generation {last} cannot be compared with itself.")
    return open_generation(store, last), newer


def _history(store: Path, last: Snapshot, most: int) -> tuple[list[Counts], list[str]]:
    """What the nights before the last generation had, and which of them could not be read."""
    found: list[Counts] = []
    warnings: list[str] = []
    newer, number = last, number_before(store, open_generation(store, last.number))
    while number is not None and len(found) < most:
        try:
            generation = open_generation(store, number)
            older = read_snapshot(generation)
        except (DamagedError, MismatchError) as error:
            warnings.append(f"generation {number} is no example of an ordinary night: {error}")
            break
        if older.model != newer.model:
            break
        found.append(count_signals(pair_snapshots(older, newer)))
        newer, number = older, number_before(store, generation)
    return found, warnings


def _unpublished(store: Path, newest: Generation) -> list[str]:
    """What to warn of where a later run listed its rejects, and published nothing."""
    kept = [each for each in survey_generations(store) if isinstance(each, Generation)]
    names = {str(each.manifest["embeddings"]) for each in kept}
    lists = [path for path in store.glob("rejects/*.parquet") if path.stem not in names]
    last = max((path.stat().st_mtime for path in lists), default=0.0)
    when = f"{datetime.fromtimestamp(last, UTC):%Y-%m-%dT%H:%M:%SZ}"
    if when <= newest.published:
        return []
    return [
        f"a run at {when} published nothing, such as a night that was refused: what is compared is "
        f"generation {newest.number}, of {newest.published}"
    ]


def _compare_queries(
    pair: Pair,
    generations: tuple[Generation, Generation],
    queries: Sequence[Query | RejectedQuery],
) -> list[MovedQuery]:
    if not queries:
        return []
    logger.info("comparing queries", extra={"phase": "query"})
    with Searcher(generations[0]) as old, Searcher(generations[1], old.encoders) as new:
        return compare_queries(pair, (old, new), queries)


def _drift(pair: Pair, alarms: Sequence[Alarm], rows: Sequence[SuspectRow]) -> float:
    """The share of the products that alarms name; all of them where an alarm names none."""
    if any(not alarm.product_ids for alarm in alarms):
        return 1.0
    named = len({row.product_id for row in rows})
    return round(named / max(1, len(pair.last), len(pair.tonight)), 6)


def _changes(pair: Pair) -> dict[str, int]:
    changes = {TEXT: int(pair.new_texts.sum())}
    if pair.same_model:
        changes["picture"] = int(pair.new_pictures.sum())
    for name in pair.columns:
        values = pair.values(name)
        changes[name] = int((values.before != values.after).sum())
    return changes


def _rejects(store: Path, generations: tuple[Generation, Generation]) -> dict[str, dict[str, int]]:
    """Rejected rows of both nights by reason; empty where a list is gone."""
    reasons = [_read_rejects(store, each)["reason"].to_pylist() for each in generations]
    counts = [dict(Counter(each).most_common()) for each in reasons]
    return dict(zip(("last", "tonight"), counts, strict=True))


def _read_rejects(store: Path, generation: Generation) -> pa.Table:
    path = store / "rejects" / f"{generation.manifest.get('embeddings')}.parquet"
    if not path.is_file():
        return pa.table({name: pa.array([], pa.string()) for name in ("product_id", "reason")})
    table = pq.read_table(path)
    return table.filter(pc.invert(table["embedded"]))


def _rejected(pair: Pair, store: Path) -> Signal:
    """Products that were there and are rejected now."""
    rejects = _read_rejects(store, open_generation(store, pair.tonight.number))
    names = pair.last.night.product_ids.take(pa.array(pair.removed))
    chosen = pc.is_in(names, value_set=rejects["product_id"].combine_chunks())
    rows = pair.removed[chosen.to_numpy(zero_copy_only=False)]
    reasons = ", ".join(str(each) for each in rejects["reason"].unique().to_pylist()[:3])
    return Signal("rejected", "", f"are rejected now ({reasons})", rows, gone=True)


def _titles(pair: Pair, moved: Sequence[MovedQuery]) -> dict[str, str]:
    """The titles of the products of queries that moved."""
    wanted = {name for query in moved for name in (*query.before, *query.after)}
    titles: dict[str, str] = {}
    for snapshot in (pair.last, pair.tonight):
        if "title" in snapshot.products.column_names:
            names = snapshot.night.product_ids
            found = pc.indices_nonzero(
                pc.is_in(names, value_set=pa.array(sorted(wanted), pa.string()))
            )
            chosen = (
                names.take(found).to_pylist(),
                snapshot.products["title"].take(found).to_pylist(),
            )
            titles |= {name: str(title) for name, title in zip(*chosen, strict=True) if title}
    return titles


def _over_time(store: Path) -> list[GenerationFigures]:
    return [
        GenerationFigures(
            each.number,
            each.product_count,
            each.manifest.get("recall_at_10"),  # type: ignore[arg-type]  # as index wrote it
            each.manifest.get("agreement"),  # type: ignore[arg-type]
            str(each.manifest["model"]),
        )
        for each in survey_generations(store)
        if isinstance(each, Generation)
    ]
