"""Titles and pictures under another name than ours, and columns that are not used."""

import re
from collections.abc import Sequence

from prodmatch.catalogue.column_types import is_text
from prodmatch.catalogue.naming import name_columns, show_column
from prodmatch.catalogue.pictures.image_files import flatten_cells, is_inline, needs_root
from prodmatch.catalogue.reader import Catalogue
from prodmatch.catalogue.schema import is_picture
from prodmatch.lexical.prices.column_names import is_product_price
from prodmatch.names import choose_picture, choose_title
from prodmatch.storage.places.picture_names import are_names

PICTURE_BYTES = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|....ftypavi[fs]", re.DOTALL
)  # as pictures begin


def find_misnamed(catalogue: Catalogue) -> dict[str, str]:
    """Our names of a title or a picture that no column has, and the column that looks like it."""
    mapping = catalogue.mapping
    kinds = {name: kind for part in catalogue.parts for name, kind in part.types.items()}
    used = {mapping.product_id, mapping.image, *mapping.texts, *mapping.excluded}
    free = {name: kind for name, kind in kinds.items() if name not in used}
    found = {}
    titles = [name for name, kind in free.items() if is_text(kind)]
    if "title" not in {*kinds, *catalogue.options.columns} and (name := choose_title(titles)):
        found["title"] = name
    pictures = [name for name, kind in free.items() if is_picture(kind)]
    if mapping.image is None and (name := _find_picture(catalogue, pictures)):
        found["image"] = name
    return found


def _find_picture(catalogue: Catalogue, columns: Sequence[str]) -> str | None:
    """The column that looks like the picture: by its name, or else by what it holds."""
    if (named := choose_picture(columns)) is not None:
        return named
    values = catalogue.first_values(columns)
    holding = [name for name in columns if _hold_pictures(values[name])]
    return holding[0] if holding else None


def _hold_pictures(cells: Sequence[object]) -> bool:
    """Whether cells are pictures, or names of their files; nothing is fetched from addresses."""
    found = list(flatten_cells(cells))
    return bool(found) and all(
        PICTURE_BYTES.match(cell) is not None
        if isinstance(cell, bytes)
        else isinstance(cell, str)
        and (is_inline(cell) or (are_names([cell.strip()]) and needs_root(cell)))
        for cell in found
    )


def name_misnamed(catalogue: Catalogue) -> list[str]:
    """Warnings of what `find_misnamed` finds, and of a root of pictures that no column has."""
    warnings = [
        f"no column {ours!r}; {theirs!r} looks as if it held it: give `columns={ours}={theirs}`"
        for ours, theirs in find_misnamed(catalogue).items()
    ]
    if catalogue.options.image_root is not None and catalogue.mapping.image is None:
        warnings.append("`image_root` is not used: no column holds pictures")
    return warnings


def name_left_out(catalogue: Catalogue) -> list[str]:
    """A warning of the columns that cannot be metadata, with why."""
    reasons = catalogue.mapping.left_out
    shown = [f"{show_column(name)} ({reason})" for name, reason in reasons.items()]
    return [f"columns not used: {name_columns(shown)}"] if shown else []


def name_text_prices(catalogue: Catalogue) -> list[str]:
    """A warning of prices that are text, where none are numbers that a query may limit."""
    prices = [each for each in catalogue.mapping.metadata if is_product_price(each.name)]
    texts = [each.name for each in prices if is_text(each.type)]
    if not texts or len(texts) < len(prices):
        return []
    return [
        f"prices that are text: {name_columns(texts)}; 'under 50' in a query is not applied, "
        "nor can a filter compare them. Write them as numbers"
    ]
