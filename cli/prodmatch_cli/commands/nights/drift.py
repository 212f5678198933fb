"""The command `drift`."""

from pathlib import Path

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.drift import DriftSettings, check_drift, compare_generations, write_rows
from prodmatch.evaluation.over_time import read_evaluations
from prodmatch.morning.report import DriftReport, report_fields
from prodmatch.search.queries import read_queries
from prodmatch.storage.atomic import write_file, write_json
from prodmatch_cli.inputs.catalogues import find_pictures
from prodmatch_cli.options.parameter_types import PATH, FloatRange
from prodmatch_cli.options.shared import FORMAT, STORE
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.messages import print_warnings, translate
from prodmatch_cli.terminal.output import print_json, print_lines, print_table

PAGE, FIGURES, ROWS = "drift.html", "drift.json", "rows.parquet"  # of --out


@click.command()
@STORE
@click.option("--generation", "number", type=int, help="The newer one.  [default: the current one]")
@click.option("--against", type=int, help="The older one.  [default: the one before it]")
@click.option(
    "--queries",
    type=PATH,
    help="As for query: whose first ten products are compared.  [default: twenty, from titles]",
)
@click.option(
    "--evaluations",
    type=PATH,
    help="Directory with what evaluate --out wrote, a folder a night, named so that they sort: "
    "nDCG@10 over time.",
)
@click.option(
    "--max-drift",
    type=FloatRange(0, 1),
    help="Share of the products that alarms may name; above it the exit status is 1.  [default: "
    "no limit]",
)
@click.option(
    "--history",
    type=click.IntRange(0),
    default=5,
    help="Earlier nights in the store, at most, that say what is usual.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="Of the simulated nights."
)
@click.option("--out", type=PATH, help="Directory for drift.html, drift.json and rows.parquet.")
@FORMAT
def drift(
    store: Path,
    number: int | None,
    against: int | None,
    queries: Path | None,
    evaluations: Path | None,
    max_drift: float | None,
    history: int,
    seed: int,
    out: Path | None,
    form: str,
) -> None:
    """Compare the current generation with the one before, and report what is unusual.

    Rows added, changed, removed and rejected; texts and pictures of other products, placeholders,
    prices that jump, columns that lose values, other languages, duplicates, categories whose
    vectors moved, and queries whose first ten products are others. An alarm is more of it than
    ordinary nights have: the store's earlier ones, and ones simulated from its products.
    """
    check_targets(*((out and out / name, "--out") for name in (PAGE, FIGURES, ROWS)))
    settings = DriftSettings(history=history, seed=seed)
    report = compare_generations(
        store,
        last=against,
        tonight=number,
        queries=None if queries is None else read_queries(queries),
        evaluations=[] if evaluations is None else read_evaluations(evaluations),
        settings=settings,
    )
    if out is not None:
        _write(out, report, store)
    print_warnings(report.warnings)
    if form == "json":
        print_json(report_fields(report))
    else:
        _print(report)
    if max_drift is not None:
        check_drift(report, max_drift)


def _write(out: Path, report: DriftReport, store: Path) -> None:
    from prodmatch.reports.morning import morning_page, shown_products

    pictures = find_pictures(store, None, CatalogueOptions(), set(shown_products(report)))
    write_file(out / PAGE, morning_page(report, pictures))
    write_json(out / FIGURES, report_fields(report))
    write_rows(out / ROWS, report)


def _print(report: DriftReport) -> None:
    """The figures of the night, its alarms, and the queries that moved."""
    figures = {
        "products": report.products["tonight"],
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "rejected": sum(report.rejected["tonight"].values()),
        "queries moved": len(report.moved),
        "alarms": len(report.alarms),
    }
    names = f"generation {report.tonight} against {report.last}"
    print_table([{"": names, **figures}], ["", *figures])
    if report.alarms:
        print_lines(["", *(f"alarm: {translate(alarm.text)}" for alarm in report.alarms)])
