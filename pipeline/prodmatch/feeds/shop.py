"""Shop exports and shopping feeds as catalogues: a row a variant, with its product's cells."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from prodmatch.errors import CatalogueError
from prodmatch.feeds.columns import PlainNames, filled, plain_name
from prodmatch.feeds.export_mappings import find_mapping
from prodmatch.feeds.parents import arrange_parents
from prodmatch.feeds.rows import Cell, Feed, Row, count_of
from prodmatch.names import choose_id, choose_title
from prodmatch.storage.places.picture_names import are_names

SAMPLE_ROWS = 100
# Columns of an export that are a variant's own: not taken from the product where they are blank.
OF_VARIANT = re.compile(
    r".*price.*|variant_.*|option\d+_value|image_.*|cost_per_item|.*(sku|barcode|mpn|gtin|inventory|weight).*"
)
VARIANT = re.compile(r"option\d+_value|sku|price|barcode")  # one of these is filled
EXPORT_NAMES = {
    "url_handle": "handle",
    "product_image_url": "image_src",
    "variant_image_url": "variant_image",
    "body_html": "description",
    "body": "description",
    "vendor": "brand",
    "product_category": "category",
    "variant_sku": "sku",
    "variant_price": "price",
    "variant_barcode": "barcode",
}
DEFAULT_OPTION = "default title"  # of a product without variants
FEED_NAMES = frozenset(  # that tables of other kinds seldom have two of
    (
        "link", "image_link", "additional_image_link", "sale_price", "availability", "condition",
        "gtin", "mpn", "item_group_id", "google_product_category", "product_type",
    )
)  # fmt: skip
SINGLE = ("product_id", "title", "description", "brand", "price", "link", "item_group_id")
SHARED = ("title", "description", "brand", "image")  # by the variants of a feed's product
NUMBERED_PICTURE = re.compile(
    r"((product|item|main|other|more|additional|extra|gallery)_)*"
    r"(images?|pictures?|photos?|img|bild|bilder|foto|fotos)(_?(url|link|src|path|file))?_?\d*"
    r"(_(url|link|src|path|file))?"
)
FURTHER = re.compile(r".*\d.*|(other|more|additional|extra|gallery)_.*")
ADDRESSES = re.compile(r"[,\s]+(?=https?://)")


def arrange_products(feed: Feed) -> Feed:
    """The feed with a row for each product or variant, under the catalogue's names.

    What an export's variants share is held in memory; of a shopping feed, only what variants lack.
    A plain table stays as it is.
    """
    sample = list(islice(feed.rows(), SAMPLE_ROWS))
    names = {plain_name(name) for row in sample for name in row}
    names |= {EXPORT_NAMES[name] for name in names & EXPORT_NAMES.keys()}
    exported = {"variant_sku", "variant_price", "option1_value", "image_src"}
    if {"handle", "title"} <= names and names & exported:
        return _arrange_export(feed)
    mapping = find_mapping(sample)
    if mapping is not None and (arranged := arrange_parents(feed, mapping)) is not None:
        return arranged
    marks = len(names & FEED_NAMES) + ("additional_image_link" in names)
    marks += 2 * any(name.lower().startswith("g:") for row in sample for name in row)
    if {"id", "title"} <= names and "product_id" not in names and marks >= 2:
        return _arrange_feed(feed)
    pictures = _find_pictures(sample)
    if pictures:
        feed, sample = _join_pictures(feed, pictures), [{**row, "image": None} for row in sample]
    return replace(
        feed, warnings=[*feed.warnings, *_name_variations(sample), *_suggest_names(sample)]
    )


def _find_pictures(sample: Sequence[Row]) -> list[str]:
    """The columns of a table that a product's pictures are in, one in each; none of only one."""
    names = dict.fromkeys(name for row in sample for name in row)
    found = []
    for name in names:
        cells = [cell for row in sample if filled(cell := row.get(name))]
        if NUMBERED_PICTURE.fullmatch(plain_name(name)) and all(
            isinstance(cell, str) and are_names([cell.strip()]) for cell in cells
        ):
            found.append(name)
    further = [name for name in found if FURTHER.fullmatch(plain_name(name))]
    used = "image" in names and "image" not in found
    return [] if used or len(found) < 2 or not further else found


