"""The pages of a service for people: the search page, and what programs can call."""

import functools
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import jinja2

from prodmatch.errors import QueryError
from prodmatch.products.column_storage import quote_name
from prodmatch.products.prices import choose_price
from prodmatch.products.product_db import Products
from prodmatch.reports.cards import Card, CardColumns, make_card
from prodmatch.search.answers.hits import Answer, Facets, Hit
from prodmatch.search.answers.result_table import short
from prodmatch.search.options import MOST_HITS
from prodmatch.search.parameters import Search, read_integer, read_search
from prodmatch.search.searcher import Searcher
from prodmatch.service.answers import find_answer, translate
from prodmatch.service.openapi import PICTURE, describe
from prodmatch.storage.vectors import draw_rows

TEMPLATES = Path(__file__).parent / "templates"
TOP = 24  # hits of a page
MOST_FACETS, MOST_CHOICES = 4, 8
SAMPLE_ROWS = 200  # of which columns with few values are recognised
FEWEST_VALUES, MOST_VALUES = 2, 100  # in the sample, of a column that is counted
LONGEST_VALUE = 40
FREE = ("product_id", "title", "description")  # columns that are never counted
MOST_FACTS = 4  # columns shown of a hit
MOST_CHARACTERS = 200  # of a value


@dataclass(frozen=True)
class State:
    """What the page shows: all of it stands in its address."""

    q: str = ""
    id: str = ""
    filter: str = ""
    # Chosen values, each `column=value`; those of one column are alternatives.
    picks: tuple[str, ...] = ()
    offset: int = 0

    @classmethod
    def read(cls, values: Mapping[str, object]) -> "State":
        """The state that parameters describe; others than its own are left out.

        Raises:
            QueryError: the offset is no whole number.
        """
        picks = values.get("pick", ())
        return cls(
            str(values.get("q", "")),
            str(values.get("id", "")),
            str(values.get("filter", "")),
            tuple(map(str, picks)) if isinstance(picks, Sequence) else (),
            read_integer(values.get("offset") or 0, "offset"),
        )

    @classmethod
    def decode(cls, encoded: str) -> "State":
        """The state of `encoded`."""
        pairs = parse_qsl(encoded)
        values: dict[str, object] = dict(pairs)
        return cls.read({**values, "pick": [value for name, value in pairs if name == "pick"]})

    @property
    def encoded(self) -> str:
        """The state as the parameters of an address."""
        own = [("q", self.q), ("id", self.id), ("filter", self.filter)]
        own += [("pick", pick) for pick in self.picks]
        own += [("offset", str(self.offset))] if self.offset else []
        return urlencode([(name, value) for name, value in own if value])

    @property
    def is_empty(self) -> bool:
        """Whether nothing is searched for."""
        return not self.q.strip() and not self.id

    def search(self, products: Products, facets: Sequence[str], image: bytes | None) -> Search:
        """The search for the hits and the facets of this page.

        Raises:
            QueryError: a value is chosen of a column that there is not.
        """
        columns: dict[str, list[str]] = {}
        for pick in self.picks:
            name = next((each for each in products.columns if pick.startswith(f"{each}=")), None)
            if name is None:
                raise QueryError(f"`pick={pick[:MOST_CHARACTERS]}`: there is no such column.")
            columns.setdefault(name, []).append(pick[len(name) + 1 :])
        conditions = []
        for name, chosen in columns.items():
            bare = name in products.number_columns
            quoted = [value if bare else "'" + value.replace("'", "''") + "'" for value in chosen]
            conditions.append(f"{quote_name(name)} IN ({', '.join(quoted)})")
        if self.filter.strip():
            conditions.append(f"({self.filter})" if conditions else self.filter)
        values: dict[str, object] = {
            "q": self.q.strip(),
            "id": self.id,
            "filter": " AND ".join(conditions),
            "offset": self.offset,
            "top": TOP,
            "facets": list(facets),
            "count": True,
        }
        return read_search(values, image)


@dataclass(frozen=True)
class Choice:
    """A value of a column that can be chosen, or is."""

    label: str
    count: int
    picked: bool
    state: State  # after it is clicked


