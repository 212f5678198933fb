"""A search as named parameters, the way that HTTP and JSON give them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Literal

from prodmatch.columns.name_lists import MOST_SHOWN, split_names, split_pairs
from prodmatch.errors import QueryError
from prodmatch.search.options import MOST_HITS, SearchOptions
from prodmatch.search.queries import Query

Kind = Literal["text", "integer", "number", "flag", "names", "numbers"]
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a search.

    Attributes:
        name: as a request has it.
        kind: of its value. Names are separated by commas, and in double quotes where they have
            one; numbers are `name=1.5,...`. JSON may have a list and an object in their place.
        about: what it means, in a line.
        field: of `Query` or `SearchOptions`, where it has another name there.
    """

    name: str
    kind: Kind
    about: str
    field: str = ""

    @property
    def target(self) -> str:
        """The field that it sets."""
        return self.field or self.name


PARAMETERS = (
    Parameter("q", "text", "Words to search for.", "text"),
    Parameter("id", "text", "A product of the index, to find products like it.", "product_id"),
    Parameter("top", "integer", f"Hits wanted, 1 to {MOST_HITS}; 10 if not given."),
    Parameter("offset", "integer", "Hits on earlier pages."),
    Parameter("filter", "text", "An SQL condition over the columns, such as price < 50.", "where"),
    Parameter("one_per", "text", "A column; only the best hit for each of its values."),
    Parameter("diverse", "number", "0 to 1: how much less a hit counts that is like one above it."),
    Parameter("boost", "numbers", "Numeric columns with weights, added to the score."),
    Parameter("facets", "names", "Columns whose values are counted over all that match."),
    Parameter("count", "flag", "Count the products that match; facets do that, too."),
    Parameter("min_probability", "number", "Hits that match with a lower one are left out."),
    Parameter("weights", "numbers", "Of the signals: lexical=0.5,text=0.2,image=0.3."),
    Parameter("exact", "flag", "Search every word as it is typed."),
)
KNOWN = {parameter.name: parameter for parameter in PARAMETERS}
#: Parameters of the library that a request has under another name.
RENAMED = {parameter.field: parameter.name for parameter in PARAMETERS if parameter.field}


@dataclass(frozen=True)
class Search:
    """A query, and which of its hits are wanted."""

    query: Query
    options: SearchOptions


def read_search(values: Mapping[str, object], image: bytes | None = None) -> Search:
    """The search that parameters describe; one that is None or an empty text is not given.

    Raises:
        QueryError: a parameter is unknown, or a value is not of its kind.
    """
    read: dict[str, object] = {}
    for name, value in values.items():
        parameter = KNOWN.get(name)
        if parameter is None:
            near = [RENAMED[name]] if name in RENAMED else get_close_matches(name, KNOWN, 1)
            suggestion = f"; did you mean {near[0]}?" if near else "."
            raise QueryError(
                f"{name[:MOST_SHOWN]!r}: there is no such parameter{suggestion} There are "
                f"{', '.join(KNOWN)}."
            )
        if value is not None and value != "":
            read[parameter.target] = READERS[parameter.kind](value, name)
    own = {field.name for field in fields(Query)}
    query = {name: value for name, value in read.items() if name in own - {"where", *PAGE}}
    options = {name: value for name, value in read.items() if name not in query}
    return Search(
        Query(**{**query, "image": image}),  # type: ignore[arg-type]  # the readers checked them
        SearchOptions(**options),  # type: ignore[arg-type]  # likewise
    )


PAGE = ("top", "offset")  # fields of a query of a batch, which are options here


def read_text(value: object, name: str) -> str:
    """A text; a number is one, too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(value, name, "Give text.")
    return str(value).encode("utf-8", "replace").decode()


def read_integer(value: object, name: str) -> int:
    """A whole number."""
    if isinstance(value, float):
        raise _wrong(value, name, "Give a whole number.")
    return int(_read(value, int, name, "Give a whole number."))


def read_number(value: object, name: str) -> float:
    """A number."""
    return _read(value, float, name, "Give a number.")


def _read(value: object, kind: Callable[[str | float], float], name: str, remedy: str) -> float:
    """A number of this kind, which Python alone writes as 1_000."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            if "_" not in str(value):
                return kind(value)
        except (ValueError, OverflowError) as error:
            raise _wrong(value, name, remedy) from error
    raise _wrong(value, name, remedy)


def read_flag(value: object, name: str) -> bool:
    """True or false."""
    found = str(value).lower()
    if found not in (*TRUE, *FALSE):
        raise _wrong(value, name, "Give true or false.")
    return found in TRUE


def read_names(value: object, name: str) -> Sequence[str]:
    """The names in a comma-separated list, or in a list."""
    if isinstance(value, str):
        return split_names(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise _wrong(value, name, "Give names, separated by commas.")


def read_numbers(value: object, name: str) -> Mapping[str, float]:
    """The numbers in `name=1.5,...`, or in an object."""
    try:
        value = split_pairs(value) if isinstance(value, str) else value
    except ValueError as error:
        raise QueryError(f"`{name}`: {error}") from error
    if not isinstance(value, dict) or "" in value:
        raise _wrong(value, name, "Give it as NAME=NUMBER, separated by commas.")
    return {
        str(key): _read(number, float, f"{name}={key}", "Give a number.")
        for key, number in value.items()
    }


READERS: Mapping[Kind, Callable[[object, str], object]] = {
    "text": read_text,
    "integer": read_integer,
    "number": read_number,
    "flag": read_flag,
    "names": read_names,
    "numbers": read_numbers,
}


def _wrong(value: object, name: str, remedy: str) -> QueryError:
    return QueryError(f"`{name}={str(value)[:MOST_SHOWN]}`: is not understood. {remedy}")
