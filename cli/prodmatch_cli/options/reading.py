"""Options of how a catalogue is read, given to a command as one `CatalogueOptions`."""

from pathlib import Path

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.columns.name_lists import split_names
from prodmatch_cli.options.shared import COLUMNS, IMAGE_ROOT, add_options, gather, read_pairs


def read_options(
    columns: str | None,
    image_root: Path | str | None,
    text_columns: str | None = None,
    *,
    allow_empty: bool = False,
    leave_out: tuple[str, ...] = (),
) -> CatalogueOptions:
    """How a catalogue is read, from the values of these options."""
    return CatalogueOptions(
        columns=read_pairs(columns, "--columns"),
        text_columns=split_names(text_columns or ""),
        image_root=image_root,
        allow_empty=allow_empty,
        leave_out=leave_out,
    )


gather_reading = gather(
    "reading", read_options, ("columns", "image_root", "text_columns", "allow_empty", "leave_out")
)

# Of commands that take a catalogue in.
catalogue_options = add_options(
    COLUMNS,
    click.option(
        "--text-columns",
        metavar="NAME,...",
        help="Embedded and searched as text.  [default: the store's, else title,description]",
    ),
    IMAGE_ROOT,
    gather_reading,
)
