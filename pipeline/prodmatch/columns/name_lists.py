"""Lists of names of columns, and of their values, as options and addresses give them."""

import re

NAME = re.compile(r'(?:^|,)(?:\s*"((?:[^"]|"")*)"([^,]*)|([^,]*))')
MOST_SHOWN = 80  # characters of a wrong part


def split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list; one that has a comma stands in double quotes."""
    found = []
    for quoted, rest, plain in NAME.findall(text):
        name = (quoted.replace('""', '"') + rest if quoted else plain).strip()
        if name:
            found.append(name)
    return tuple(found)


def quote_name(name: str) -> str:
    """A name as it stands in such a list."""
    if "," not in name and not name.startswith('"'):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def split_pairs(text: str) -> dict[str, str]:
    """The pairs in `name=value,...`.

    Raises:
        ValueError: a part is no pair, or a name has two values; says which.
    """
    pairs: dict[str, str] = {}
    for part in split_names(text):
        name, _, value = (each.strip() for each in part.partition("="))
        if not name or not value:
            raise ValueError(f"{part[:MOST_SHOWN]!r} is not of the form NAME=VALUE.")
        if pairs.setdefault(name, value) != value:
            raise ValueError(f"{name[:MOST_SHOWN]!r} is given twice.")
    return pairs
