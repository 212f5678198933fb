"""Templates made into pages: everything escaped, pictures inside, nothing loaded from elsewhere."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from prodmatch.catalogue.pictures.thumbnails import data_address, make_thumbnails
from prodmatch.search.answers.hits import Hit
from prodmatch.search.answers.result_table import short
from prodmatch.search.queries import Query
from prodmatch.search.scoring import SIGNALS

TEMPLATES = Path(__file__).parent / "templates"
LEFT = 15  # percent of a bar that lie left of its zero; right of it, a score of 1 is full
SHOWN_PIXELS = 192  # of a picture's longer side
MANY = 60  # pictures, of which more are shown smaller
MANY_PIXELS = 112


def render(name: str, **values: object) -> str:
    """A page from its template."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["left"] = LEFT
    environment.filters |= {
        "short": short,
        "shares": _shares,
        "percent": _percent,
        "decimals": _decimals,
        "signed": _signed,
        "moment": _moment,
    }
    return environment.get_template(name).render(values)


@dataclass(frozen=True)
class Script:
    """What a page runs, and the digest that its policy allows it by."""

    text: str
    digest: str


def read_script(*names: str) -> Script:
    """One script of these files, in their order."""
    text = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    digest = hashlib.sha256(text.encode()).digest()
    return Script(text, base64.b64encode(digest).decode())


@dataclass(frozen=True)
class Pictures:
    """The pictures of a page, each of which it holds once."""

    inline: dict[str, str]  # product_id -> the address that holds it
    shared: dict[str, int]  # product_id -> its number, of those that stand in several places


def make_pictures(pictures: Mapping[str, bytes], shown: Iterable[str]) -> Pictures:
    """Small pictures for a page; broken ones are left out.

    Args:
        shown: the product_id of each place of a picture in the page.
    """
    side = SHOWN_PIXELS if len(pictures) <= MANY else MANY_PIXELS
    made = make_thumbnails(pictures, side)
    times = Counter(shown)
    repeated = [product_id for product_id in made if times[product_id] > 1]
    return Pictures(
        {product_id: data_address(webp) for product_id, webp in made.items()},
        {product_id: number for number, product_id in enumerate(repeated)},
    )


def query_pictures(queries: Sequence[Query]) -> list[str | None]:
    """The picture of each query, small, as an address that holds it; None where it is broken."""
    given = {str(at): query.image for at, query in enumerate(queries) if query.image is not None}
    made = make_thumbnails(given, SHOWN_PIXELS) if given else {}
    addresses = {name: data_address(webp) for name, webp in made.items()}
    return [addresses.get(str(at)) for at in range(len(queries))]


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.0f}\u202f%"


def _decimals(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "\u2212")


def _moment(published: str) -> str:
    """A time in UTC, to the minute."""
    return published[:16].replace("T", " ")


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def _shares(hit: Hit) -> dict[str, float]:
    """The parts of a hit's score."""
    parts = {signal: float(getattr(hit, signal)) for signal in SIGNALS}
    return parts if hit.boost is None else {**parts, "boost": hit.boost}
