"""Texts as they are embedded and searched: without markup, in one kind of space, joined."""

import html
import re
import unicodedata
from collections.abc import Sequence
from html.parser import HTMLParser

import pyarrow as pa
import pyarrow.compute as pc

MOST_CHARACTERS = 10_000  # cut before the tokenizer, which would read megabytes first
MOST_INVISIBLE = 100  # characters of a text that shows nothing
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters that are empty
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
MOST_ESCAPES = 3  # of one sign: `&amp;amp;quot;`, as of two programs one after the other
INLINE_DATA = re.compile(r"data:[\w/+.-]*;base64,[\w+/=%-]*", re.IGNORECASE)  # a picture, a font
MARKED = re.compile(r"<!\[CDATA\[|\]\]>|<!\[[^>]*>")
# Printable ASCII in single spaces, without the signs of markup (`&` may be a word):
# `clean_text` gives it as it is.
WORD = r"(?:[!-%'-;=-~]+|&)"
CLEAN = f"^{WORD}(?: {WORD})*$"
UNREAD = ("script", "style")
NAMES = """
a abbr acronym address area article aside audio b base basefont bdi bdo big blockquote body br
button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir
div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6
head header hgroup hr html i iframe img input ins kbd label legend li link main map mark marquee
menu meta meter nav nobr noframes noscript object ol optgroup option output p param path picture
pre progress q rp rt ruby s samp script search section select slot small source span strike strong
style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u
ul var video wbr
"""
ELEMENTS = frozenset(NAMES.split())  # of HTML


def clean_text(text: str | None) -> str:
    """Text as it is embedded and searched: no markup, no control characters, one kind of space."""
    if not text:
        return ""
    text = INLINE_DATA.sub(" ", text)[: 2 * MOST_CHARACTERS]
    for _ in range(MOST_ESCAPES * ("&" in text)):
        text = html.unescape(text)
    if "<" in text and ">" in text:
        text = _strip_markup(text)
    text = " ".join(unicodedata.normalize("NFC", CONTROL.sub(" ", text)).split())
    return "" if len(text) <= MOST_INVISIBLE and all(map(is_invisible, text)) else text


def strip_invisible(text: str) -> str:
    """Text without the characters that show nothing, but for spaces inside it."""
    return "".join(c for c in text if c.isspace() or not is_invisible(c)).strip()


def is_invisible(character: str) -> bool:
    """Whether a character shows nothing by itself: spaces, marks of width, order or bytes."""
    return character == " " or unicodedata.category(character) == "Cf" or character in BLANKS


def _strip_markup(text: str) -> str:
    """The text with a space for every tag; what only looks like one, as in `a<b`, stays."""
    if "<![" in text:
        text = MARKED.sub(" ", text)
    end = text.rfind(">") + 1  # beyond it no tag is closed
    parser = _Markup()
    parser.feed(text[:end])
    rest = "" if parser.unread else text[end:]
    parser.close()
    return "".join([*parser.parts, rest])


class _Markup(HTMLParser):
    """Gathers what a page shows of a text: no tags, no comments, no scripts, no styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    @property
    def unread(self) -> bool:
        """Whether the parser is inside a script or a style."""
        return self.cdata_elem in UNREAD

    def handle_data(self, data: str) -> None:
        if not self.unread:
            self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        comparison = len(tag) == 1 and attrs and all(value is None for _, value in attrs)
        known = tag in ELEMENTS or ":" in tag or "-" in tag
        # `a<b and c>d` and `size <large>` are no tags.
        self.parts.append((self.get_starttag_text() or "") if comparison or not known else " ")

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(" ")

    def handle_comment(self, data: str) -> None:
        self.parts.append(" ")


def join_texts(columns: Sequence[pa.Array], rows: int) -> list[str]:
    """The cleaned texts of each row, joined; empty where it has none.

    Args:
        columns: `(rows,)` each, of types that are texts or can be cast to them.
        rows: how many there are, as there may be no column.
    """
    cleaned = [_clean_column(column.cast(pa.string())) for column in columns]
    if len(cleaned) == 1:
        return [text[:MOST_CHARACTERS] for text in cleaned[0]]
    if not cleaned:
        return [""] * rows
    return [
        ". ".join([part for part in parts if part])[:MOST_CHARACTERS]
        for parts in zip(*cleaned, strict=True)
    ]


def _clean_column(column: pa.StringArray) -> list[str]:
    texts: list[str] = pc.fill_null(column, "").to_pylist()
    short = pc.less_equal(pc.binary_length(column), MOST_CHARACTERS)
    clean = pc.and_kleene(short, pc.match_substring_regex(column, CLEAN))
    for row in pc.indices_nonzero(pc.invert(pc.fill_null(clean, False))).to_pylist():
        texts[row] = clean_text(texts[row])
    return texts
