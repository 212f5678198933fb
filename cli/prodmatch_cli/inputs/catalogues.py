"""Catalogues and pictures that commands open."""

import logging
from collections.abc import Mapping
from pathlib import Path

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.catalogue.remembered import find_product_pictures, open_remembered
from prodmatch.errors import ProdmatchError
from prodmatch_cli.terminal.messages import print_warnings

logger = logging.getLogger(__name__)


def find_pictures(
    store: Path, catalogue: Path | str | None, options: CatalogueOptions, product_ids: set[str]
) -> dict[str, bytes]:
    """A picture of each of some products by id, from the catalogue given, or the one of the store.

    Without a catalogue given, one that cannot be read is a warning: the answer needs none.
    """
    found = find_all_pictures(store, catalogue, options, product_ids)
    return {name: pictures[0] for name, pictures in found.items()}


def find_all_pictures(
    store: Path, catalogue: Path | str | None, options: CatalogueOptions, product_ids: set[str]
) -> Mapping[str, list[bytes]]:
    """As `find_pictures`, all of each product's list."""
    found = find_product_pictures(store, product_ids, catalogue, options)
    if found.reason is not None:
        print_warnings([f"no pictures are shown: {found.reason}"])
    return found.by_id


def find_listed_pictures(store: Path, options: CatalogueOptions, product_id: str) -> list[bytes]:
    """A product's pictures, where the store's catalogue can be read and has lists of them."""
    try:
        catalogue = open_remembered(store, None, options, fetch="nothing")
        if catalogue.has_picture_lists:
            return catalogue.find_all_pictures({product_id}).get(product_id, [])
    except ProdmatchError as error:
        logger.debug("no pictures are compared: %s", error)
    return []
