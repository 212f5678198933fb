"""Commands that look after published generations."""

from pathlib import Path

import click

from prodmatch.export import Form, export_embeddings
from prodmatch.storage.generations import (
    collect_garbage,
    list_generations,
    open_generation,
    open_generation_number,
    roll_back,
    verify_generation,
)
from prodmatch_cli.options import STORE
from prodmatch_cli.output import print_json, print_rows

FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")


@click.command()
@STORE
@FORMAT
def generations(store: Path, form: str) -> None:
    """List the published generations of a store."""
    found = list_generations(store)
    current = open_generation_number(store) if found else 0
    rows = [
        {
            "generation": generation.number,
            "current": "yes" if generation.number == current else "",
            "products": generation.product_count,
            "type": generation.manifest["type"],
            "recall_at_10": generation.manifest["recall_at_10"],
            "model": generation.manifest["model"],
            "model_fingerprint": str(generation.manifest["model_fingerprint"])[:12],
        }
        for generation in found
    ]
    columns = ("generation", "current", "products", "type", "recall_at_10", "model")
    print_rows(rows, form, columns)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@STORE
@click.option(
    "--to",
    "form",
    type=click.Choice(["npy", "parquet", "hf"]),
    default="parquet",
    show_default=True,
    help="Arrays, one table, or a folder that Hugging Face's datasets loads.",
)
@click.option("--generation", "number", type=int, help="Which one.  [default: the current one]")
def export(out: Path, store: Path, form: Form, number: int | None) -> None:
    """Write every product's embedding to a new directory OUT, for other programs."""
    print_json(export_embeddings(open_generation(store, number), form, out).as_dict())


@click.command()
@STORE
@click.option("--to", "number", type=int, help="The generation to go to.  [default: the last one]")
def rollback(store: Path, number: int | None) -> None:
    """Go back to an earlier generation, after checking that it is whole."""
    generation = roll_back(store, number)
    print_json({"generation": generation.number, "products": generation.product_count})


@click.command()
@STORE
@click.option("--generation", "number", type=int, help="Which one.  [default: the current one]")
def verify(store: Path, number: int | None) -> None:
    """Read every file of a generation and compare its SHA-256 with the manifest."""
    generation = open_generation(store, number)
    verify_generation(generation)
    print_json({"generation": generation.number, "files": len(generation.files), "whole": True})


@click.command()
@STORE
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=60,
    show_default=True,
    help="Younger generations stay: a query may have them open.",
)
def gc(store: Path, keep: int, minutes: float) -> None:
    """Remove generations and embeddings that nothing refers to; features are kept."""
    removed = collect_garbage(store, keep, seconds=60 * minutes)
    print_json({"removed": [str(path.relative_to(store)) for path in removed]})
