"""Options of `embed` that `build` has too."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    add_options,
    gather,
)

if TYPE_CHECKING:
    from prodmatch.embed import EmbedSettings  # loads torch

OF_SETTINGS = (
    "device", "precision", "engine", "workers", "max_reject", "max_removed", "max_lost",
    "accept_changes",
)  # fmt: skip


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


# Of `embed`, that `build` has too; `embedding` is the `EmbedOptions`.
embed_options = add_options(
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
        help="Share of the products that stay that may be without the text or picture they had.",
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
    gather("embedding", lambda **values: EmbedOptions(values), OF_SETTINGS),
)
