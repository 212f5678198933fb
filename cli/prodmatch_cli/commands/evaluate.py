"""The command `evaluate`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodmatch.evaluation.trec import read_qrels, read_run
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import require_queries
from prodmatch.storage.atomic import new_file, write_json
from prodmatch_cli.options import (
    EVENT_WEIGHTS,
    FORMAT,
    HALF_LIFE,
    PATH,
    STORE,
    FloatRange,
    read_log_settings,
    read_weights,
)
from prodmatch_cli.output import print_json, print_table

if TYPE_CHECKING:
    from prodmatch.evaluate import Gain
    from prodmatch.evaluation.statistics import Figure
    from prodmatch.histories.log import LogSettings


@click.command()
@STORE
@click.option("--queries", type=PATH, help="As for query.")
@click.option("--qrels", type=PATH, help="Qrels: Parquet, CSV, JSON lines or TREC.")
@click.option("--histories", type=PATH, help="Log as for recommend, instead of judged queries.")
@EVENT_WEIGHTS
@HALF_LIFE
@click.option("--relevant", type=int, default=1, show_default=True, help="Lowest grade of a match.")
@click.option("--threshold", type=FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--filter", "where", help="SQL condition, as for query.")
@click.option("--weights", help="Of the hybrid, as for query.")
@click.option("--run", "runs", type=PATH, multiple=True, help="Another program's run, TREC's form.")
@click.option("--out", type=PATH, help="Directory for runs and reports.")
@FORMAT
def evaluate(
    store: Path,
    queries: Path | None,
    qrels: Path | None,
    histories: Path | None,
    events: str | None,
    half_life: float,
    relevant: int,
    threshold: float,
    where: str | None,
    weights: str | None,
    runs: tuple[Path, ...],
    out: Path | None,
    form: str,
) -> None:
    """Measure each signal and the hybrid on judged queries.

    With --out it writes evaluation.json, evaluation.html and a run file of each system. With
    --histories it measures recommendations: the last product of one user in ten is left out and
    searched for, by content, by co-views, by what most users have, and by the blend.
    """
    if histories is not None:
        if queries is not None or qrels is not None or out is not None:
            raise click.UsageError("--histories: goes without --queries, --qrels and --out.")
        _evaluate_histories(store, histories, read_log_settings(events, half_life), form)
        return
    if queries is None or qrels is None:
        raise click.UsageError("Give --queries and --qrels, or --histories.")
    from prodmatch.evaluate import EvaluateSettings, evaluate_index

    settings = EvaluateSettings(
        relevant=relevant, threshold=threshold, weights=read_weights(weights), where=where
    )
    found = evaluate_index(
        open_index(store),
        require_queries(queries),
        read_qrels(qrels),
        settings,
        runs={path.stem: read_run(path) for path in runs},
        out=out,
    )
    if out is not None:
        write_json(out / "evaluation.json", asdict(found))
        from prodmatch.reports.html import evaluation_page

        with new_file(out / "evaluation.html") as file:
            file.write(evaluation_page(found, f"{queries.name} on {store}").encode())
    if form == "json":
        print_json(asdict(found))
        return
    _print_figures(found.figures, found.gains)


def _evaluate_histories(store: Path, log: Path, settings: "LogSettings", form: str) -> None:
    from prodmatch.evaluate import evaluate_histories

    found = evaluate_histories(open_index(store), log, settings)
    if form == "json":
        print_json(asdict(found))
    else:
        _print_figures(found.figures, found.gains)


def _print_figures(
    figures: "Mapping[str, Mapping[str, Figure]]", gains: "Mapping[str, Gain]"
) -> None:
    rows = [
        {"measure": measure, **{name: figures[name][measure].value for name in figures}}
        | {"gain": gain.difference, "over": gain.signal, "p": gain.p}
        for measure, gain in gains.items()
    ]
    print_table(rows, ["measure", *figures, "gain", "over", "p"])
