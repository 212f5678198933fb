"""Options that several commands share, and how their values are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

CATALOGUE = click.argument("catalogue", type=click.Path(path_type=Path))
STORE = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=True),
    default=Path("store"),
    envvar="PRODMATCH_STORE",
    show_default=True,
    show_envvar=True,
    help="Where features, embeddings and generations are kept.",
)
IMAGE_ROOT = click.option(
    "--image-root",
    type=click.Path(path_type=Path),
    help="Directory that picture paths are relative to.",
)
COLUMNS = click.option(
    "--columns",
    metavar="OURS=THEIRS,...",
    help="Names of the catalogue's columns, such as title=name,image=photo.",
)
QUIET = click.option("--quiet", is_flag=True, help="No progress bars.")


def picture_options(command: Command) -> Command:
    """Adds the options that say where products' pictures are; generations keep none."""
    for option in (
        IMAGE_ROOT,
        COLUMNS,
        click.option(
            "--catalogue",
            type=click.Path(path_type=Path),
            help="The catalogue that the index was made from, for its pictures.",
        ),
    ):
        command = option(command)
    return command


def catalogue_options(command: Command) -> Command:
    """Adds the options that say how a catalogue is read."""
    for option in (
        IMAGE_ROOT,
        click.option(
            "--text-columns",
            metavar="NAME,...",
            help="The columns embedded and searched as text.  [default: title,description]",
        ),
        COLUMNS,
    ):
        command = option(command)
    return command


def read_names(value: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(name.strip() for name in (value or "").split(",") if name.strip())


def read_pairs(value: str | None, option: str) -> dict[str, str]:
    """The pairs in `name=value,...`.

    Raises:
        click.UsageError: a part has no `=`.
    """
    pairs = {}
    for part in read_names(value):
        name, found, other = part.partition("=")
        if not found or not name.strip() or not other.strip():
            raise click.UsageError(f"{option}: {part!r} is not of the form NAME=VALUE.")
        pairs[name.strip()] = other.strip()
    return pairs


def read_weights(value: str | None) -> dict[str, float] | None:
    """The weights in `lexical=0.5,image=0.5`; None where the option was not given."""
    if value is None:
        return None
    try:
        return {name: float(number) for name, number in read_pairs(value, "--weights").items()}
    except ValueError as error:
        raise click.UsageError(
            f"--weights: {value!r} holds something that is no number."
        ) from error
