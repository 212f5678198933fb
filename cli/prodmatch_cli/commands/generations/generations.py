"""The command `generations`."""

from pathlib import Path

import click

from prodmatch.errors import DamagedError, MismatchError
from prodmatch.storage.generations import (
    DamagedGeneration,
    Generation,
    current_number,
    survey_generations,
)
from prodmatch_cli.options.shared import FORMAT, STORE
from prodmatch_cli.terminal.output import print_rows

COLUMNS = ("generation", "current", "published", "products", "type", "recall_at_10", "model")


@click.command()
@STORE
@FORMAT
def generations(store: Path, form: str) -> None:
    """List the published generations of a store.

    A damaged one is listed as such, and the exit status is 3.
    """
    found = survey_generations(store)
    errors: list[DamagedError | MismatchError] = [
        each.error for each in found if isinstance(each, DamagedGeneration)
    ]
    current = None
    try:
        current = current_number(store) if found else None
    except DamagedError as error:  # of the pointer
        errors.append(error)
    rows = [_row(each, each.number == current) for each in found]
    if form == "table":
        rows = [{**row, "products": "damaged"} if "error" in row else row for row in rows]
    print_rows(rows, form, COLUMNS)
    if errors:
        raise errors[0]


def _row(found: Generation | DamagedGeneration, current: bool) -> dict[str, object]:
    row: dict[str, object] = {"generation": found.number, "current": current}
    if isinstance(found, DamagedGeneration):
        return {**row, "published": None, "products": None, "error": str(found.error)}
    return {
        **row,
        "published": found.published,
        "products": found.product_count,
        "type": found.manifest.get("type"),
        "recall_at_10": found.manifest.get("recall_at_10"),
        "model": found.manifest["model"],
        "model_fingerprint": str(found.manifest["model_fingerprint"])[:12],
    }
