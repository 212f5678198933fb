"""The command `gc`."""

from pathlib import Path

import click

from prodmatch.storage.generations import collect_garbage
from prodmatch_cli.options import STORE
from prodmatch_cli.output import print_json


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
