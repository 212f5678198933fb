"""A catalogue read by the options given, and otherwise as its store remembers."""

from dataclasses import replace
from pathlib import Path

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.errors import StoreError
from prodmatch.storage.settings import read_settings

DEFAULT_MODEL = "compact"


def remembered_model(store: Path) -> str:
    """The name or directory of the model that a store is made with, else the shipped one."""
    settings = read_settings(store)
    return DEFAULT_MODEL if settings is None else settings.model


def open_remembered(
    store: Path, catalogue: Path | None = None, options: CatalogueOptions | None = None
) -> Catalogue:
    """The catalogue given, or the store's; what the options leave out is the store's too.

    Args:
        store: its `store.json` is read, nothing is written.
        catalogue: the one that the store was last made from if None.
        options: `columns`, `text_columns` and `image_root`, where not empty, go before the
            store's. Columns that the store leaves out are left out always.

    Raises:
        StoreError: no catalogue is given, and the store knows none.
        CatalogueError: the catalogue cannot be used.
    """
    options, settings = options or CatalogueOptions(), read_settings(store)
    if settings is not None:
        options = replace(
            options,
            columns=options.columns or settings.columns,
            text_columns=options.text_columns or settings.text_columns,
            image_root=options.image_root or settings.image_root,
            left_out_before=(*options.left_out_before, *settings.leave_out),
        )
        catalogue = catalogue or settings.catalogue
    if catalogue is None:
        raise StoreError(f"{store}: was made from no catalogue yet. Give `catalogue`.")
    return open_catalogue(catalogue, options)
