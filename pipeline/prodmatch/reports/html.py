"""HTML reports that a person looks at: one file each, no script, nothing loaded from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from PIL import Image

from prodmatch.catalogue.thumbnails import make_thumbnails, save_jpeg
from prodmatch.explain import Explanation, paint
from prodmatch.search.hits import Answer, Hit
from prodmatch.search.queries import Query
from prodmatch.search.result_table import short
from prodmatch.search.scoring import SIGNALS

if TYPE_CHECKING:  # its measures need an extra, the page of answers does not
    from prodmatch.evaluate import Evaluation

LEFT = 15  # percent of a bar that lie left of its zero; right of it, a score of 1 is full
SHOWN_PIXELS = 192  # of a picture's longer side
HEAT_PIXELS = 320
CHART = {
    "width": 720,
    "height": 260,
    "colours": ("#8c6d31", "#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#7f7f7f"),
}


def answers_page(
    queries: Sequence[Query],
    found: Sequence[Answer],
    pictures: Mapping[str, bytes],
    *,
    facts: Mapping[str, object],
) -> str:
    """What comes of each query: hits with pictures and the split of their scores, or the error.

    Args:
        queries: texts, pictures or items.
        found: the answer of each.
        pictures: those of the products that there are, by id; a broken one is left out.
        facts: what else the reader should know, such as the filter; shown under the title.
    """
    answers = list(zip(queries, found, strict=True))
    jpegs = make_thumbnails(pictures, SHOWN_PIXELS)
    thumbnails = {product_id: _in_base64(jpeg) for product_id, jpeg in jpegs.items()}
    return _render(
        "answers.html", answers=answers, thumbnails=thumbnails, facts=facts, signals=SIGNALS
    )


def explanation_page(explanation: Explanation) -> str:
    """Why a product answers a query: the score, the words, and the heat over the picture."""
    shares = [*explanation.query_words, *explanation.product_words]
    heat, heat_map = None, explanation.heat_map
    if heat_map is not None:
        pixels = Image.fromarray(heat_map.pixels).resize((HEAT_PIXELS, HEAT_PIXELS))
        painted = paint(heat_map, HEAT_PIXELS)
        heat = {
            "pixels": _in_base64(save_jpeg(pixels)),
            "painted": _in_base64(save_jpeg(painted)),
            "cosine": heat_map.cosine,
            "which": _which(explanation),
        }
    return _render(
        "explanation.html",
        hit=explanation.hit,
        query=explanation.query,
        sources={
            "lexical": f"BM25 {explanation.bm25:.3f}",
            "text": _cosine(explanation.text_cosine),
            "image": _cosine(explanation.image_cosine),
        },
        words={
            "Words of the query": explanation.query_words,
            "Words of the product": explanation.product_words,
        },
        most=max((abs(share.text) for share in shares), default=0.0) or 1.0,
        heat=heat,
    )


def evaluation_page(evaluation: "Evaluation", title: str) -> str:
    """An evaluation: a table of the measures, bars with intervals, curves over the probability."""
    return _render("evaluation.html", found=evaluation, title=title, **CHART)


def _render(name: str, **values: object) -> str:
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
        "figure": lambda value, digits: "unknown" if value is None else f"{value:.{digits}f}",
    }
    return environment.get_template(name).render(values)


def _shares(hit: Hit) -> dict[str, float]:
    """The parts of a hit's score."""
    parts = {signal: float(getattr(hit, signal)) for signal in SIGNALS}
    return parts if hit.boost is None else {**parts, "boost": hit.boost}


def _thumbnail(data: bytes) -> str | None:
    """A query's picture, small, in base64; None where it is broken."""
    return next(map(_in_base64, make_thumbnails({"": data}, SHOWN_PIXELS).values()), None)


def _in_base64(jpeg: bytes) -> str:
    return base64.b64encode(jpeg).decode()


def _which(explanation: Explanation) -> str:
    """Which picture of the product it is, where there are several."""
    found = explanation.pictures
    if found is None or len(found.cosines) == 1:
        return ""
    return f"Picture {found.best + 1} of {len(found.cosines)}, the nearest to the query. "


def _cosine(value: float | None) -> str:
    return "not there" if value is None else f"cosine {value:.3f}"
