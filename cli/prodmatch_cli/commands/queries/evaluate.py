"""The command `evaluate`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.evaluation.clicks import read_clicks
from prodmatch.evaluation.comparison import Comparison, Evaluation, Figure, Gain
from prodmatch.evaluation.trec import Qrels, join_qrels, read_qrels, read_run, write_qrels
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.search.queries import Query, require_queries
from prodmatch.search.scoring import SIGNALS
from prodmatch.storage.atomic import write_file, write_json
from prodmatch_cli.inputs.catalogues import find_pictures
from prodmatch_cli.inputs.other_index import is_store
from prodmatch_cli.options.combinations import excludes, needs
from prodmatch_cli.options.parameter_types import NAME_OR_PATH, PATH, FloatRange
from prodmatch_cli.options.shared import (
    DEVICE,
    EVENT_WEIGHTS,
    FORMAT,
    HALF_LIFE,
    STORE,
    note_other,
    read_log_settings,
    read_weights,
)
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.messages import print_warnings
from prodmatch_cli.terminal.output import print_json, print_table

if TYPE_CHECKING:
    from prodmatch.histories.log import LogSettings


OF_JUDGED = (
    *("queries", "qrels", "clicks", "against", "device", "relevant", "threshold", "where"),
    *("weights", "runs", "out"),
)

WRITTEN = (
    *("evaluation.json", "evaluation.html", "to_judge.csv", "qrels.jsonl"),
    *(f"{name}.run" for name in (*SIGNALS, "hybrid")),
)  # to --out


@click.command()
@STORE
@click.option("--queries", type=PATH, help="As for query.")
@click.option(
    "--qrels",
    type=PATH,
    multiple=True,
    help="Qrels: Parquet, CSV, JSON lines or TREC; rows without a grade are left out. Several "
    "files are joined.",
)
@click.option(
    "--clicks",
    type=PATH,
    help="Log of query, product_id, event and position instead of both: qrels are made of it.",
)
@click.option(
    "--against",
    type=NAME_OR_PATH,
    callback=note_other,
    help="Another store, or a model that this store's catalogue is embedded with meanwhile: the "
    "same queries, compared one by one.",
)
@DEVICE
@click.option("--histories", type=PATH, help="Log as for recommend, instead of judged queries.")
@EVENT_WEIGHTS
@HALF_LIFE
@click.option("--relevant", type=click.IntRange(1), default=1, help="Lowest grade of a match.")
@click.option("--threshold", type=FloatRange(0, 1), default=0.5)
@click.option("--filter", "where", help="SQL condition, as for query.")
@click.option("--weights", help="Of the hybrid, as for query.")
@click.option("--run", "runs", type=PATH, multiple=True, help="Another program's run, TREC's form.")
@click.option("--out", type=PATH, help="Directory for runs and reports.")
@FORMAT
def evaluate(
    store: Path,
    queries: Path | None,
    qrels: tuple[Path, ...],
    clicks: Path | None,
    against: str | None,
    device: str,
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

    With --out it writes evaluation.json, evaluation.html, a run file of each system, and
    to_judge.csv: first hits without a grade, which --qrels reads once they are filled in. With
    --histories it measures recommendations: the last product of one user in ten is left out and
    searched for, by content, by co-views, by what most users have, and by the blend.
    """
    if histories is not None:
        excludes("--histories", *OF_JUDGED)
        _evaluate_histories(store, histories, read_log_settings(events, half_life), form)
        return
    needs("--histories", "events", "half_life")
    if against is None or is_store(against):
        needs("--against MODEL", "device")
    if form == "table" and out is None:
        needs("--format json or --out", "threshold")
    check_targets(*((out and out / name, "--out") for name in WRITTEN))
    from prodmatch.evaluate import (
        EvaluateSettings,
        describe_filtered,
        describe_left_out,
        evaluate_index,
        search_run,
    )

    settings = EvaluateSettings(
        relevant=relevant, threshold=threshold, weights=read_weights(weights), where=where
    )
    files = _name_runs(runs, against)
    chosen, grades = _read_judged(queries, qrels, clicks)
    with open_index(store) as index:
        ids = {query.query_id for query in chosen}
        systems = {name: read_run(path, ids, index) for name, path in files.items()}
        left_out = describe_left_out(chosen, grades, systems, relevant)
        if against is not None:
            from prodmatch_cli.inputs.other_index import open_other

            with open_other(store, against, device) as other:
                _warn_of_missing(other, grades)
                systems["against"] = search_run(other, chosen, settings)
        _warn_of_missing(index, grades)
        found = evaluate_index(index, chosen, grades, settings, runs=systems, out=out)
        print_warnings([*left_out, *describe_filtered(index, chosen, grades, settings)])
        if out is not None:
            _write_reports(out, found, f"{(queries or clicks or store).name} on {store}", index)
            if clicks is not None:
                write_qrels(out / "qrels.jsonl", grades)
    if form == "json":
        print_json(asdict(found))
        return
    _print_figures(found.figures, found.gains)
    for name, comparison in found.comparisons.items():
        _print_comparison(name, comparison)


