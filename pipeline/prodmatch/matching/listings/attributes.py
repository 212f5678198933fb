"""The columns of a catalogue that tell variants apart: colour, size, capacity and the like."""

from collections.abc import Mapping

from prodmatch.lexical.folding import fold
from prodmatch.matching.listings.named_values import read_names

COLUMNS = read_names(
    "colour color farbe couleur, size groesse taille, capacity storage memory, "
    "pack pack_size pieces, gender, material, pattern"
)
ATTRIBUTES = tuple(dict.fromkeys(COLUMNS.values()))
NO_VALUE = frozenset(["unisex", "multi", "multicolor", "multicolour", "none", "n", "na", "null"])


def read_attributes(columns: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The words of every attribute that a product has a column of."""
    found = {}
    for column, value in columns.items():
        name = COLUMNS.get(column.lower())
        if name is None or value is None:
            continue
        words = tuple(dict.fromkeys(fold(str(value)).replace("/", " ").split()))
        if words and not NO_VALUE & set(words):
            found[name] = words
    return found
