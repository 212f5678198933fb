"""Lists of names of columns, as options and addresses give them."""

import re

NAME = re.compile(r'(?:^|,)(?:\s*"((?:[^"]|"")*)"([^,]*)|([^,]*))')


def split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list; one that has a comma stands in double quotes."""
    found = []
    for quoted, rest, plain in NAME.findall(text):
        name = (quoted.replace('""', '"') + rest if quoted else plain).strip()
        if name:
            found.append(name)
    return tuple(found)
