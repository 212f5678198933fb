"""Options of `embed` that `build` has too."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from prodmatch.storage.locks import hold_store, share_store
from prodmatch_cli.options.parameter_types import FloatRange
from prodmatch_cli.options.shared import (
    DEVICE,
    DOWNLOAD,
    ENGINE,
    LEAVE_OUT,
    MAX_REJECT,
    MODEL,
    PRECISION,
    WORKERS,
    Command,
    add_options,
)

if TYPE_CHECKING:
    from prodmatch.embed import EmbedSettings  # loads torch


@dataclass(frozen=True)
class EmbedOptions:
    """The values of the options that `EmbedSettings` is made of, by its fields."""

    values: dict[str, Any]

    @contextlib.contextmanager
    def hold(self, store: Path) -> Iterator["EmbedSettings"]:
        """Holds a store for writing, then gives the settings: torch takes seconds to load.

        Raises:
            LockedError: another run holds it.
            StoreError: the store cannot be created or written.
        """
        if self.values["engine"] == "ray":
            share_store(store)
        with hold_store(store):
            from prodmatch.embed import EmbedSettings

            yield EmbedSettings(**self.values)


def embed_options(command: Command) -> Command:
    """Adds the options of `embed` that `build` has too; `embedding` is the `EmbedOptions`."""
    names = (
        "device", "precision", "engine", "workers", "max_reject", "max_removed", "max_lost",
        "accept_changes",
    )  # fmt: skip

    @wraps(command)
    def gathered(**values: Any) -> None:
        embedding = EmbedOptions({name: values.pop(name) for name in names})
        command(**values, embedding=embedding)

    add = add_options(
        MODEL,
        DOWNLOAD,
        DEVICE,
        PRECISION,
        ENGINE,
        WORKERS,
        LEAVE_OUT,
        MAX_REJECT,
        click.option(
            "--max-removed",
            type=FloatRange(0, 1),
            default=0.2,
            help="Share of the products that may be gone.",
        ),
        click.option(
            "--max-lost",
            type=FloatRange(0, 1),
            default=0.1,
            help="Share of the products that stay that may be without the text or picture they "
            "had.",
        ),
        click.option(
            "--accept-changes",
            is_flag=True,
            help="Let this night through, whatever it lost of what the night before had.",
        ),
        click.option(
            "--allow-empty",
            is_flag=True,
            help="Take a catalogue without rows: every product is gone.",
        ),
    )
    return add(cast(Command, gathered))
