"""Shop exports whose variants name their product, are named by it, or stand below it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from prodmatch.feeds.columns import PlainNames, filled
from prodmatch.feeds.export_mappings import ANY, PRODUCT, VARIANT, ExportMapping, text_of
from prodmatch.feeds.rows import Cell, Feed, Row, count_of

# Not taken from the product where a variant's own cell is blank.
OWN = re.compile(
    r"product_id|id|type|parent|product_type|post_type|item_type|item|parent_child|parentage.*"
    r"|relationship_type|options|configurable_variations|image|attribute_.*"
    r"|.*(sku|barcode|mpn|gtin|ean|upc|stock|inventory|weight|visib|publish|position|qty).*"
    r"|external_product_id.*|.*quantity.*"
)
PRICE = re.compile(r".*price.*")
VARIATION = re.compile(r"(?:^|[|,;])\s*sku\s*=\s*([^,|;]+)", re.IGNORECASE)
SEPARATOR = re.compile(
    r"(?<!\s)(?:\s*[,;|]\s*(?=https?://|/|[^\s,;|]+\.\w{3,4}(?:\s*(?:[,;|]|$)))|\s+(?=https?://))"
)
LINE_END = re.compile(r"\\?\\n")  # as WooCommerce writes it, and writes what looks like it
NO_PARENT = frozenset(["", "0", "null", "none"])  # that a product names
NO_TITLE = re.compile(r"Variation #\d+( of .*)?|(\[\w+\][^=]+=.*)")
OPTION_MARK = re.compile(r"\[\w+\](?=[^=,\[\]]+=)")


@dataclass
class _Item:
    """A row under our names, and how it and its product name each other."""

    row: Row
    kind: str  # "product" of variants, "variant", "picture" of the product, "other", or empty
    keys: list[str]  # that variants call it by
    parent: str  # the product's key, or empty
    takes_prices: bool  # of its product, where it has none

    @property
    def key(self) -> str:
        """The id of the row's product."""
        return str(self.row["product_id"])


@dataclass
class _Products:
    """What the first reading of an export finds."""

    rows: dict[str, Row] = field(default_factory=dict)  # with variants, by id and by SKU
    parents: dict[str, str] = field(default_factory=dict)  # of variants, by SKU
    used: set[str] = field(default_factory=set)  # ids of products that have variants
    pictures: dict[str, list[str]] = field(default_factory=dict)  # of rows of their own
    orphans: int = 0
    passed_over: int = 0

    def add(self, item: _Item) -> None:
        """Adds a product that may have variants, and the variants that it names."""
        if item.keys and not item.keys[0].startswith("row "):
            self.rows.update(dict.fromkeys(item.keys, item.row))
        for child in VARIATION.findall(text_of(item.row.get("configurable_variations"))):
            self.parents[child.strip()] = item.keys[0] if item.keys else ""


def arrange_parents(feed: Feed, mapping: ExportMapping) -> Feed | None:
    """The feed with a row for each variant and each product without variants.

    A variant has its product's cells where its own are blank, its own pictures first. None where
    what tells variants names no product that is there: a brand, or another category.
    """
    names = PlainNames(dict(mapping.renamed), "product_id")
    read = partial(_read_items, feed, names, mapping)
    products = _collect(read)
    if mapping.by_parent and not products.used:
        return None
    listed = replace(products, used=set()) if mapping.is_variant_too else products
    warnings = list(feed.warnings)
    if products.used:
        count = count_of(len(products.used), "product")
        warnings.append(f"{count} with variants: listed by the variants, which take its cells")
    if products.orphans:
        warnings.append(f"{count_of(products.orphans, 'variant')} of products that are not there")
    if products.passed_over:
        count = count_of(products.passed_over, "row")
        warnings.append(
            f"{count} passed over that are no product, variant or picture, or texts of a product "
            "for another view of the shop"
        )
    return replace(
        feed,
        rows=partial(_variant_rows, read, listed),
        layout="shop export",
        read_as=f"{mapping.title}, {feed.read_as}",
        warnings=warnings,
    )


def _read_items(feed: Feed, names: PlainNames, mapping: ExportMapping) -> Iterator[_Item]:
    product = ""  # the last one
    listed: set[str] = set()  # SKUs, where rows may give other texts of one
    for number, written in enumerate(feed.rows(), 1):
        row = {names[name]: cell for name, cell in written.items()}
        pictures: list[str] = []
        for name in [name for name in row if mapping.pictures.fullmatch(name)]:
            pictures += _split_pictures(row.pop(name))
        for name in mapping.not_shown:
            row.pop(name, None)
        for name in mapping.escaped:
            if name in row:
                row[name] = LINE_END.sub(_end_line, text_of(row[name]))
        kind = _kind_of(row, mapping)
        if mapping.translated:
            key = text_of(row.get("sku"))
            if filled(row.get(mapping.translated)) and key in listed:
                kind = "other"
            listed.add(key)
        _set_title(row, kind)
        row["image"] = list(dict.fromkeys(pictures))
        sku, own = text_of(row.get("sku")), text_of(row.get("id"))
        chosen = sku or (own if kind != "variant" or mapping.has_own_ids else "")
        keys = [key for key in (sku.casefold(), f"id:{own}" if own else "") if key]
        parent = text_of(row.get("parent"))
        if mapping.in_options:
            parent = f"id:{own}" if kind == "variant" else ""
        if mapping.in_order:
            product = f"row {number}" if kind == "product" else product
            keys, parent = [product], product if kind in ("variant", "picture") else ""
        takes_prices = mapping.by_parent or (mapping.in_order and not mapping.is_variant_too)
        yield _Item({"product_id": chosen or None, **row}, kind, keys, parent, takes_prices)


