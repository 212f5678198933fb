"""Commands that read: they import neither torch nor transformers."""

from collections.abc import Sequence
from pathlib import Path

import click

from prodmatch.errors import QueryError
from prodmatch.evaluation.trec import read_qrels, read_run
from prodmatch.model.description import open_model
from prodmatch.recommend import recommend_products
from prodmatch.search.hits import Answer, Hit
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query, read_picture, read_queries
from prodmatch.search.searcher import SearchOptions
from prodmatch.storage.atomic import new_file, write_json
from prodmatch_cli.options import STORE, picture_options, read_pairs, read_weights
from prodmatch_cli.output import print_explanation, print_json, print_rows, print_table

FILE = click.Path(path_type=Path)
COLUMNS = ("rank", "product_id", "title", "score", "probability")
MOST_SAID = 200  # letters, of what was searched for
HEAT_PIXELS = 320  # of a side of the heat map's picture
PARTS = ("lexical", "text", "image")
TOP = click.option("--top", type=int, default=10, show_default=True, help="Hits of a query.")
WHERE = click.option(
    "--filter", "where", help="SQL condition, such as \"price < 50 AND colour = 'red'\"."
)
WEIGHTS = click.option("--weights", help="Of the signals, such as lexical=0.5,text=0.2,image=0.3.")
FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
)
EXPLAIN = click.option(
    "--explain", is_flag=True, help="Show each signal's share of the score in the table."
)


@click.command()
@click.argument("text", required=False)
@STORE
@click.option("--image", type=click.Path(path_type=Path), help="A picture to ask with.")
@click.option("--id", "product_id", help="Products like this one of the index.")
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    help="Parquet or JSON lines (- for standard input) with query_id and text, image (bytes or "
    "path) or product_id.",
)
@TOP
@WHERE
@WEIGHTS
@FORMAT
@EXPLAIN
@click.option("--html", type=FILE, help="Write the answers as a page with pictures, too.")
@picture_options
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
    html: Path | None,
    catalogue: Path | None,
    columns: str | None,
    image_root: Path | None,
    model: str | None,
) -> None:
    """Find the products that match TEXT, a picture, or another product."""
    if catalogue is not None and html is None:
        raise click.UsageError("--catalogue is for the pictures of --html FILE; give that too.")
    _check_target(html, "--html")
    if queries is not None and (text or image or product_id):
        raise click.UsageError("--queries stands alone, without TEXT, --image or --id.")
    if queries is not None:
        given = read_queries(queries)
    else:
        picture = read_picture(image, "--image") if image else None
        given = [Query("q", text, picture, product_id)]
    expected = open_model(model) if model else None
    index = open_index(store, model=expected, long_lived=queries is not None)
    options = SearchOptions(where, top, read_weights(weights))
    answers = index.answer(given, options)
    for answer in answers:
        if answer.error is not None:
            raise QueryError(answer.error)
    corrected = None if queries is not None else _report_correction(answers[0])
    found = [answer.hits for answer in answers]
    if html is not None:
        from prodmatch.reports.answers_page import answers_page

        shown = {hit.product_id for hits in found for hit in hits}
        pictures = _find_pictures(catalogue, columns, image_root, shown)
        facts = {
            "searched for": corrected,
            "filter": where,
            "weights": weights,
            "generation": index.generation.number,
        }
        facts = {name: value for name, value in facts.items() if value is not None}
        with new_file(html) as file:
            file.write(answers_page(given, found, pictures, facts=facts).encode())
    _print_hits(found, form, explain=explain, many=queries is not None)


