"""Text for terminals: control characters shown, widths as a terminal counts them."""

import re
import unicodedata

# Control characters, and marks that turn the direction of what follows or end a line.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
ZERO_WIDTH = ("Mn", "Me", "Cf")  # combining marks, and characters that only join or format


def harmless(text: str) -> str:
    r"""The text with its control characters written as escapes, such as `\x1b`."""
    return CONTROL.sub(_escape, text)


def unbroken(text: str) -> str:
    r"""The text in one line: line breaks are written as escapes, all else stays."""
    return LINE_BREAKS.sub(_escape, text)


def one_line(message: str) -> str:
    """A message with its white space joined and its control characters shown."""
    return harmless(" ".join(message.split()))


def width(text: str) -> int:
    """The columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def cut(text: str, columns: int) -> str:
    """The text, with an ellipsis for what would go beyond so many columns."""
    if width(text) <= columns:
        return text
    kept, taken = "", 1  # the ellipsis
    for character in text:
        taken += _columns(character)
        if taken > columns:
            break
        kept += character
    return kept + "…"


def _columns(character: str) -> int:
    if unicodedata.category(character) in ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