def _end_line(found: re.Match[str]) -> str:
    """The end of a line for its sign, and the sign for one that is itself escaped."""
    return "\n" if found[0] == r"\n" else r"\n"


def _kind_of(row: Row, mapping: ExportMapping) -> str:
    marked = next((text_of(row[name]) for name in mapping.kind if name in row), "").lower()
    if mapping.in_options:
        return "variant" if filled(row.get(mapping.in_options)) else "product"
    if mapping.by_parent:
        named = text_of(row.get("parent")).lower()
        own = [text_of(row.get(name)).lower() for name in ("sku", "id")]
        return "product" if named in {*NO_PARENT, *own} else "variant"
    if mapping.in_order:
        return mapping.row_kinds.get(marked, mapping.row_kinds.get(ANY, "other"))
    marked = f"{marked},{text_of(row.get('product_type')).lower()}"
    if PRODUCT.search(marked):
        return "product"
    return "variant" if VARIANT.search(marked) else ""


def _set_title(row: Row, kind: str) -> None:
    """Sets a variant's title aside that names its options or its number alone."""
    title = text_of(row.get("title"))
    if kind == "variant" and (found := NO_TITLE.fullmatch(title)):
        row["title"] = None
        if found[2]:
            row["options"] = OPTION_MARK.sub("", title)


def _split_pictures(cell: Cell) -> list[str]:
    parts = cell if isinstance(cell, list) else SEPARATOR.split(str(cell)) if filled(cell) else []
    found = [part.strip().lstrip("/") for part in parts]
    return [each for each in found if each and each != "no_selection"]


def _collect(read: Callable[[], Iterator[_Item]]) -> _Products:
    products = _Products()
    named: list[str] = []
    last: _Item | None = None  # of an export in order
    for item in read():
        if item.kind == "product":
            last = item
            products.add(item)
        elif item.kind == "picture":
            products.pictures.setdefault(item.parent, []).extend(_split_pictures(item.row["image"]))
        elif item.kind == "other":
            products.passed_over += 1
        elif item.parent.lower() not in NO_PARENT:
            named.append(item.parent)
            if last is not None and item.parent == last.keys[0]:
                products.rows[item.parent] = last.row
    for parent in [*named, *products.parents.values()]:
        if (found := _find_product(products, parent)) is None:
            products.orphans += 1
        else:
            products.used.add(str(found["product_id"]))
    return products


def _find_product(products: _Products, parent: str) -> Row | None:
    """The product of a reference: its SKU in any case, or its id, as `id:10` or `10`."""
    plain = re.sub(r"\s+", "", parent.casefold()) if parent.lower().startswith("id:") else parent
    for key in (parent, plain, plain.casefold(), f"id:{plain}"):
        if key in products.rows:
            return products.rows[key]
    return None


def _variant_rows(read: Callable[[], Iterator[_Item]], products: _Products) -> Iterator[Row]:
    used: set[str] = set()
    for item in read():
        row = item.row
        if item.kind in ("picture", "other"):
            continue
        if item.kind == "product" and item.key in products.used:
            continue
        parent = item.parent or products.parents.get(text_of(row.get("sku")), "")
        shared = (_find_product(products, parent) if parent else None) or {}
        for name, cell in shared.items():
            if not filled(row.get(name)) and _is_shared(name, item):
                row[name] = cell
        own = _split_pictures(row["image"])
        pictures = [*own, *_split_pictures(shared.get("image"))]
        pictures += products.pictures.get(parent or item.keys[0] if item.keys else "", [])
        row["image"] = list(dict.fromkeys(pictures))
        if shared and row["product_id"] is None:
            row["product_id"] = _name_variant(shared, used)
        yield row


def _is_shared(name: str, item: _Item) -> bool:
    """Whether a variant has the cell of its product."""
    if PRICE.fullmatch(name):
        return item.takes_prices
    return OWN.fullmatch(name) is None


def _name_variant(product: Row, used: set[str]) -> str:
    """An id for a variant without one: its product's, and a number."""
    count = 1
    while (name := f"{product['product_id']}#{count}") in used:
        count += 1
    used.add(name)
    return name
