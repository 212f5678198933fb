"""Shop exports whose variants name their product, or are named by it: WooCommerce and Magento."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from prodmatch.feeds.columns import PlainNames, filled
from prodmatch.feeds.rows import Cell, Feed, Row, count_of

# Not taken from the product where a variant's own cell is blank.
OWN = re.compile(
    r"product_id|id|type|parent|product_type|configurable_variations|image|attribute_.*|.*price.*"
    r"|.*(sku|barcode|mpn|gtin|ean|upc|stock|inventory|weight|visib|publish|position|qty).*"
)
PICTURES = {
    "woocommerce": ("images",),
    "magento": ("base_image", "image", "additional_images"),
}
NOT_SHOWN = ("small_image", "thumbnail_image", "swatch_image")  # the same pictures again
VARIATION = re.compile(r"(?:^|[|,;])\s*sku\s*=\s*([^,|;]+)", re.IGNORECASE)
SEPARATOR = re.compile(r"\s*,\s*(?=https?://|/|[^\s,]+\.\w{3,4}(?:\s*(?:,|$)))")
RENAMED = {"name": "title", "categories": "category", "regular_price": "price"}


@dataclass
class _Products:
    """What the first reading of an export finds."""

    rows: dict[str, Row] = field(default_factory=dict)  # with variants, by id and by SKU
    parents: dict[str, str] = field(default_factory=dict)  # of variants, by SKU
    used: set[str] = field(default_factory=set)  # keys of products that have variants
    orphans: int = 0


def layout_of(names: set[str]) -> str | None:
    """The export that columns of these plain names are, if it is one of these two."""
    if {"type", "name", "parent"} <= names and names & {"images", "sku", "regular_price"}:
        return "woocommerce"
    marks = {"configurable_variations", "base_image", "additional_images", "attribute_set_code"}
    return "magento" if {"sku", "product_type", "name"} <= names and names & marks else None


def arrange_parents(feed: Feed, layout: str) -> Feed:
    """The feed with a row for each variant and each product without variants.

    A variant has its product's cells where its own are blank, its own pictures first.
    """
    names = PlainNames(RENAMED, "product_id")
    read = partial(_read_rows, feed, names, layout)
    products = _collect(read)
    warnings = list(feed.warnings)
    if products.used:
        count = count_of(len(products.used), "product")
        warnings.append(f"{count} with variants: listed by the variants, which take its cells")
    if products.orphans:
        warnings.append(f"{count_of(products.orphans, 'variant')} of products that are not there")
    title = {"woocommerce": "WooCommerce export", "magento": "Magento export"}[layout]
    return replace(
        feed,
        rows=partial(_variant_rows, read, products),
        layout="shop export",
        read_as=f"{title}, {feed.read_as}",
        warnings=warnings,
    )


def _read_rows(feed: Feed, names: PlainNames, layout: str) -> Iterator[Row]:
    for written in feed.rows():
        row = {names[name]: cell for name, cell in written.items()}
        pictures: list[str] = []
        for name in PICTURES[layout]:
            pictures += _split_pictures(row.pop(name, None))
        for name in NOT_SHOWN:
            row.pop(name, None)
        row["image"] = list(dict.fromkeys(pictures))
        key = next((name for name in ("sku", "id") if filled(row.get(name))), "")
        yield {"product_id": str(row.get(key) or "").strip() or None, **row}


def _split_pictures(cell: Cell) -> list[str]:
    parts = cell if isinstance(cell, list) else SEPARATOR.split(str(cell)) if filled(cell) else []
    found = [part.strip().lstrip("/") for part in parts]
    return [each for each in found if each and each != "no_selection"]


def _collect(read: Callable[[], Iterator[Row]]) -> _Products:
    products = _Products()
    named: list[str] = []
    for row in read():
        sku = str(row.get("sku") or "").strip()
        number = str(row.get("id") or "").strip()
        kind = f"{row.get('type') or ''},{row.get('product_type') or ''}".lower()
        if "variable" in kind or "configurable" in kind or "grouped" in kind:
            products.rows.update(
                {key: row for key in (sku, f"id:{number}") if key not in ("", "id:")}
            )
            for child in VARIATION.findall(str(row.get("configurable_variations") or "")):
                products.parents[child.strip()] = sku
        if (parent := str(row.get("parent") or "").strip()) and "grouped" not in kind:
            named.append(parent)
    for parent in [*named, *products.parents.values()]:
        if (found := products.rows.get(parent)) is None:
            products.orphans += 1
        else:
            products.used.add(str(found["product_id"]))
    return products


def _variant_rows(read: Callable[[], Iterator[Row]], products: _Products) -> Iterator[Row]:
    for row in read():
        if row["product_id"] in products.used:
            continue
        sku = str(row.get("sku") or "").strip()
        parent = str(row.get("parent") or "").strip() or products.parents.get(sku, "")
        shared = products.rows.get(parent, {})
        for name, cell in shared.items():
            if not filled(row.get(name)) and not OWN.fullmatch(name):
                row[name] = cell
        pictures = [*_split_pictures(row["image"]), *_split_pictures(shared.get("image"))]
        row["image"] = list(dict.fromkeys(pictures))
        yield row
