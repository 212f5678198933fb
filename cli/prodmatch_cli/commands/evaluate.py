"""The command `evaluate`."""

from dataclasses import asdict
from pathlib import Path

import click

from prodmatch.evaluation.trec import read_qrels, read_run
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import require_queries
from prodmatch.storage.atomic import new_file, write_json
from prodmatch_cli.options import FORMAT, PATH, STORE, FloatRange, read_weights
from prodmatch_cli.output import print_json, print_table


@click.command()
@STORE
@click.option("--queries", type=PATH, required=True, help="As for query.")
@click.option("--qrels", type=PATH, required=True, help="Qrels: Parquet, CSV, JSON lines or TREC.")
@click.option("--relevant", type=int, default=1, show_default=True, help="Lowest grade of a match.")
@click.option("--threshold", type=FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--filter", "where", help="SQL condition, as for query.")
@click.option("--weights", help="Of the hybrid, as for query.")
@click.option("--run", "runs", type=PATH, multiple=True, help="Another program's run, TREC's form.")
@click.option("--out", type=PATH, help="Directory for runs and reports.")
@FORMAT
def evaluate(
    store: Path,
    queries: Path,
    qrels: Path,
    relevant: int,
    threshold: float,
    where: str | None,
    weights: str | None,
    runs: tuple[Path, ...],
    out: Path | None,
    form: str,
) -> None:
    """Measure each signal and the hybrid on judged queries.

    With --out it writes evaluation.json, evaluation.html and a run file of each system.
    """
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
    rows = [
        {"measure": measure, **{name: found.figures[name][measure].value for name in found.figures}}
        | {"gain": gain.difference, "over": gain.signal, "p": gain.p}
        for measure, gain in found.gains.items()
    ]
    print_table(rows, ["measure", *found.figures, "gain", "over", "p"])
