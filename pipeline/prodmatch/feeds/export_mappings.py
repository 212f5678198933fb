"""What exports of shops call their columns, in which variants refer to their products."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prodmatch.feeds.columns import plain_name
from prodmatch.feeds.rows import Cell, Row

PRODUCT = re.compile(r"variable|configurable|grouped|parent|^product\b")
VARIANT = re.compile(r"variation|child|sku|variant")
KINDS_OF_WOO = re.compile(r"(product_)?(variable|variation|simple|grouped)")
ANY = "*"
NUMBERED = r"(?:_?\d+)?"


@dataclass(frozen=True)
class ExportMapping:
    """The columns of an export whose variants stand in rows of their own."""

    title: str  # what messages call it
    renamed: Mapping[str, str]  # our names of its columns, by their plain ones
    pictures: re.Pattern[str]  # matches the names of columns of pictures
    # Columns that tell products from variants; the first that is there counts.
    kind: tuple[str, ...]
    not_shown: tuple[str, ...] = ()  # columns that have the same pictures again
    # Whether variants and further pictures stand below their product, naming none.
    in_order: bool = False
    # In such an export, what the rows are: a product, a variant, a picture.
    row_kinds: Mapping[str, str] = field(default_factory=dict)
    is_variant_too: bool = False  # whether the row of a product is its first variant
    in_options: str = ""  # a column that variants alone fill; they have the id of their product
    # Whether a row that names a product is a variant, and any other a product.
    by_parent: bool = False
    # A column that rows with a product's texts for another view of the shop fill.
    translated: str = ""
    escaped: tuple[str, ...] = ()  # columns in which \n is the end of a line

    @property
    def has_own_ids(self) -> bool:
        """Whether the id of a variant's row is its own, not its product's."""
        return self.is_variant_too or not (self.in_order or self.in_options)


WOOCOMMERCE = ExportMapping(
    "WooCommerce export",
    {
        "name": "title", "post_title": "title", "categories": "category",
        "regular_price": "price", "content": "description", "post_content": "description",
        "parent_product_id": "parent", "post_parent": "parent", "parent_id": "parent",
        "parent_sku": "parent",
    },
    re.compile(r"images?|image_url"),
    ("type", "product_type", "post_type"),
    escaped=("description", "short_description"),
)  # fmt: skip
MAGENTO = ExportMapping(
    "Magento export",
    {"name": "title", "categories": "category", "regular_price": "price"},
    re.compile("base_image|image|additional_images"),
    ("product_type",),
    ("small_image", "thumbnail_image", "swatch_image"),
    translated="store_view_code",
)
AMAZON = ExportMapping(
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
BIGCOMMERCE = ExportMapping(
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
WIX = ExportMapping(
    "Wix export",
    {"name": "title", "collection": "category", "productoptiondescription1": "options"},
    re.compile("productimageurl"),
    ("fieldtype",),
    in_order=True,
    row_kinds={"product": "product", "variant": "variant"},
)
EBAY = ExportMapping(
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
EBAY_ACTIVE = ExportMapping(
    "eBay report of active listings",
    {
        "item_number": "id", "custom_label_sku": "sku", "current_price": "price",
        "variation_details": "options",
    },
    EBAY.pictures,
    (),
    in_options="options",
)  # fmt: skip
SQUARESPACE = ExportMapping(
    "Squarespace export",
    {"variant_id_non_editable": "id", "categories": "category"},
    re.compile("hosted_image_urls"),
    ("product_id_non_editable",),
    in_order=True,
    row_kinds={"": "variant", ANY: "product"},
    is_variant_too=True,
)

OTHER = ExportMapping(  # as of Shopware, and of tables that a shop makes itself
    "table of products and variants",
    {
        "name": "title", "product_name": "title", "product_number": "sku", "price_gross": "price",
        "manufacturer_name": "brand", "categories": "category", "parent_product_id": "parent",
        "parent_id": "parent", "parent_sku": "parent", "parent_product_number": "parent",
    },
    re.compile(rf"(cover_)?(media|image|picture|photo)s?(_urls?)?{NUMBERED}"),
    (),
    by_parent=True,
)  # fmt: skip


# Each mapping with the columns that it has all of, and those that it has one of.
NAMES: tuple[tuple[ExportMapping, frozenset[str], frozenset[str]], ...] = (
    (
        WOOCOMMERCE,
        frozenset(["type", "name", "parent"]),
        frozenset(["images", "sku", "regular_price"]),
    ),
    (
        MAGENTO,
        frozenset(["sku", "product_type", "name"]),
        frozenset(
            ["configurable_variations", "base_image", "additional_images", "attribute_set_code"]
        ),
    ),
    (AMAZON, frozenset(["item_name"]), frozenset(["item_sku", "seller_sku", "contribution_sku"])),
    (
        BIGCOMMERCE,
        frozenset(["item_type", "product_name"]),
        frozenset(["product_code_sku"]),
    ),
    (WIX, frozenset(["handleid", "name"]), frozenset(["fieldtype"])),
    (
        EBAY,
        frozenset(["title", "relationship"]),
        frozenset(["custom_label_sku", "custom_label", "customlabel"]),
    ),
    (EBAY_ACTIVE, frozenset(["item_number", "title"]), frozenset(["variation_details"])),
    (
        SQUARESPACE,
        frozenset(["product_id_non_editable", "title"]),
        frozenset(["variant_id_non_editable"]),
    ),
    (
        BIGCOMMERCE,
        frozenset(["item", "id", "name", "sku"]),
        frozenset(["options", "image_url_import"]),
    ),
)
PARENTS = frozenset(["parent_product_id", "post_parent", "parent_id", "parent_sku", "parent",
                     "parent_product_number"])  # fmt: skip
IDS = frozenset(["id", "sku", "product_number"])
TITLES = frozenset(["title", "post_title", "name", "product_name"])


def find_mapping(sample: Sequence[Row]) -> ExportMapping | None:
    """The mapping of the columns of these first rows of a file, if it is a known export."""
    names = {plain_name(name) for row in sample for name in row}
    for mapping, all_of, one_of in NAMES:
        if all_of <= names and names & one_of and not (mapping is AMAZON and "product_id" in names):
            return mapping
    if "product_id" not in names and names & PARENTS and names & TITLES:
        if _has_kinds(sample):
            return WOOCOMMERCE
        return OTHER if names & IDS and any(map(_is_untitled_variant, sample)) else None
    return None


def _is_untitled_variant(row: Row) -> bool:
    """Whether a row names a product, and has no title of its own."""
    names = {plain_name(name) for name, cell in row.items() if text_of(cell)}
    return bool(names & PARENTS) and not names & TITLES


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
