"""Commands that read: they import neither torch nor transformers."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from prodmatch.errors import QueryError
from prodmatch.models import open_model
from prodmatch.query import Hit, Question, open_index
from prodmatch_cli.options import STORE, read_pairs
from prodmatch_cli.output import print_rows

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
        questions = _read_questions(queries)
    else:
        questions = [Question("q", text, _read_picture(image), product_id)]
    expected = open_model(model) if model else None
    found = open_index(store, model=expected).search_many(
        questions, where=where, top=top, weights=_read_weights(weights)
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


def _read_weights(value: str | None) -> dict[str, float] | None:
    if value is None:
        return None
    try:
        return {name: float(number) for name, number in read_pairs(value, "--weights").items()}
    except ValueError as error:
        raise click.UsageError(
            f"--weights: {value!r} holds something that is no number."
        ) from error


def _read_picture(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise QueryError(f"--image {path}: cannot be read ({error.strerror}).") from error


def _read_questions(path: Path) -> list[Question]:
    if not path.is_file():
        raise QueryError(f"--queries {path}: there is no such file.")
    rows = _read_parquet(path) if path.suffix == ".parquet" else _read_lines(path)
    if not rows:
        raise QueryError(f"--queries {path}: holds no query.")
    return [_question(row, number, path) for number, row in enumerate(rows, start=1)]


def _read_parquet(path: Path) -> list[dict[str, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, object]] = pq.read_table(path).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise QueryError(f"--queries {path}: cannot be read as Parquet ({error}).") from error
    return rows


def _read_lines(path: Path) -> list[dict[str, object]]:
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise QueryError(f"--queries {path}: line {number} is no JSON ({error}).") from error
        if not isinstance(row, dict):
            raise QueryError(f"--queries {path}: line {number} is no JSON object.")
        rows.append(row)
    return rows


def _question(row: dict[str, object], number: int, path: Path) -> Question:
    known = {"query_id", "text", "image", "product_id"}
    if not known & set(row):
        raise QueryError(
            f"--queries {path}: query {number} has none of the fields {sorted(known)}; "
            f"found {sorted(row)}."
        )
    image = row.get("image")
    if isinstance(image, str):
        image = _read_picture(path.parent / image)
    text, product_id = row.get("text"), row.get("product_id")
    return Question(
        str(row.get("query_id", number)),
        None if text is None else str(text),
        image if isinstance(image, bytes) else None,
        None if product_id is None else str(product_id),
    )
