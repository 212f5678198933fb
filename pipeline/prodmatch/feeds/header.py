"""Where the table of a delimited file begins, and what is odd about its first line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prodmatch.feeds.columns import plain_name
from prodmatch.feeds.rows import count_of

KNOWN = re.compile(
    r"(product|item|article|variant)?_?(id|sku|name|title|price|type)s?|handle|title|name|titel|"
    r"bezeichnung|description|beschreibung|body_html|price|preis|brand|vendor|category|kategorie|"
    r"ean|gtin|asin|upc|mpn|image(_src|_url|_link)?s?|url|link"
)
MOST_LINES = 10  # that stand above a header
NUMBER = re.compile(r"-?\d+([.,]\d+)?")
SHOWN = 60
TEMPLATE_LINES = 2  # above the names, where a template does not tell


def count_lines_above(head: str, delimiters: Sequence[str]) -> int:
    """How many lines stand above the names of the columns: titles, comments, blank ones."""
    if (template := read_template(head)) is not None:
        return template.names
    lines = head.splitlines()[:MOST_LINES]
    for number, line in enumerate(lines):
        names = max((_names(line, delimiter) for delimiter in delimiters), key=len)
        known = sum(KNOWN.fullmatch(name) is not None for name in names)
        if line.startswith("#INFO") or (line[:1] == "#" and not known):  # of a template, a comment
            continue
        if known and len(names) > 1 and not any(map(NUMBER.fullmatch, names)):
            return number
        if known or len(names) > 2:  # a table of other names, or a product
            return 0
    return 0


@dataclass(frozen=True)
class Template:
    """Where the names and the products of a marketplace's template stand."""

    names: int  # lines above the names of the columns
    examples: int  # lines between these and the products


def read_template(head: str) -> Template | None:
    """Where things stand in a flat file of Amazon's; None where it is none."""
    first = head.partition("\n")[0].lstrip('\ufeff"')
    if not first.startswith("TemplateType="):
        return None
    names, rows = (re.search(rf"\b{key}Row=(\d+)", first) for key in ("attribute", "data"))
    above = int(names[1]) - 1 if names else TEMPLATE_LINES
    return Template(above, max(0, int(rows[1]) - above - 2) if rows else 0)


def plain_attribute(name: str) -> str:
    """An attribute's name without where it is for: `item_name[language_tag=en_US]#1.value`."""
    bare = re.sub(r"\[[^\]]*\]", "", name)
    found = re.fullmatch(r"(.*?)#(\d+)\.(\w+)((?:#\d+\.\w+)*)", bare)
    if found is None:
        return bare
    number = "" if found[2] == "1" else f"_{found[2]}"
    end = "" if found[3] in ("value", "media_location") else f"_{found[3]}"
    return f"{found[1]}{number}{end}{re.sub(r'#1', '', found[4]).replace('.', '_')}"


def _names(line: str, delimiter: str) -> list[str]:
    """The cells of a line that hold anything, as names."""
    return [name for cell in line.split(delimiter) if (name := plain_name(cell.strip(' "\ufeff')))]


def describe_lines_above(lines: Sequence[str]) -> list[str]:
    """What to say of the lines that stand above the header."""
    if not lines:
        return []
    shown = next((line.strip() for line in lines if line.strip()), "")[:SHOWN]
    count = count_of(len(lines), "line")
    return [f"{count} above the names of the columns passed over ({shown!r})"]


def describe_header(names: Sequence[str]) -> list[str]:
    """What is odd about the names of the columns: a product's cells, or all in one."""
    shown = ", ".join(repr(name[:SHOWN]) for name in names[:3])
    if any(KNOWN.fullmatch(plain_name(name)) for name in names):
        return []
    if len(names) == 1 and re.search(r"[^\w\s().-]|\w\s\s+\w", names[0]):
        return [f"only one column, {shown}: give its `delimiter`"]
    if any(NUMBER.fullmatch(name.strip()) for name in names):
        return [
            f"the first line looks like a product ({shown}) and is taken for the names of the "
            "columns: write these above it"
        ]
    return []
