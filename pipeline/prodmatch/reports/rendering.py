"""Templates made into pages: everything escaped, pictures inside, nothing loaded from elsewhere."""

from collections.abc import Mapping
from pathlib import Path

import jinja2

from prodmatch.catalogue.thumbnails import data_address, make_thumbnails
from prodmatch.search.hits import Hit
from prodmatch.search.result_table import short
from prodmatch.search.scoring import SIGNALS

LEFT = 15  # percent of a bar that lie left of its zero; right of it, a score of 1 is full
SHOWN_PIXELS = 192  # of a picture's longer side
MANY = 60  # pictures, of which more are shown smaller
MANY_PIXELS = 112


def render(name: str, **values: object) -> str:
    """A page from its template."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["left"] = LEFT
    environment.filters |= {
        "short": short,
        "thumbnail": _thumbnail,
        "shares": _shares,
        "percent": lambda share: "unknown" if share is None else f"{100 * share:.0f}\u202f%",
        "decimals": lambda value, digits=3: f"{value:.{digits}f}".replace("-", "\u2212"),
    }
    return environment.get_template(name).render(values)


def inline_pictures(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Small pictures as addresses that hold them; broken ones are left out."""
    side = SHOWN_PIXELS if len(pictures) <= MANY else MANY_PIXELS
    made = make_thumbnails(pictures, side)
    return {name: data_address(webp) for name, webp in made.items()}


def _shares(hit: Hit) -> dict[str, float]:
    """The parts of a hit's score."""
    parts = {signal: float(getattr(hit, signal)) for signal in SIGNALS}
    return parts if hit.boost is None else {**parts, "boost": hit.boost}


def _thumbnail(data: bytes) -> str | None:
    """A query's picture, small, as an address that holds it; None where it is broken."""
    return next(iter(inline_pictures({"": data}).values()), None)