@dataclass(frozen=True)
class FacetBox:
    """A column with its commonest values."""

    column: str
    choices: Sequence[Choice]


@dataclass(frozen=True)
class SearchPage:
    """What the template shows."""

    state: State
    answer: Answer | None = None
    cards: Sequence[tuple[Hit, Card]] = ()
    picture: str = ""  # that is searched with, a PNG in base64
    facets: Sequence[FacetBox] = ()
    generation: int | None = None
    error: str = ""

    @property
    def hints(self) -> list[str]:
        """What to know of the query."""
        return [] if self.answer is None else [translate(hint) for hint in self.answer.hints]

    @property
    def earlier(self) -> State | None:
        """The page before this one."""
        offset = self.state.offset
        return replace(self.state, offset=max(0, offset - TOP)) if offset else None

    @property
    def later(self) -> State | None:
        """The page after this one, where it may have hits."""
        offset = self.state.offset + TOP
        is_full = self.answer is not None and len(self.answer.hits) == TOP
        return replace(self.state, offset=offset) if is_full and offset + TOP <= MOST_HITS else None

    def render(self) -> str:
        """The page."""
        return _render("search.html", page=self)


def make_search_page(
    searcher: Searcher, state: State, image: bytes | None, facets: Sequence[str]
) -> SearchPage:
    """The page of a state; without anything to search for, the form alone.

    Args:
        image: a picture to search with, in the size that the encoder sees.

    Raises:
        QueryError: it cannot be answered.
    """
    generation = searcher.generation.number
    if state.is_empty and image is None:
        return SearchPage(state, generation=generation)
    answer = find_answer(searcher, state.search(searcher.products, facets, image))
    columns = CardColumns(choose_price(searcher.products.price_columns))
    return SearchPage(
        state,
        answer,
        [(hit, make_card(hit, columns)) for hit in answer.hits],
        "" if image is None else b64encode(image).decode(),
        _boxes(answer.facets, state),
        generation,
    )


def docs_page() -> str:
    """The routes, for people who write programs."""
    return _render("docs.html", paths=describe()["paths"], image=PICTURE["description"])


def style() -> str:
    """The style sheet of the pages."""
    return (TEMPLATES / "style.css").read_text()


def choose_facets(products: Products) -> tuple[str, ...]:
    """Columns of text or truth values that look as if they had few of them."""
    rows = products.metadata(draw_rows(products.row_count, SAMPLE_ROWS).tolist())
    found = []
    for name in products.columns:
        values = {row[name] for row in rows if row[name] is not None}
        plain = all(
            isinstance(value, bool) or (isinstance(value, str) and len(value) <= LONGEST_VALUE)
            for value in values
        )
        most = min(MOST_VALUES, max(FEWEST_VALUES, len(rows) // 2))
        if name not in FREE and plain and FEWEST_VALUES <= len(values) <= most:
            found.append(name)
    return tuple(found[:MOST_FACETS])


def _boxes(facets: Facets, state: State) -> list[FacetBox]:
    """The facets with what a click on each value leads to; empty ones are left out."""
    boxes = []
    for name, values in facets.items():
        choices = [
            _choice(name, each.value, each.count, state)
            for each in values
            if isinstance(each.value, str | int | float) and str(each.value)
        ]
        if choices:
            boxes.append(FacetBox(name, choices[:MOST_CHOICES]))
    return boxes


def _choice(name: str, value: object, count: int, state: State) -> Choice:
    label = str(value).lower() if isinstance(value, bool) else str(value)
    pick = f"{name}={label}"
    picked = pick in state.picks
    others = tuple(each for each in state.picks if each != pick)
    after = replace(state, picks=others if picked else (*others, pick), offset=0)
    return Choice(label, count, picked, after)


def _facts(card: Card) -> list[tuple[str, object]]:
    """The first columns that have a value, next to title, price, brand and text."""
    found = [(name, value) for name, value in card.rest.items() if name not in FREE and value != ""]
    return found[:MOST_FACTS]


@functools.cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"short": functools.partial(short, most=MOST_CHARACTERS), "facts": _facts}
    return templates


def _render(name: str, **values: object) -> str:
    return _templates().get_template(name).render(values)
