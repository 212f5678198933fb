"""What exports of shops call their columns, in which variants refer to their products."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prodmatch.feeds.columns import plain_name
from prodmatch.feeds.rows import Cell, Row

PRODUCT = re.compile(r"variable|configurable|grouped|parent|^product\b")
VARIANT = re.compile(r"variation|child|sku|variant")
KINDS_OF_WOO = re.compile(r"(product_)?(variable|variation|simple|grouped)")
NUMBERED = r"(?:_?\d+)?"


@dataclass(frozen=True)
class Layout:
    """An export whose variants stand in rows of their own.

    Attributes:
        title: what messages call it.
        renamed: our names of its columns, by their plain ones.
        pictures: matches the names of columns of pictures.
        kind: columns that tell products from variants; the first that is there counts.
        not_shown: columns that have the same pictures again.
        in_order: whether variants and further pictures stand below their product, naming none.
        row_kinds: in such an export, what the rows are: a product, a variant, a picture.
    """

    title: str
    renamed: Mapping[str, str]
    pictures: re.Pattern[str]
    kind: tuple[str, ...]
    not_shown: tuple[str, ...] = ()
    in_order: bool = False
    row_kinds: Mapping[str, str] = field(default_factory=dict)


WOOCOMMERCE = Layout(
    "WooCommerce export",
    {
        "name": "title", "post_title": "title", "categories": "category",
        "regular_price": "price", "content": "description", "post_content": "description",
        "parent_product_id": "parent", "post_parent": "parent", "parent_id": "parent",
        "parent_sku": "parent",
    },
    re.compile(r"images?|image_url"),
    ("type", "product_type", "post_type"),
)  # fmt: skip
MAGENTO = Layout(
    "Magento export",
    {"name": "title", "categories": "category", "regular_price": "price"},
    re.compile("base_image|image|additional_images"),
    ("product_type",),
    ("small_image", "thumbnail_image", "swatch_image"),
)
AMAZON = Layout(
    "Amazon flat file",
    {
        "item_sku": "sku", "seller_sku": "sku", "contribution_sku": "sku", "item_name": "title",
        "product_description": "description", "item_description": "description",
        "brand_name": "brand", "color_name": "colour", "size_name": "size",
        "standard_price": "price", "parent_sku": "parent",
        "child_parent_sku_relationship_parent_sku": "parent",
    },
    re.compile(rf"(main|other)_image_url{NUMBERED}|(main|other)_product_image_locator{NUMBERED}.*"),
    ("parent_child", "parentage", "parentage_level"),
    tuple(f"swatch_image_url{number}" for number in ("", "1")),
)  # fmt: skip
BIGCOMMERCE = Layout(
    "BigCommerce export",
    {
        "product_id": "id", "product_name": "title", "name": "title",
        "product_code_sku": "sku", "brand_name": "brand", "product_description": "description",
    },
    re.compile(rf"product_image_(file|url){NUMBERED}|image_(url|file)(_import)?{NUMBERED}"),
    ("item_type", "item"),
    in_order=True,
    row_kinds={"product": "product", "sku": "variant", "variant": "variant", "image": "picture"},
)  # fmt: skip
WIX = Layout(
    "Wix export",
    {"name": "title", "collection": "category", "productoptiondescription1": "options"},
    re.compile("productimageurl"),
    ("fieldtype",),
    in_order=True,
    row_kinds={"product": "product", "variant": "variant"},
)
EBAY = Layout(
    "eBay listing file",
    {
        "custom_label_sku": "sku", "custom_label": "sku", "customlabel": "sku",
        "relationship_details": "options", "relationshipdetails": "options",
    },
    re.compile("item_photo_url|picurl"),
    ("relationship",),
    in_order=True,
    row_kinds={"": "product", "variation": "variant"},
)  # fmt: skip


def find_layout(sample: Sequence[Row]) -> Layout | None:
    """The layout of these first rows of a file, if it is a known one."""
    names = {plain_name(name) for row in sample for name in row}
    if {"type", "name", "parent"} <= names and names & {"images", "sku", "regular_price"}:
        return WOOCOMMERCE
    marks = {"configurable_variations", "base_image", "additional_images", "attribute_set_code"}
    if {"sku", "product_type", "name"} <= names and names & marks:
        return MAGENTO
    codes = {"item_sku", "seller_sku", "contribution_sku"}
    if "item_name" in names and names & codes and "product_id" not in names:
        return AMAZON
    if {"item_type", "product_name", "product_code_sku"} <= names:
        return BIGCOMMERCE
    if {"handleid", "fieldtype", "name"} <= names:
        return WIX
    if {"title", "relationship"} <= names and names & {
        "custom_label_sku",
        "custom_label",
        "customlabel",
    }:
        return EBAY
    if {"item", "id", "name", "sku"} <= names and names & {"options", "image_url_import"}:
        return BIGCOMMERCE
    parents = {"parent_product_id", "post_parent", "parent_id", "parent_sku", "parent"}
    if "product_id" not in names and names & parents and names & {"title", "post_title", "name"}:
        return WOOCOMMERCE if _has_kinds(sample) else None
    return None


def _has_kinds(sample: Sequence[Row]) -> bool:
    cells = (
        text_of(cell).lower()
        for row in sample
        for name, cell in row.items()
        if plain_name(name) in WOOCOMMERCE.kind
    )
    return any(map(KINDS_OF_WOO.fullmatch, cells))


def text_of(cell: Cell) -> str:
    """A cell as text without spaces around it; empty where it is none."""
    return cell.strip() if isinstance(cell, str) else ""
