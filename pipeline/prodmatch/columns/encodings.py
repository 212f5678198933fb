"""Texts that were decoded with a wrong encoding on their way: letters lost, or others for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.naming import name_some
from prodmatch.columns.findings import Finding, Findings, text_columns

# What Windows-1252, or Latin-1, makes of the bytes 80 to BF, which follow the first of a letter.
NEXT = f"[\u0080-\u00bf{bytes(range(0x80, 0xC0)).decode('cp1252', 'ignore')}]"
WINDOWS = (
    f"[ÂÃÄÅ]{NEXT}|â{NEXT}{NEXT}|(?:[ÐÑ]{NEXT}){{2}}|(?:[ÎÏ]{NEXT}){{2}}|(?:[\u00d7ØÙÚ]{NEXT}){{2}}|"
    f"(?:[àáãäåæçèéêëìíîï]{NEXT}{NEXT}){{2}}|ð[Ÿ\u009f]|ï¿½|ï»¿"
)
MAC = "√[^\u0000-\u007fπ]|\u201aÄ[^\u0000-\u007f]|¬[†∞£Æ©\u00b4ª∫Ω]"
CYRILLIC = (
    "(?:[\u0420\u0421][\u0402-\u045f\u0490\u0491\u00a0-\u00bf\u201a-\u2122]){4}|"
    "[A-Za-z]\u0413[^\u0000-\u007f]|\u0432\u0402"
)
KINDS = {  # by what is found: RE2, and Python
    "lost": "\ufffd|ï¿½|锟斤拷",
    "UTF-8 was read as Windows-1252": WINDOWS,
    "UTF-8 was read as Mac Roman": MAC,
    "UTF-8 was read as the code page of a terminal": "├[^\u0000-\u007f\u2500-\u257f]",
    "UTF-8 was read as Windows-1251": CYRILLIC,
    "Windows-1251 was read as Windows-1252": "[À-ÖØ-öø-ÿ]{5}",
    "Windows-1252 was read as Latin-1": "[\u0080-\u0084\u0086-\u009f]",
}
PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}
ANY = "|".join(KINDS.values())
# What may well stand behind a capital letter: signs, quotes, dashes, a space.
CLOSING = frozenset("®™\u2018\u2019“”\u2013—…°ªº«»\u00a0")
FEWEST_DISTINCT = 3  # letters of five: "ÄÄÄÄÄ" is a cry
SHOWN = 20  # characters of an example


@dataclass
class WrongEncodings:
    """What has been found of them so far."""

    found: Findings = field(default_factory=dict)

    def add(self, product_ids: Sequence[str], metadata: pa.RecordBatch) -> None:
        """Adds the text columns of some products."""
        for name, texts in text_columns(metadata):
            rows = pc.indices_nonzero(pc.fill_null(pc.invert(pc.string_is_ascii(texts)), False))
            if not len(rows):
                continue
            rows = rows.filter(pc.match_substring_regex(texts.take(rows), ANY))
            for row, text in zip(rows.to_pylist(), texts.take(rows).to_pylist(), strict=True):
                for kind, start in find_damage(text).items():
                    found = self.found.setdefault((name, kind), Finding())
                    found.add(1, _word_at(text, start), [product_ids[row]])

    def join(self, later: "WrongEncodings") -> None:
        """Adds what was found in products that come after these."""
        for key, other in later.found.items():
            self.found.setdefault(key, Finding()).add(other.count, other.example, other.ids)

    def to_list(self) -> list[list[object]]:
        """All of it as what JSON can hold, for `from_list`."""
        return [[*key, each.count, each.example, each.ids] for key, each in self.found.items()]

    @classmethod
    def from_list(cls, rows: Sequence[Sequence[Any]]) -> "WrongEncodings":
        """What `to_list` gave."""
        return cls({(name, kind): Finding(*found) for name, kind, *found in rows})

    def warnings(self) -> list[str]:
        """What to say of each column."""
        return [
            f"{name}: {_describe(kind, found)}. Export the catalogue as UTF-8 again"
            for (name, kind), found in self.found.items()
        ]


def find_damage(text: str) -> Mapping[str, int]:
    """What is wrong with the letters of a text, and at which character it is first seen."""
    found = {}
    for kind, pattern in PATTERNS.items():
        start = next((each.start() for each in pattern.finditer(text) if _is_wrong(each)), None)
        if start is not None:
            found[kind] = start
    if len(found) > 1:  # the bytes of UTF-8 are such letters as well
        for kind in ("Windows-1252 was read as Latin-1", "Windows-1251 was read as Windows-1252"):
            found.pop(kind, None)
    return found


def _is_wrong(match: re.Match[str]) -> bool:
    """Whether the letters are not what they seem: "LÃ®" and "PÅ”" may be right."""
    letters, text = match.group(), match.string
    if len(set(letters)) < FEWEST_DISTINCT and len(letters) == 5:
        return False
    if letters[0] not in "ÂÃÄÅ" or len(letters) > 2 or letters[1] not in CLOSING:
        return letters[0] != "â" or not CLOSING.issuperset(letters[1:])
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    return after.isalpha() or before.islower()


def _word_at(text: str, start: int) -> str:
    """The word, or a part of it, that a character stands in."""
    first = text.rfind(" ", 0, start) + 1
    return text[max(first, start - SHOWN) :].split(" ", 1)[0][:SHOWN]


def _describe(kind: str, found: Finding) -> str:
    texts = "text" if found.count == 1 else "texts"
    named = name_some(found.ids, found.count)
    if kind == "lost":
        verb = "holds" if found.count == 1 else "hold"
        return (
            f"{found.count} {texts} {verb} U+FFFD in place of letters that were lost "
            f"({found.example!r}; {named}): they were decoded in a wrong encoding"
        )
    verb = "looks" if found.count == 1 else "look"
    repaired = _repair(found.example, kind)
    example = f"{found.example!r} for {repaired!r}" if repaired else repr(found.example)
    return f"{found.count} {texts} {verb} wrongly decoded ({example}; {named}): {kind}"


CODECS = {
    "UTF-8 was read as Windows-1252": ("cp1252", "utf-8"),
    "UTF-8 was read as Mac Roman": ("mac_roman", "utf-8"),
    "UTF-8 was read as the code page of a terminal": ("cp850", "utf-8"),
    "UTF-8 was read as Windows-1251": ("cp1251", "utf-8"),
    "Windows-1251 was read as Windows-1252": ("cp1252", "cp1251"),
    "Windows-1252 was read as Latin-1": ("latin-1", "cp1252"),
}


def _repair(text: str, kind: str) -> str | None:
    """The text as it may have been written; None where it cannot be told."""
    read, written = CODECS[kind]
    try:
        return b"".join(_bytes(text, read)).decode(written)
    except UnicodeError:
        return None


def _bytes(text: str, encoding: str) -> Iterator[bytes]:
    """Each character's byte; where Windows has none, the one of Latin-1."""
    for character in text:
        try:
            yield character.encode(encoding)
        except UnicodeEncodeError:
            yield character.encode("latin-1")
