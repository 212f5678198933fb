"""RSS, Atom and plain XML feeds, streamed item by item; no entity is ever expanded."""

import re
from collections.abc import Iterator
from functools import partial
from xml.parsers import expat

from prodmatch.errors import CatalogueError
from prodmatch.feeds.rows import MOST_COLUMNS, Feed, Row
from prodmatch.feeds.source import Source

BLOCK_BYTES = 1 << 18
ITEMS = ("item", "entry", "product", "offer", "article", "row", "record", "shopitem")  # any case
DEEPEST = 50
MOST_CHARACTERS = 64 << 20  # of one item
MOST_TAG_BYTES = 4 << 20  # expat begins a tag again with every block of it
LINKS = ("href", "url", "value")  # attributes that are an element's content
# Of texts that hold markup as elements, which a feed should have escaped.
TEXTS = re.compile(
    r".*(title|name|desc|summary|content|detail|text|body|beschreib|popis|opis).*", re.IGNORECASE
)
MARKUP = frozenset(
    """a b blockquote br center dd div dl dt em font h1 h2 h3 h4 h5 h6 hr i li ol p pre small span
    strong sub sup table td th tr u ul""".split()  # noqa: SIM905
)
ATOM = "http://www.w3.org/2005/Atom"
GOOGLE = "http://base.google.com/ns/1.0"


class _RefusedError(Exception):
    """Something in a feed that is not read."""


def open_xml(source: Source) -> Feed:
    """An XML feed as rows, without the prefix `g:`; repeated elements are lists.

    An attribute `name` of an element is a part of its column's name; attributes of an element
    without content are columns. Of markup inside a description the text is read.

    Raises:
        CatalogueError: it is no XML, declares entities, or has no items.
    """
    return Feed(form="xml", read_as="XML", rows=partial(_read_rows, source))


def _read_rows(source: Source) -> Iterator[Row]:
    items = _Items("utf-8" if source.is_given else None)
    fed = count = 0
    try:
        for block in _blocks(source):
            items.parser.Parse(block, False)
            fed += len(block)
            if fed - items.parser.CurrentByteIndex > MOST_TAG_BYTES:
                raise _RefusedError("a tag or comment without end")
            count += len(items.rows)
            yield from items.rows
            items.rows.clear()
        items.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise CatalogueError(
            f"{source.path}: line {error.lineno} is no XML ({expat.ErrorString(error.code)}). "
            "Export the feed again."
        ) from error
    except (LookupError, ValueError) as error:
        raise CatalogueError(
            f"{source.path}: is in an encoding that XML is not read in ({error}). "
            "Give its `encoding`, or export the feed as UTF-8."
        ) from error
    except _RefusedError as error:
        line = items.parser.CurrentLineNumber
        raise CatalogueError(
            f"{source.path}: line {line}: {error}; feeds with it are not read. "
            "Export the feed without it."
        ) from error
    count += len(items.rows)
    yield from items.rows
    if not count:
        raise CatalogueError(
            f"{source.path}: has no items; looked for <{'>, <'.join(ITEMS)}>. "
            "Give an RSS or Atom feed, or CSV."
        )


def _blocks(source: Source) -> Iterator[bytes]:
    """The bytes, as UTF-8 where an encoding was given; else in the one that the XML names."""
    if source.is_given:
        with source.open_text() as text:
            while characters := text.read(BLOCK_BYTES):
                yield characters.encode()
        return
    with source.open_bytes() as file:
        while block := file.read(BLOCK_BYTES):
            yield block


class _Items:
    """The items of a feed, as expat reports them.

    Args:
        encoding: of the bytes, whatever the XML says; None for what it says.
    """

    def __init__(self, encoding: str | None) -> None:
        self.rows: list[Row] = []
        self.path: list[str] = []
        self.item: dict[str, list[str]] | None = None
        self.inner: list[str] = []  # names of the open elements inside the item
        self.unread: list[dict[str, str]] = []  # their attributes, until they have content
        self.text: list[str] = []
        self.markup = 0  # open elements of a text's markup
        self.characters = 0
        self.google, self.atom = "g", "atom"
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.UnparsedEntityDeclHandler = self._refuse_entity
        self.parser.SkippedEntityHandler = self._refuse_entity
        self.parser.ExternalEntityRefHandler = self._refuse_entity
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def _refuse_entity(self, *_: object) -> int:
        raise _RefusedError("an entity of its own")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            if name.startswith("xmlns:"):
                self.google = name[6:] if value == GOOGLE else self.google
                self.atom = name[6:] if value == ATOM else self.atom
        if self.item is None:
            if _local(tag).lower() in ITEMS and self.path:
                self.item, self.characters = {}, 0
                for name, value in attributes.items():
                    if not name.startswith("xmlns"):
                        self._keep(_local(name), value)
            self.path.append(tag)
        elif self.markup or (
            _local(tag).lower() in MARKUP and any(map(TEXTS.fullmatch, self.inner))
        ):
            self.markup += 1
            self._add_text(" ")
        else:
            self._close_text()
            kind = attributes.get("name", "").strip()  # <param name="Colour">
            self.inner.append(f"{self._name(tag)}_{kind}" if kind else self._name(tag))
            self.unread = [{} for _ in self.unread]
            links = [attributes[name] for name in LINKS if attributes.get(name)]
            for link in links:
                self._keep("_".join(self.inner), link)
            self.unread.append({} if links else {**attributes})
        if len(self.path) + len(self.inner) + self.markup > DEEPEST:
            raise _RefusedError("elements nested too deeply")

    def _end(self, tag: str) -> None:
        if self.markup:
            self.markup -= 1
            self._add_text(" ")
        elif self.inner:
            self._close_text()
            for name, value in self.unread.pop().items():  # <price amount="5" currency="EUR"/>
                if name != "name" and not name.startswith("xmlns"):
                    self._keep(f"{'_'.join(self.inner)}_{_local(name)}", value)
            self.inner.pop()
        else:
            self.path.pop()
            if self.item is not None:
                self._close_text()
                self.rows.append(_make_row(self.item))
                self.item = None

    def _add_text(self, text: str) -> None:
        if self.item is not None:
            self.text.append(text)
            self.characters += len(text)
            if self.characters > MOST_CHARACTERS:
                raise _RefusedError("an item of more than 64 million characters")

    def _close_text(self) -> None:
        text = "".join(self.text).strip()
        self.text.clear()
        if text:
            self._keep("_".join(self.inner) or "text", text)
            self.unread[-1:] = [{}] if self.unread else []

    def _keep(self, name: str, value: str) -> None:
        if self.item is not None:
            self.item.setdefault(name, []).append(value)
            if len(self.item) > MOST_COLUMNS:
                raise _RefusedError(f"an item of more than {MOST_COLUMNS} elements")

    def _name(self, tag: str) -> str:
        prefix, colon, local = tag.rpartition(":")
        if prefix == self.google:
            return f"g:{local}"
        return f"{prefix}_{local}" if colon and prefix != self.atom else local


def _make_row(item: dict[str, list[str]]) -> Row:
    """An item's values; those of `g:id` before those of `id`, which in Atom is an address."""
    merged: dict[str, list[str]] = {}
    for name, values in item.items():
        plain = name.replace("g:", "")
        known = merged.setdefault(plain, [])
        merged[plain] = [*values, *known] if name.startswith("g:") else [*known, *values]
    return {name: found[0] if len(found) == 1 else found for name, found in merged.items()}


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