def _join_pictures(feed: Feed, names: Sequence[str]) -> Feed:
    def rows() -> Iterator[Row]:
        for row in feed.rows():
            pictures = [found for name in names for found in _pictures(row.get(name))]
            others = {name: cell for name, cell in row.items() if name not in names}
            yield {**others, "image": list(dict.fromkeys(pictures))}

    note = f"image: the pictures of {len(names)} columns ({', '.join(map(repr, names[:3]))}, ...)"
    return replace(feed, rows=rows, warnings=[*feed.warnings, note.replace(", ...", "")
                   if len(names) <= 3 else note])  # fmt: skip


def _name_variations(sample: Sequence[Row]) -> list[str]:
    """What to say of an export of WooCommerce whose columns have names of another language."""
    named = {name for row in sample for name, cell in row.items() if cell == "variation"}
    return [
        f"{name}: some rows are 'variation', which have no title and pictures of their product, as "
        "the export's columns are none that are known; export it in English"
        for name in sorted(named)
    ]


def _suggest_names(sample: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in sample for name in row))
    if "product_id" in names:
        return []
    found = []
    for ours, known, theirs in (
        ("product_id", choose_id(names), r"(product|item|article)?_?sku|.*_sku_?|handle"),
        ("title", choose_title(names), ""),
        (
            "image",
            None,
            r"(.*_)?(image|picture|photo|img)(_?(url|link|path|file|name|src))?s?|bild",
        ),
    ):
        matching = (name for name in names if re.fullmatch(theirs, plain_name(name)))
        if ours not in names and (name := known or next(matching, None)):
            found.append(f"{ours}={name}")
        elif ours == "product_id":
            found.append(f"{ours}=NAME")
    example = shlex.quote(",".join(found))
    return [f"no column is called product_id; embed it with `columns={example}`"]


def _pictures(cell: Cell) -> list[str]:
    parts = cell if isinstance(cell, list) else [str(cell)] if filled(cell) else []
    return [found for part in parts for found in ADDRESSES.split(part.strip()) if found]


def _arrange_export(feed: Feed) -> Feed:
    rename = PlainNames(EXPORT_NAMES, "product_id", "image")
    shared: dict[str, Row] = {}
    pictures: dict[str, list[str]] = {}
    orphans = 0
    for handle, row in _with_handles(feed, rename):
        found = shared.setdefault(handle, {})
        for name, cell in row.items():
            if name not in found and filled(cell) and not OF_VARIANT.fullmatch(name):
                found[name] = cell
        pictures.setdefault(handle, []).extend(_pictures(row.get("image_src")))
    for found in shared.values():
        orphans += "title" not in found
    rows = partial(_export_rows, feed, rename, shared, pictures)
    warnings = list(feed.warnings)
    if orphans:
        warnings.append(f"{count_of(orphans, 'product')} without a row with a title")
    named = sum(1 for row in rows() if row["product_id"] != row.get("sku"))
    if named:
        warnings.append(
            f"{count_of(named, 'variant')} without a SKU of its own; "
            "the handle and the options are the product_id"
        )
    return _arranged(replace(feed, warnings=warnings), rows, "shop export")


def _arranged(feed: Feed, rows: Callable[[], Iterator[Row]], layout: str) -> Feed:
    return replace(feed, rows=rows, layout=layout, read_as=f"{layout}, {feed.read_as}")


def _with_handles(feed: Feed, rename: PlainNames) -> Iterator[tuple[str, Row]]:
    """The rows under new names, with the handle of their product."""
    handle = ""
    for row in feed.rows():
        renamed = {rename[name]: cell for name, cell in row.items()}
        handle = str(renamed.get("handle") or "").strip() or handle
        renamed["handle"] = handle
        yield handle, renamed


