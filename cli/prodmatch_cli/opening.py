"""Catalogues and pictures that commands open."""

from pathlib import Path

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch_cli.options import read_names, read_pairs


def open_given(
    catalogue: Path,
    columns: str | None,
    text_columns: str | None,
    image_root: Path | None,
    *,
    allow_empty: bool = False,
) -> Catalogue:
    """The catalogue, read as the options say."""
    return open_catalogue(
        catalogue, read_options(columns, text_columns, image_root, allow_empty=allow_empty)
    )


def read_options(
    columns: str | None,
    text_columns: str | None,
    image_root: Path | None,
    *,
    allow_empty: bool = False,
) -> CatalogueOptions:
    """How a catalogue is read, from the values of `catalogue_options`."""
    return CatalogueOptions(
        columns=read_pairs(columns, "--columns"),
        text_columns=read_names(text_columns) or CatalogueOptions().text_columns,
        image_root=image_root,
        allow_empty=allow_empty,
    )


def find_pictures(
    catalogue: Path, columns: str | None, image_root: Path | None, product_ids: set[str]
) -> dict[str, bytes]:
    """The pictures of some products, by id."""
    return open_given(catalogue, columns, None, image_root).find_pictures(product_ids)