def _name_runs(runs: Sequence[Path], against: str | None) -> dict[str, Path]:
    """The files by the names of their columns, which must differ from each other and from ours."""
    from prodmatch.evaluate import HYBRID

    taken = dict.fromkeys((*SIGNALS, HYBRID), "one of ours")
    if against is not None:
        taken["against"] = f"--against {against}"
    files: dict[str, Path] = {}
    for path in runs:
        if path.stem in taken:
            raise click.UsageError(
                f"--run {path}: {path.stem!r} is the name of {taken[path.stem]} too. "
                "Rename the file."
            )
        taken[path.stem], files[path.stem] = f"--run {path}", path
    return files


def _warn_of_missing(index: ProductIndex, grades: Qrels) -> None:
    from prodmatch.evaluate import find_missing

    missing = find_missing(index, grades)
    if missing:
        print_warnings(
            [
                f"{len(missing)} products judged are not in the index of {index.store}, such as "
                f"{missing[0]!r}; they count as not found"
            ]
        )


def _read_judged(
    queries: Path | None, qrels: tuple[Path, ...], clicks: Path | None
) -> tuple[list[Query], Qrels]:
    """The queries and their qrels, of files or of a log of clicks."""
    if clicks is not None:
        excludes("--clicks", "queries", "qrels")
        return read_clicks(clicks)
    if queries is None or not qrels:
        raise click.UsageError("Give --queries and --qrels, --clicks, or --histories.")
    return require_queries(queries), join_qrels(map(read_qrels, qrels))


def _write_reports(out: Path, found: Evaluation, title: str, index: ProductIndex) -> None:
    from prodmatch.reports.html import evaluation_page, shown_products

    write_json(out / "evaluation.json", asdict(found))
    shown = set(shown_products(found))
    page = evaluation_page(
        found,
        title,
        pictures=find_pictures(index.store, None, CatalogueOptions(), shown),
        names=index.products.titles(shown),
    )
    write_file(out / "evaluation.html", page)


def _print_comparison(name: str, comparison: Comparison) -> None:
    """The hybrid less another system, and the queries that it loses most on."""
    click.echo(f"\nhybrid less {name}:")
    rows = [
        {"measure": measure, "difference": each.difference, "p": each.p}
        for measure, each in comparison.measures.items()
    ]
    print_table(rows, ["measure", "difference", "p"])
    if comparison.losses:
        click.echo(f"\nwhere {name} finds more (nDCG@10):")
        columns = ["query_id", "query", "hybrid", name]
        losses = [
            {"query_id": each.query_id, "query": each.query, "hybrid": each.ours, name: each.theirs}
            for each in comparison.losses
        ]
        print_table(losses, columns)


def _evaluate_histories(store: Path, log: Path, settings: "LogSettings", form: str) -> None:
    from prodmatch.evaluate_histories import evaluate_histories

    with open_index(store) as index:
        found = evaluate_histories(index, log, settings)
    print_warnings(found.warnings)
    if form == "json":
        print_json(asdict(found))
    else:
        _print_figures(found.figures, found.gains)


def _print_figures(figures: Mapping[str, Mapping[str, Figure]], gains: Mapping[str, Gain]) -> None:
    rows = [
        {"measure": measure, **{name: figures[name][measure].value for name in figures}}
        | {"gain": gain.difference, "over": gain.signal, "p": gain.p}
        for measure, gain in gains.items()
    ]
    print_table(rows, ["measure", *figures, "gain", "over", "p"])
