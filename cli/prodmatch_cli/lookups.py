"""Commands that read: they import neither torch nor transformers."""

from collections.abc import Sequence
from pathlib import Path

import click

from prodmatch.files import new_file, write_json
from prodmatch.judgements import read_judgements, read_run
from prodmatch.models import open_model
from prodmatch.query import Hit, open_index
from prodmatch.questions import Question, read_picture, read_questions
from prodmatch_cli.options import STORE, read_weights
from prodmatch_cli.output import print_json, print_rows, print_table

FILE = click.Path(path_type=Path)
COLUMNS = ("rank", "product_id", "title", "score", "probability")
PARTS = ("lexical", "text", "image")


@click.command()
@click.argument("text", required=False)
@STORE
@click.option("--image", type=click.Path(path_type=Path), help="A picture to ask with.")
@click.option("--id", "product_id", help="Products like this one of the index.")
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    help="Parquet or JSON lines with query_id and text, image (bytes or path) or product_id.",
)
@click.option("--top", type=int, default=10, show_default=True, help="Hits of a query.")
@click.option("--filter", "where", help="SQL condition, such as \"price < 50 AND colour = 'red'\".")
@click.option("--weights", help="Of the legs, such as lexical=0.5,text=0.2,image=0.3.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
)
@click.option("--explain", is_flag=True, help="Show each leg's share of the score in the table.")
@click.option("--model", help="Refuse unless the index was made with this model.")
def query(
    text: str | None,
    store: Path,
    image: Path | None,
    product_id: str | None,
    queries: Path | None,
    top: int,
    where: str | None,
    weights: str | None,
    form: str,
    explain: bool,
    model: str | None,
) -> None:
    """Find the products that match TEXT, a picture, or another product."""
    if queries is not None and (text or image or product_id):
        raise click.UsageError("--queries stands alone, without TEXT, --image or --id.")
    if queries is not None:
        questions = read_questions(queries)
    else:
        picture = read_picture(image, "--image") if image else None
        questions = [Question("q", text, picture, product_id)]
    expected = open_model(model) if model else None
    found = open_index(store, model=expected).search_many(
        questions, where=where, top=top, weights=read_weights(weights)
    )
    _print_hits(found, form, explain=explain, many=queries is not None)


def _print_hits(found: Sequence[Sequence[Hit]], form: str, *, explain: bool, many: bool) -> None:
    rows = [hit.as_dict() for hits in found for hit in hits]
    columns = [*(["query_id"] if many else []), *COLUMNS, *(PARTS if explain else ())]
    if not any(row.get("title") for row in rows):
        columns.remove("title")
    print_rows(rows, form, columns)
    if not rows and form == "table":
        click.echo("no product matches", err=True)


@click.command()
@STORE
@click.option("--queries", type=FILE, required=True, help="As for query.")
@click.option("--qrels", type=FILE, required=True, help="Judgements: Parquet, JSON lines or TREC.")
@click.option("--relevant", type=int, default=1, show_default=True, help="Lowest grade of a match.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--filter", "where", help="SQL condition, as for query.")
@click.option("--weights", help="Of the hybrid, as for query.")
@click.option("--run", "runs", type=FILE, multiple=True, help="Another program's run, TREC's form.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory for runs and reports.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
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
    """Measure each leg and the hybrid on judged queries.

    With --out it writes evaluation.json, evaluation.html and a run file of each system.
    """
    from prodmatch.evaluate import EvaluateSettings, evaluate_index
    from prodmatch.page import evaluation_page

    settings = EvaluateSettings(
        relevant=relevant, threshold=threshold, weights=read_weights(weights), where=where
    )
    found = evaluate_index(
        open_index(store),
        read_questions(queries),
        read_judgements(qrels),
        settings,
        runs={path.stem: read_run(path) for path in runs},
        out=out,
    )
    if out is not None:
        write_json(out / "evaluation.json", found.as_dict())
        with new_file(out / "evaluation.html") as file:
            file.write(evaluation_page(found, f"{queries.name} on {store}").encode())
    if form == "json":
        print_json(found.as_dict())
        return
    rows = [
        {"measure": measure, **{name: found.figures[name][measure].value for name in found.figures}}
        | {"gain": gain.difference, "over": gain.leg, "p": gain.p}
        for measure, gain in found.gains.items()
    ]
    print_table(rows, ["measure", *found.figures, "gain", "over", "p"])
