"""Which columns look as if their text should be searched: by their names, and by what they hold."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.column_types import is_text
from prodmatch.catalogue.naming import name_columns
from prodmatch.catalogue.reader import Catalogue
from prodmatch.columns.inferred_types import is_id_name, is_image_name
from prodmatch.columns.missing import find_misnamed
from prodmatch.columns.name_lists import quote_name
from prodmatch.names import is_title_name, name_words

ATTRIBUTE = re.compile(
    r"brands?|manufacturer|vendor|maker|marke|marque|marca|hersteller|colou?rs?|farbe|couleur|"
    r"colore?|categor(y|ies)|kategorie|cat[ée]gorie|categor[ií]a|types?|subtype|typ|materials?|"
    r"fabric|sizes?|gr(ö|oe)(ß|ss)e|gender|sex|geschlecht|tags?|keywords?|styles?|patterns?|finish|"
    r"shape|flavou?r|scent|department|collection|series|subtitle|features?|bullets?|author|artist|"
    r"publisher|mpn|model|theme|season|occasion|ingredients|descriptions?|(produkt)?beschreibung|"
    r"descripci[oó]n|descri[cç][aã]o|descrizione|omschrijving|opis|popis|beskrivelse|beskrivning|"
    r"details|body|overview|summary|highlights?|specifications?|specs?|описание|説明|描述"
)
NO_ATTRIBUTE = re.compile(
    r"split|status|availability|currency|condition|published|active|enabled|language|locale|"
    r"country|source|link|url|uri|path|file|date|time|unit|units|warehouse|seo|hash|digest|key|"
    r"email|policy|service|name|tax|vat|shipping|delivery|supplier|created|updated|modified|notes?|"
    r"internal|ratings?|reviews?|slug|handle|margin|cost|user|owner|sale|template|bin|alt|"
    r"meta"
)
# Of names that have a word of a product's in them: a description for search engines, say.
OTHER = frozenset(
    """id ids meta seo shipping delivery returns return internal image picture photo alt supplier
    warranty policy template""".split()  # noqa: SIM905
)
YES_NO = frozenset(
    """yes no y n true false t f on off 0 1 x ja nein oui non si sí sim tak nie da net ano ne is
    not""".split()  # noqa: SIM905
)
ADDRESS = (  # or the name of a file
    r"^\s*(?i:[a-z][a-z0-9+.-]*://|www\.|/|data:)|\S\.(?i:jpe?g|png|webp|gif|avif|tiff?|pdf|html?)\s*$"
)
MOST_WORDS, MOST_CHARACTERS = 8, 80  # of a short text, on average
CODE_CHARACTERS = 2  # of "EA" and "PK", for units, or "GB", for a country
MOST_REPEATED = 0.9  # of the values of another title
MOST_COMPARED = 5000  # products
DISTINCT_COUNTED = 1000


def is_attribute_name(name: str) -> bool:
    """Whether a column of this name holds words that a product is searched by."""
    words = name_words(name)
    return any(map(ATTRIBUTE.fullmatch, words)) and not OTHER & set(words)


@dataclass(frozen=True)
class TextColumns:
    """The text columns of a catalogue by name."""

    searched: list[str]
    others: list[str]  # but for one that looks like the title or the picture


def find_text_columns(catalogue: Catalogue) -> TextColumns:
    """Which text columns are searched, and which are not."""
    mapping = catalogue.mapping
    columns = list(zip(mapping.metadata.names, mapping.sources, strict=True))
    used = {*mapping.texts, *find_misnamed(catalogue).values()}
    free = (name for name, source in columns if source not in used)
    return TextColumns(
        [name for name, source in columns if source in mapping.texts],
        [name for name in free if is_text(mapping.metadata.field(name).type)],
    )


def name_unsearched(catalogue: Catalogue, empty: Collection[str] = ()) -> list[str]:
    """A warning of text columns that by their names are searched, unless some are chosen.

    Args:
        catalogue: whose columns.
        empty: columns without a value.
    """
    columns = find_text_columns(catalogue)
    found = [name for name in columns.others if is_attribute_name(name) and name not in empty]
    if catalogue.options.text_columns or not found:
        return []
    return [
        f"{advise_searching(columns.searched, found)} (`check(catalogue)` says what is in them)"
    ]


def advise_searching(searched: Sequence[str], missing: Sequence[str]) -> str:
    """That columns look as if they should be searched, and what to give for it."""
    return (
        f"columns not searched that look as if they should be: {name_columns(missing)}; "
        f"give `text_columns={','.join(map(quote_name, [*searched, *missing]))}`"
    )


@dataclass
class TextStatistics:
    """What is in a text column that is not searched."""

    name: str
    values: int = 0
    words: int = 0
    characters: int = 0
    letters: int = 0
    addresses: int = 0
    distinct: dict[str, None] = field(default_factory=dict)  # no more than are counted
    compared: int = 0
    repeated: int = 0  # values, of those compared, that the searched text holds too

    def add(self, column: pa.Array, searched: Sequence[str]) -> None:
        """Adds the column's next cells, and the text that is searched of the same products."""
        if self.compared < MOST_COMPARED:
            for value, text in zip(column.to_pylist(), searched, strict=True):
                if value and value.strip():
                    self.compared += 1
                    self.repeated += value.strip().casefold() in text.casefold()
        texts = column.drop_null()
        texts = texts.filter(pc.match_substring_regex(texts, r"\S"))
        self.values += len(texts)
        if not len(texts):
            return
        self.words += pc.sum(pc.count_substring_regex(texts, r"[^\s,/>|]+")).as_py()
        self.characters += pc.sum(pc.utf8_length(texts)).as_py()
        self.letters += pc.sum(pc.count_substring_regex(texts, r"\p{L}")).as_py()
        self.addresses += pc.sum(pc.match_substring_regex(texts, ADDRESS)).as_py()
        if len(self.distinct) < DISTINCT_COUNTED:
            self.distinct.update(dict.fromkeys(texts.unique().to_pylist()[:DISTINCT_COUNTED]))

    def explain(self) -> str | None:
        """Why the column should be searched; None where it should not."""
        if not self.values or 10 * self.addresses > self.values or is_image_name(self.name):
            return None
        words = name_words(self.name)
        known = is_attribute_name(self.name)
        counted = len(self.distinct)
        shown = f"{counted} values" if counted < DISTINCT_COUNTED else "many values"
        examples = ", ".join(list(self.distinct)[:2])
        share = self.repeated / max(1, self.compared)
        found = f"{shown} ({examples[:40]}), {share:.0%} of them searched already"
        if counted < 2 or YES_NO.issuperset(each.strip().lower() for each in self.distinct):
            return None
        if is_title_name(self.name) and share < MOST_REPEATED:
            return found
        if known:
            return found if self.letters or "size" in words else None
        if is_id_name(self.name) or any(map(NO_ATTRIBUTE.fullmatch, words)):
            return None
        length = self.characters / self.values
        short = (
            CODE_CHARACTERS < length <= MOST_CHARACTERS and self.words <= MOST_WORDS * self.values
        )
        return found if short and 2 * self.letters > self.characters else None
