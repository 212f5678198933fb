"""Columns' names: their words, and what others call ids, titles, descriptions and pictures."""

import re
from collections.abc import Iterable, Sequence

END_OF_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
IDS = (  # the likeliest first, without what stands between their words
    "productid", "id", "sku", "itemid", "articleid", "variantid", "offerid", "asin", "gtin", "ean",
    "upc", "productnumber", "productcode", "itemnumber", "itemcode", "articlenumber", "identifier",
    "artikelnummer", "artikelnr", "artnr", "artikelid", "produktid", "produktnummer", "artikelkod",
    "idproduit", "codeproduit", "codearticle", "idproducto", "codigo", "c\u00f3digo", "referencia",
    "reference", "r\u00e9f\u00e9rence", "codice", "kod", "indeks",
    "\u0430\u0440\u0442\u0438\u043a\u0443\u043b",
    "\u5546\u54c1\u30b3\u30fc\u30c9", "\u5546\u54c1\u756a\u53f7", "\u5546\u54c1\u7f16\u53f7",
    "\u5546\u54c1id", "handle",
)  # fmt: skip
TITLE = re.compile(
    r"(?:product|item|article|post|display|full|long|short|artikel|produkt|produit|producto|"
    r"prodotto)*(?:names?|titles?|titel|titre|titolo|t[i\u00ed]tulo|nombre|nome|nom|naam|"
    r"nazwa|n[a\u00e1]zev|navn|namn|nimi|bezeichnung|headline|heading|label|"
    r"\u5546\u54c1\u540d|\u5546\u54c1\u540d\u79f0|\u30bf\u30a4\u30c8\u30eb|\u540d\u79f0|"
    r"\u043d\u0430\u0437\u0432\u0430\u043d\u0438\u0435)(?:produktu|produit|producto|prodotto)?"
)
DESCRIPTION = re.compile(
    r"(?:product|item|full|long|short|artikel|produkt|lang|kurz)*(?:descriptions?|desc|bodyhtml|body|"
    r"beschreibung|descripci[o\u00f3]n|descri[c\u00e7][a\u00e3]o|descrizione|omschrijving|opis|popis|"
    r"beskrivelse|beskrivning|kuvaus|\u043e\u043f\u0438\u0441\u0430\u043d\u0438\u0435|\u8aac\u660e|"
    r"\u5546\u54c1\u8aac\u660e|\u63cf\u8ff0)"
)
PICTURE = re.compile(
    r"images?|pictures?|photos?|img|thumbnail|bild(?:er)?|fotos?|imagen|imagem|immagine|afbeelding|"
    r"zdj\u0119cie|obr\u00e1zek|\u0438\u0437\u043e\u0431\u0440\u0430\u0436\u0435\u043d\u0438\u0435|"
    r"\u0444\u043e\u0442\u043e|\u753b\u50cf|\u5199\u771f|\u56fe\u7247"
)
NO_PICTURE = re.compile(
    r"alt|caption|width|height|size|count|id|ids|urls?|uri|link|links|href|src|credit|text|title"
)
SMALL = re.compile(r"thumb(nail)?s?|small|swatch|icon|preview")
# Codes of languages at the ends of names; `id`, `is` and `no` are words more often.
LANGUAGES = frozenset(
    """ar bg ca cs da de el en es et fi fr he hi hr hu it ja ko lt lv nb nl pl pt ro ru sk sl sv th
    tr uk vi zh english german french spanish italian dutch polish deutsch""".split()  # noqa: SIM905
)
ENGLISH = ("en", "english")  # what the shipped model knows


def name_words(name: str) -> list[str]:
    """The words of a column's name, in lower case."""
    return [word.lower() for word in re.split(r"[\W_]+", END_OF_WORD.sub(" ", name)) if word]


def is_title_name(name: str) -> bool:
    """Whether a column of this name holds what products are called, in any one language."""
    return TITLE.fullmatch("".join(_without_language(name)[0])) is not None


def is_picture_name(name: str) -> bool:
    """Whether a column of this name holds pictures, and not what is said of them."""
    words = name_words(name)
    return any(map(PICTURE.fullmatch, words)) and not any(map(NO_PICTURE.fullmatch, words))


def choose_title(names: Iterable[str]) -> str | None:
    """The column of these that looks most like the title; one in English before other languages."""
    return _choose_text(filter(is_title_name, names))


def choose_description(names: Iterable[str]) -> str | None:
    """The column of these that looks most like the description."""
    matching = (
        name for name in names if DESCRIPTION.fullmatch("".join(_without_language(name)[0]))
    )
    return _choose_text(matching)


def choose_picture(names: Iterable[str]) -> str | None:
    """The column of these that looks most like the picture; thumbnails come last."""
    found = filter(is_picture_name, names)
    return min(found, key=lambda name: any(map(SMALL.fullmatch, name_words(name))), default=None)


def choose_id(names: Iterable[str]) -> str | None:
    """The column of these that is called like an id, if one is."""
    plain = {"".join(name_words(name)): name for name in reversed([*names])}
    return next((plain[name] for name in IDS if name in plain), None)


def _choose_text(names: Iterable[str]) -> str | None:
    def order(name: str) -> int:
        language = _without_language(name)[1]
        return 0 if not language else 1 if language in ENGLISH else 2

    return min(names, key=order, default=None)


def _without_language(name: str) -> tuple[Sequence[str], str]:
    """The words of a name without a code of a language at an end, and that code."""
    words = name_words(name)
    if words and words[0] in LANGUAGES and len(words) > 1:  # en_title
        return words[1:], words[0]
    is_region = len(words) > 2 and words[-2] in LANGUAGES and len(words[-1]) == 2
    count = 2 if is_region else 1  # title_en_US, title_en
    if len(words) > count and words[-count] in LANGUAGES:
        return words[:-count], words[-count]
    return words, ""
