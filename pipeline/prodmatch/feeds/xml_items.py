"""RSS, Atom and plain XML feeds, streamed item by item; no entity is ever expanded."""

import contextlib
import re
from collections import Counter
from collections.abc import Generator, Iterator, Set
from functools import partial
from itertools import islice
from xml.parsers import expat

from prodmatch.errors import CatalogueError
from prodmatch.feeds.rows import MOST_COLUMNS, Feed, Row
from prodmatch.feeds.source import Source

BLOCK_BYTES = 1 << 18
ITEMS = ("item", "entry", "product", "offer", "article", "row", "record", "shopitem")  # any case
SAMPLE_ITEMS = 200  # that tell the names of items, and which elements are translated
DEEPEST_ITEM = 2  # elements that an item of another name is in, at most
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
# What attributes say of an element's form, and not of the product.
FORMS = frozenset(["name", "lang", "rel", "space", "ispermalink", "schemalocation"])
FORM_OF_TEXT = re.compile(r"x?html|text|plain|cdata|string|[\w.+-]+/[\w.+-]+", re.IGNORECASE)
REMEDIES = {
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: (
        "XML has no entity such as &nbsp;: export the feed with the characters themselves, or with "
        "its texts in CDATA."
    ),
    expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]: (
        "Give its `encoding` where that is not the one it names; else export the feed again."
    ),
    expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI]: (
        "Remove what stands before <?xml."
    ),
}
ATOM = "http://www.w3.org/2005/Atom"
GOOGLE = "http://base.google.com/ns/1.0"


class _RefusedError(Exception):
    """Something in a feed that is not read."""


def open_xml(source: Source) -> Feed:
    """An XML feed as rows, without the prefix `g:`; repeated elements are lists.

    An attribute `name` of an element is a part of its column's name, and so is its language where
    one item has the element in several; other attributes are columns. Of markup inside a
    description the text is read. Items have one of the names of `ITEMS`, or else that of the
    elements next to the root that are repeated.

    Raises:
        CatalogueError: it is no XML, declares entities, or has no items.
    """
    return Feed(form="xml", read_as="XML", rows=partial(_read_rows, source))


def _read_rows(source: Source) -> Iterator[Row]:
    encoding = "utf-8" if source.is_given else None
    sample = _Items(encoding)
    found = _count_sample(source, sample)
    if not found and (item := sample.find_repeated()):
        sample = _Items(encoding, items={item})
        found = _count_sample(source, sample)
    if not found:
        raise CatalogueError(
            f"{source.path}: has no items; looked for <{'>, <'.join(ITEMS)}>, and for elements "
            "that are repeated. Give an RSS or Atom feed, or CSV."
        )
    yield from _parse(source, _Items(encoding, items=sample.items, translated=sample.translated))


def _count_sample(source: Source, items: "_Items") -> int:
    """How many of the first items there are; what they tell is then in `items`."""
    with contextlib.closing(_parse(source, items)) as rows:
        return sum(1 for _ in islice(rows, SAMPLE_ITEMS))


def _parse(source: Source, items: "_Items") -> Generator[Row]:
    fed = 0
    try:
        for block in _blocks(source):
            items.parser.Parse(block, False)
            fed += len(block)
            if fed - items.parser.CurrentByteIndex > MOST_TAG_BYTES:
                raise _RefusedError("a tag or comment without end")
            yield from items.rows
            items.rows.clear()
        items.parser.Parse(b"", True)
    except expat.ExpatError as error:
        remedy = REMEDIES.get(error.code, "Export the feed again.")
        raise CatalogueError(
            f"{source.path}: line {error.lineno} is no XML ({expat.ErrorString(error.code)}). "
            f"{remedy}"
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
    yield from items.rows


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
        items: the names of items, in small letters.
        translated: names of columns whose elements have their language in these.
    """

    def __init__(
        self,
        encoding: str | None,
        *,
        items: Set[str] = frozenset(ITEMS),
        translated: Set[str] = frozenset(),
    ) -> None:
        self.items, self.named_by_language = items, translated
        self.translated: set[str] = set()  # columns that one item has in several languages
        self.languages: dict[str, str] = {}  # of the item's elements, by column
        self.outside: Counter[tuple[int, str]] = Counter()  # elements by depth and name
        self.parents: set[tuple[int, str]] = set()  # those of them with elements inside
        self.rows: list[Row] = []
        self.path: list[str] = []
        self.item: dict[str, list[str]] | None = None
        self.inner: list[str] = []  # names of the open elements inside the item
        self.attributes: list[dict[str, str]] = []  # theirs
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
            self._start_outside(tag, attributes)
        elif self.markup or (
            _local(tag).lower() in MARKUP and any(map(TEXTS.fullmatch, self.inner))
        ):
            self.markup += 1
            self._add_text(" ")
        else:
            self._close_text()
            kind = attributes.get("name", "").strip()  # <param name="Colour">
            self.inner.append(f"{self._name(tag)}_{kind}" if kind else self._name(tag))
            self._add_language(attributes.get("xml:lang") or attributes.get("lang") or "")
            links = [name for name in LINKS if attributes.get(name)]
            for name in links:
                self._keep("_".join(self.inner), attributes.pop(name))
            self.attributes.append(attributes)
        if len(self.path) + len(self.inner) + self.markup > DEEPEST:
            raise _RefusedError("elements nested too deeply")

    def _start_outside(self, tag: str, attributes: dict[str, str]) -> None:
        """An item begins, or an element that items may be in."""
        depth, name = len(self.path), _local(tag).lower()
        if 0 < depth <= DEEPEST_ITEM:
            self.outside[depth, name] += 1
        self.parents.update((depth - 1, _local(each).lower()) for each in self.path[-1:])
        if name in self.items and self.path:
            self.item, self.characters = {}, 0
            self.languages.clear()
            for attribute, value in attributes.items():
                if not attribute.startswith("xmlns"):
                    self._keep(_local(attribute), value)
        self.path.append(tag)

    def _end(self, tag: str) -> None:
        if self.markup:
            self.markup -= 1
            self._add_text(" ")
        elif self.inner:
            self._close_text()
            for name, value in self.attributes.pop().items():  # <price currency="EUR">5</price>
                if not _is_form(name, value):
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

    def _keep(self, name: str, value: str) -> None:
        if self.item is not None:
            self.item.setdefault(name, []).append(value)
            if len(self.item) > MOST_COLUMNS:
                raise _RefusedError(f"an item of more than {MOST_COLUMNS} elements")

    def _add_language(self, language: str) -> None:
        """Notes the language of the element that begins, and adds it to the column's name."""
        column = "_".join(self.inner)
        if language and self.languages.setdefault(column, language) != language:
            self.translated.add(column)
        if language and column in self.named_by_language:
            self.inner[-1] += f"_{language}"

    def find_repeated(self) -> str | None:
        """The name of the elements outside items that are repeated.

        Those with elements inside come first, and those next to the root.
        """
        repeated = [each for each, count in self.outside.items() if count > 1]
        repeated.sort(key=lambda each: (each not in self.parents, each[0], -self.outside[each]))
        return repeated[0][1] if repeated else None

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


def _is_form(name: str, value: str) -> bool:
    """Whether an attribute tells no more than how its element is written."""
    if name.startswith(("xmlns", "xsi:")) or _local(name).lower() in FORMS:
        return True
    return name.lower() == "type" and FORM_OF_TEXT.fullmatch(value.strip()) is not None


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
