"""The command `generations`."""

from pathlib import Path

import click

from prodmatch.storage.generations import current_number, list_generations
from prodmatch_cli.options import FORMAT, STORE
from prodmatch_cli.output import print_rows


@click.command()
@STORE
@FORMAT
def generations(store: Path, form: str) -> None:
    """List the published generations of a store."""
    found = list_generations(store)
    current = current_number(store) if found else 0
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
