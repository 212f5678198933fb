"""Titles and pictures under another name than ours, and columns that are not used."""

import re

from prodmatch.catalogue.column_types import is_text
from prodmatch.catalogue.naming import name_columns, show_column
from prodmatch.catalogue.reader import Catalogue
from prodmatch.catalogue.schema import is_picture
from prodmatch.lexical.prices.column_names import is_product_price, name_words

TITLE = re.compile(
    r"(?:product|item|article|artikel|produkt|produit|producto|prodotto)?(?:names?|titles?|titel|"
    r"titre|titolo|t[i\u00ed]tulo|nombre|nome|nom|naam|nazwa|n[a\u00e1]zev|navn|namn|nimi|"
    r"bezeichnung|headline|heading|label|\u5546\u54c1\u540d|\u30bf\u30a4\u30c8\u30eb|"
    r"\u540d\u79f0|\u043d\u0430\u0437\u0432\u0430\u043d\u0438\u0435)"
)
PICTURE = re.compile(
    r"images?|pictures?|photos?|img|thumbnail|bild(?:er)?|fotos?|imagen|imagem|immagine|afbeelding"
)
NO_PICTURE = re.compile(
    r"alt|caption|width|height|size|count|id|ids|urls?|uri|link|links|href|src|credit|text|title"
)


def find_misnamed(catalogue: Catalogue) -> dict[str, str]:
    """Our names of a title or a picture that no column has, and the column that looks like it."""
    mapping = catalogue.mapping
    kinds = {name: kind for part in catalogue.parts for name, kind in part.types.items()}
    used = {mapping.product_id, mapping.image, *mapping.texts, *mapping.excluded}
    free = {name: kind for name, kind in kinds.items() if name not in used}
    titles = [name for name, kind in free.items() if is_text(kind) and is_title_name(name)]
    pictures = [name for name, kind in free.items() if is_picture(kind) and _is_picture(name)]
    found = {}
    if titles and "title" not in {*kinds, *catalogue.options.columns}:
        found["title"] = titles[0]
    if pictures and mapping.image is None:
        found["image"] = pictures[0]
    return found


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


def is_title_name(name: str) -> bool:
    """Whether a column of this name holds what products are called."""
    return TITLE.fullmatch("".join(name_words(name))) is not None


def _is_picture(name: str) -> bool:
    words = name_words(name)
    return any(map(PICTURE.fullmatch, words)) and not any(map(NO_PICTURE.fullmatch, words))