def _export_rows(
    feed: Feed, rename: PlainNames, shared: dict[str, Row], pictures: dict[str, list[str]]
) -> Iterator[Row]:
    used: set[str] = set()
    for handle, row in _with_handles(feed, rename):
        if not filled(row.get("title")) and not _is_variant(row):
            continue  # one more picture of the product
        product: Row = {"product_id": _choose_id(row, handle, used)}
        for name, cell in row.items():
            product[name] = cell if filled(cell) else shared[handle].get(name)
        for name, cell in shared[handle].items():
            product.setdefault(name, cell)
        first = _pictures(product.pop("variant_image", None))
        product.pop("image_src", None)
        product["image"] = list(dict.fromkeys([*first, *pictures[handle]]))
        yield product


def _is_variant(row: Row) -> bool:
    """Whether a row without a title is a variant, rather than one more picture of the product."""
    return any(filled(cell) and VARIANT.fullmatch(name) is not None for name, cell in row.items())


def _choose_id(row: Row, handle: str, used: set[str]) -> str:
    """The SKU; where there is none, or another variant has it, the handle and the options."""
    chosen = str(row.get("sku") or "").strip()
    if not chosen or chosen in used:
        options = [str(row.get(f"option{number}_value") or "").strip() for number in (1, 2, 3)]
        parts = [part for part in options if part and part.lower() != DEFAULT_OPTION]
        chosen = "/".join([handle, *parts])
    base, count = chosen, 1
    while chosen in used:
        count += 1
        chosen = f"{base}#{count}"
    used.add(chosen)
    return chosen


def _arrange_feed(feed: Feed) -> Feed:
    rename = PlainNames({"id": "product_id"}, "image")
    plain = partial(_feed_rows, feed, rename)
    incomplete = {
        str(row["item_group_id"])
        for row in plain()
        if filled(row.get("item_group_id")) and not all(filled(row.get(n)) for n in SHARED)
    }
    shared: dict[str, Row] = {group: {} for group in incomplete}
    lacks: Counter[tuple[str, tuple[str, ...]]] = Counter()  # a group's products by what they lack
    if incomplete:
        for row in plain():
            group = str(row.get("item_group_id"))
            if group in shared:
                there = {name: row.get(name) for name in SHARED if filled(row.get(name))}
                shared[group] = there | shared[group]
                lacks[group, tuple(name for name in SHARED if name not in there)] += 1
    taken = sum(n for (group, names), n in lacks.items() if shared[group].keys() & names)
    note = f"{count_of(taken, 'product')} with texts or pictures of another of the item_group_id"
    feed = replace(feed, warnings=[*feed.warnings, *([note] if taken else [])])
    return _arranged(feed, partial(_complete, plain, shared), "shopping feed")


def _feed_rows(feed: Feed, rename: PlainNames) -> Iterator[Row]:
    for row in feed.rows():
        product: Row = {}
        images: list[str] = []
        for name, cell in row.items():
            ours = rename[name]
            if ours in ("image_link", "additional_image_link", "additional_image_links"):
                found = _pictures(cell)
                images = [*found, *images] if ours == "image_link" else [*images, *found]
            elif isinstance(cell, list) and ours in SINGLE:
                for number, part in enumerate(dict.fromkeys(cell), 1):
                    product[ours if number == 1 else f"{ours}_{number}"] = part
            else:
                product[ours] = cell
        product["image"] = list(dict.fromkeys(images))
        yield product


def _complete(rows: Callable[[], Iterator[Row]], shared: dict[str, Row]) -> Iterator[Row]:
    for row in rows():
        for name, cell in shared.get(str(row.get("item_group_id")), {}).items():
            if not filled(row.get(name)):
                row[name] = cell
        yield row


def find_column(feed: Feed, name: str, path: Path) -> str:
    """The column that a user calls so, in any case, or as the shop's export does.

    Raises:
        CatalogueError: there is none.
    """
    names = {name: None for row in islice(feed.rows(), SAMPLE_ROWS) for name in row}
    plain = plain_name(name)
    for chosen in (name, plain, EXPORT_NAMES.get(plain, plain)):
        for found in names:
            if chosen in (found, plain_name(found)):
                return found
    shown = ", ".join(list(names)[:20])
    raise CatalogueError(f"{path}: `match={name}`: there is no such column; found {shown}.")