@click.command()
@STORE
@click.option("--liked", multiple=True, required=True, help="A product's id; give it repeatedly.")
@click.option("--disliked", multiple=True, help="A product to keep away from; repeatedly.")
@TOP
@WHERE
@click.option("--weights", help="Of the two parts, such as text=0.4,image=0.6.")
@FORMAT
@EXPLAIN
def recommend(
    store: Path,
    liked: tuple[str, ...],
    disliked: tuple[str, ...],
    top: int,
    where: str | None,
    weights: str | None,
    form: str,
    explain: bool,
) -> None:
    """Find products near a history of liked ones; the history itself is left out."""
    options = SearchOptions(where, top, read_weights(weights))
    found = recommend_products(open_index(store), liked, disliked, options)
    _print_hits([found], form, explain=explain, many=False)


@click.command()
@click.argument("text", metavar="QUERY")
@click.argument("product_id")
@STORE
@click.option("--image", type=FILE, help="A picture to ask with, beside QUERY or, if '', alone.")
@WEIGHTS
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.option("--html", type=FILE, help="Write a page, too.")
@click.option("--png", type=FILE, help="Write the heat map over the product's picture.")
@picture_options
def explain(
    text: str,
    product_id: str,
    store: Path,
    image: Path | None,
    weights: str | None,
    form: str,
    html: Path | None,
    png: Path | None,
    catalogue: Path | None,
    columns: str | None,
    image_root: Path | None,
) -> None:
    """Say why the product PRODUCT_ID answers QUERY: the score's parts, words, a heat map.

    The heat map needs the product's picture, and so --catalogue.
    """
    from prodmatch.explain import explain_product, paint
    from prodmatch.reports.answers_page import explanation_page

    if png is not None and catalogue is None:
        raise click.UsageError("--png needs the product's picture: give --catalogue.")
    _check_target(html, "--html")
    _check_target(png, "--png")
    query = Query("q", text or None, read_picture(image, "--image") if image else None)
    index = open_index(store)
    picture = _find_pictures(catalogue, columns, image_root, {product_id}).get(product_id)
    if catalogue is not None and picture is None:
        raise QueryError(f"--catalogue {catalogue}: has no picture of the product {product_id!r}.")
    found = explain_product(
        index, query, product_id, picture=picture, weights=read_weights(weights)
    )
    if html is not None:
        with new_file(html) as file:
            file.write(explanation_page(found).encode())
    if png is not None and found.heat_map is not None:
        with new_file(png) as file:
            paint(found.heat_map, HEAT_PIXELS).save(file, "PNG")
    print_explanation(found.as_dict(), form)


def _check_target(path: Path | None, option: str) -> None:
    """A file is replaced whole: a device, such as /dev/null, would be gone."""
    if path is not None and path.exists() and not path.is_file():
        raise click.UsageError(f"{option} {path}: is there, and is no regular file.")


def _find_pictures(
    catalogue: Path | None, columns: str | None, image_root: Path | None, asked: set[str]
) -> dict[str, bytes]:
    if catalogue is None:
        return {}
    from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue

    options = CatalogueOptions(columns=read_pairs(columns, "--columns"), image_root=image_root)
    return open_catalogue(catalogue, options).find_pictures(asked)


def _report_correction(answer: Answer) -> str | None:
    """What was searched for instead of what was typed; None where it is the same."""
    if answer.searched_for is not None:
        click.echo(f"Searched for: {answer.searched_for}"[:MOST_SAID], err=True)
    return answer.searched_for


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
@click.option("--qrels", type=FILE, required=True, help="Qrels: Parquet, JSON lines or TREC.")
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
    """Measure each signal and the hybrid on judged queries.

    With --out it writes evaluation.json, evaluation.html and a run file of each system.
    """
    from prodmatch.evaluate import EvaluateSettings, evaluate_index
    from prodmatch.reports.evaluation_page import evaluation_page

    settings = EvaluateSettings(
        relevant=relevant, threshold=threshold, weights=read_weights(weights), where=where
    )
    found = evaluate_index(
        open_index(store),
        read_queries(queries),
        read_qrels(qrels),
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
        | {"gain": gain.difference, "over": gain.signal, "p": gain.p}
        for measure, gain in found.gains.items()
    ]
    print_table(rows, ["measure", *found.figures, "gain", "over", "p"])
