"""The command `gc`."""

from pathlib import Path

import click

from prodmatch.storage.garbage import collect_garbage
from prodmatch_cli.options.parameter_types import FloatRange
from prodmatch_cli.options.shared import STORE
from prodmatch_cli.terminal.output import print_json


@click.command()
@STORE
@click.option("--keep", type=click.IntRange(1), default=3)
@click.option(
    "--minutes",
    type=FloatRange(0),
    default=60,
    help="What is younger stays: a training, or a reader on another machine, may use it.",
)
def gc(store: Path, keep: int, minutes: float) -> None:
    """Remove what nothing refers to.

    These are old generations and embeddings, and the features, encoders and lists of rejects that
    neither the newest embeddings nor a kept generation were made with. A generation that a service
    or another reader has open is kept, and named as "in_use".
    """
    collected = collect_garbage(store, keep, seconds=60 * minutes)
    print_json(
        {
            name: [str(path.relative_to(store)) for path in paths]
            for name, paths in vars(collected).items()
        }
    )
