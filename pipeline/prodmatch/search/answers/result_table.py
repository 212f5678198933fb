"""A result as a table with small pictures, as notebooks show it: no script, nothing loaded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jinja2

from prodmatch.catalogue.pictures.thumbnails import data_address, make_thumbnails
from prodmatch.catalogue.remembered import find_product_pictures
from prodmatch.errors import ProdmatchError
from prodmatch.search.answers.hits import Answer, Hit, hit_fields

TEMPLATE = Path(__file__).with_suffix(".html")
MOST_HITS = 50  # that are shown
MOST_COLUMNS = 8  # of metadata
MOST_VALUES = 10  # of a facet
MOST_CHARACTERS = 300  # of a value
SIDE = 80  # of a picture, in pixels
SCORES = ("score", "probability", "boost")
NAMED = ("title", "description")  # columns that are not shown among the others


def render_table(answer: Answer, store: Path) -> str:
    """What was searched for, the facets, and a row a hit, as a part of an HTML page.

    Pictures are those of the catalogue that the store remembers, made small by another process.
    Where there are none, a line says why.
    """
    shown = answer.hits[:MOST_HITS]
    pictures, reason = _find_pictures(shown, store) if shown else ({}, None)
    notes = [*_notes(answer), *([f"no pictures are shown: {reason}"] if reason else [])]
    if len(answer.hits) > len(shown):
        notes.append(f"the first {len(shown)} of {len(answer.hits)} hits")
    if not shown:
        notes.append("no product matches")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": short, "cell": _cell}
    return environment.get_template(TEMPLATE.name).render(
        notes=notes,
        names=_names(shown) if shown else [],
        hits=[(hit, hit_fields(hit)) for hit in shown],
        pictures={product_id: data_address(webp) for product_id, webp in pictures.items()},
    )


def short(value: object, most: int = MOST_CHARACTERS) -> str:
    """Any value as a text of one line, of so many characters; titles come from strangers."""
    return " ".join(str(value).split())[:most].encode("utf-8", "replace").decode()


def _notes(answer: Answer) -> Iterator[str]:
    if answer.searched_for is not None:
        yield f"searched for: {answer.searched_for}"
    if answer.understood is not None:
        yield f"understood: {answer.understood}"
    yield from answer.hints
    if answer.match_count is not None:
        yield f"{answer.match_count:,} products match"
    for name, found in answer.facets.items():
        values = [f"{short(each.value)[:40]} {each.count}" for each in found[:MOST_VALUES]]
        yield f"{name}: {', '.join(values) or 'no values'}"


def _find_pictures(hits: Sequence[Hit], store: Path) -> tuple[Mapping[str, bytes], str | None]:
    """Small pictures by product, and why there are none."""
    try:
        found = find_product_pictures(store, {hit.product_id for hit in hits})
        return make_thumbnails(found.firsts, SIDE), found.reason
    except ProdmatchError as error:  # no process can be started
        return {}, str(error)


def _names(hits: Sequence[Hit]) -> list[str]:
    """The columns of the table, without that of pictures."""
    titles = ["title"] if any(hit.metadata.get("title") for hit in hits) else []
    return ["rank", "product_id", *titles, "score", "probability", *_columns(hits)]


def _columns(hits: Sequence[Hit]) -> list[str]:
    """What hits have besides a score: boost, group size, and the first columns of metadata."""
    wanted = [name for name in ("boost", "group_size") if getattr(hits[0], name) is not None]
    known = {
        name: None
        for hit in hits
        for name, value in hit.metadata.items()
        if value is not None and name not in NAMED
    }
    return [*wanted, *list(known)[:MOST_COLUMNS]]


def _cell(value: object, name: str) -> str:
    """A value of the column of that name."""
    if isinstance(value, float):
        return f"{value:.3f}" if name in SCORES else f"{value:.15g}"
    return "" if value is None else short(value)
