"""A catalogue read by the options given, and otherwise as its store remembers."""

import contextlib
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prodmatch.catalogue.mirror import Fetch
from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.errors import CatalogueError, ProdmatchError, StoreError
from prodmatch.storage.locks import hold_store
from prodmatch.storage.places.addresses import MIRRORS, is_address
from prodmatch.storage.settings import read_settings

DEFAULT_MODEL = "compact"
OPTIONS = ("columns", "text_columns", "image_root")  # that a store remembers


def remembered_model(store: Path) -> str:
    """The name or directory of the model that a store is made with, else the shipped one."""
    settings = read_settings(store)
    return DEFAULT_MODEL if settings is None else settings.model


def open_remembered(
    store: Path,
    catalogue: Path | str | None = None,
    options: CatalogueOptions | None = None,
    *,
    fetch: Fetch = "all",
) -> Catalogue:
    """The catalogue given, or the store's; what the options leave out is the store's too.

    Args:
        store: its `store.json` is read; nothing is written but mirrors of addresses, under its
            lock. Where it leaves columns out, mirrors, which have all, are temporary.
        catalogue: the one that the store was last made from if None.
        options: `columns`, `text_columns` and `image_root`, where not empty, go before the
            store's. Columns that the store leaves out are left out always.
        fetch: as of `open_catalogue`.

    Raises:
        StoreError: no catalogue is given, and the store knows none.
        CatalogueError: the catalogue cannot be used.
        RemoteError: an address cannot be reached or read.
        LockedError: another run writes to the store, and an address is to be fetched.
    """
    options, settings = options or CatalogueOptions(), read_settings(store)
    remembered: list[str] = []
    if settings is not None:
        remembered = [name for name in OPTIONS if not getattr(options, name)]
        remembered += [] if catalogue else ["catalogue"]
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
    remote = any(is_address(str(place)) for place in (catalogue, options.image_root))
    with _name_remembered(store, remembered, catalogue):
        if not remote or options.leave_out or options.left_out_before:
            return open_catalogue(catalogue, options, fetch=fetch)
        with contextlib.nullcontext() if fetch == "nothing" else hold_store(store):
            return open_catalogue(catalogue, options, mirrors=store / MIRRORS, fetch=fetch)


@contextlib.contextmanager
def _name_remembered(
    store: Path, remembered: Sequence[str], catalogue: Path | str
) -> Generator[None]:
    """Says in an error which of what it names was not given now, but on an earlier run."""
    try:
        yield
    except CatalogueError as error:
        is_gone = isinstance(catalogue, Path) and not catalogue.exists()
        named = [
            f"`{name}`"
            for name in remembered
            if f"`{name}`" in str(error) or (name == "catalogue" and is_gone)
        ]
        if not named:
            raise
        what = " and ".join(named)
        raise CatalogueError(
            f"{error} {store} remembers {what} of an earlier run; give it again as it is now."
        ) from error


@dataclass(frozen=True)
class ProductPictures:
    """The pictures of some products by id, in the order of their lists, or why there are none."""

    by_id: Mapping[str, list[bytes]] = field(default_factory=dict)
    reason: str | None = None

    @property
    def firsts(self) -> dict[str, bytes]:
        """The first picture of each product that has one."""
        return {product_id: found[0] for product_id, found in self.by_id.items()}


def find_product_pictures(
    store: Path,
    product_ids: Collection[str],
    catalogue: Path | str | None = None,
    options: CatalogueOptions | None = None,
) -> ProductPictures:
    """The pictures of products, from the catalogue given or the one that the store remembers.

    Of an address that the store remembers, what the last run fetched is read. That it
    cannot be read is a reason and no error: generations keep no pictures.

    Raises:
        CatalogueError: the catalogue given cannot be used.
    """
    fetch: Fetch = "nothing" if catalogue is None else "all"
    try:
        opened = open_remembered(store, catalogue, options, fetch=fetch)
        found = opened.find_all_pictures(product_ids)
    except ProdmatchError as error:
        if catalogue is not None:
            raise
        return ProductPictures(reason=str(error))
    if product_ids and not found:
        if opened.mapping.image is None:
            return ProductPictures(reason="the catalogue has no column of pictures")
        return ProductPictures(reason="the catalogue has no picture of these products")
    return ProductPictures(found)
