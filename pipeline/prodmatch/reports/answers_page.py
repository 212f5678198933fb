"""Answers and explanations as pages that a person looks at: one file, no script, nothing loaded."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

from PIL import Image

from prodmatch.catalogue.images import ImageFault, decode_image
from prodmatch.explain import Explanation, WordShare, paint
from prodmatch.search.hits import Hit
from prodmatch.search.queries import Query
from prodmatch.search.scoring import SIGNALS

__all__ = ["answers_page", "explanation_page"]

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src \
'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; max-width: 66em; margin: 0 auto; padding: 1em }}
h1 {{ font-size: 1.3em }} h2 {{ font-size: 1.1em; margin: 1.6em 0 .5em }}
h1, h2, li, td, th {{ overflow-wrap: anywhere }}
small {{ color: #666 }}
ol {{ list-style: none; padding: 0; display: grid; gap: 1em;
  grid-template-columns: repeat(auto-fill, minmax(9.5em, 1fr)) }}
li {{ border: 1px solid #ddd; border-radius: .4em; padding: .5em }}
li > img, .none {{ width: 100%; height: 9em; object-fit: contain; background: #fff }}
.none {{ display: grid; place-items: center; color: #999; background: #f6f6f6 }}
.bar {{ display: flex; height: .7em; background: #eee; margin: .4em 0 .1em; overflow: hidden }}
.bar i {{ display: flex; width: {room}% }}
.bar .against {{ width: {left}%; justify-content: flex-end; border-right: 1px solid #333 }}
.lexical {{ background-color: #8c6d31 }} .text {{ background-color: #1f77b4 }}
.image {{ background-color: #2ca02c }}
.shares {{ font-size: .85em }}
.of-lexical {{ color: #7a5c22 }} .of-text {{ color: #1a659b }} .of-image {{ color: #1f7a1f }}
.name {{ font-weight: bold; line-height: 1.25; margin: .3em 0; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden }}
.hatch, .against span {{
  background-image: repeating-linear-gradient(-45deg, #fff 0 2px, transparent 2px 4px) }}
.hatch {{ background-color: #555 }}
.key {{ display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .8em }}
table {{ border-collapse: collapse }} td, th {{ padding: .2em .8em .2em 0; text-align: right }}
td:first-child, th:first-child {{ text-align: left }}
.words span {{ padding: .1em .2em; border-radius: .2em }}
.pair img {{ width: 48%; max-width: 20em }}
</style></head>
<body>
{body}
</body></html>
"""
LEFT = 15  # percent of a bar that lie left of its zero; right of it, a score of 1 is full
SHOWN = 192  # pixels of a picture's longer side
SHOWN_HEAT = 320
Pictures = Mapping[str, bytes]  # by product id
AGAINST = '<span class="key hatch"></span>left of the line: speaks against the product'


def answers_page(
    queries: Sequence[Query],
    found: Sequence[Sequence[Hit]],
    pictures: Pictures,
    *,
    facts: Mapping[str, object],
) -> str:
    """The hits of each query with their pictures and the split of their scores.

    Args:
        queries: what was asked.
        found: the hits of each.
        pictures: those of the products that there are; a broken one is left out.
        facts: what else the reader should know, such as the filter; shown under the title.
    """
    key = "".join(f'<span class="key {signal}"></span>{signal}' for signal in SIGNALS)
    known = " · ".join(f"{_text(name)} {_text(value)}" for name, value in facts.items())
    parts = [f"<h1>prodmatch</h1><p><small>{known}</small></p><p>Score:{key}{AGAINST}</p>"]
    for query, hits in zip(queries, found, strict=True):
        name = f" <small>{_text(query.query_id)}</small>" if len(queries) > 1 else ""
        parts.append(f"<h2>{_asked(query)}{name}</h2>")
        cards = "".join(_card(hit, pictures.get(hit.product_id)) for hit in hits)
        parts.append(f"<ol>{cards}</ol>" if hits else "<p>no product matches</p>")
    return _page("prodmatch", parts)


def explanation_page(explanation: Explanation) -> str:
    """Why a product answers a query: the score, the words, and the heat over the picture."""
    hit, heat_map = explanation.hit, explanation.heat_map
    said = {
        "lexical": f"BM25 {explanation.bm25:.3f}",
        "text": _cosine(explanation.text_cosine),
        "image": _cosine(explanation.image_cosine),
    }
    rows = "".join(
        f'<tr><td><span class="key {signal}"></span>{signal}</td>'
        f"<td>{getattr(hit, signal):.4f}</td>"
        f"<td>{said[signal]}</td></tr>"
        for signal in SIGNALS
    )
    parts = [
        f"<h1>Why {_text(hit.product_id)} answers {_asked(explanation.query)}</h1>",
        f"<p>{_text(hit.metadata.get('title') or '')}</p>",
        f"<p>Rank {hit.rank}, score {hit.score:.4f}, probability {hit.probability:.3f} "
        f"<small>generation {hit.generation}</small></p>{_bar(hit)}",
        f"<table><tr><th>signal</th><th>of the score</th><th>from</th></tr>{rows}</table>",
    ]
    for title, shares in (
        ("Words of the query", explanation.query_words),
        ("Words of the product", explanation.product_words),
    ):
        if shares:
            parts.append(f'<h2>{title}</h2><p class="words">{_words(shares)}</p>')
    parts.append(
        "<p><small>A word's figure is what the cosine loses without it: red speaks for the "
        "match, blue against it.</small></p>"
    )
    if heat_map is not None:
        seen = _jpeg(Image.fromarray(heat_map.pixels).resize((SHOWN_HEAT, SHOWN_HEAT)))
        heat = _jpeg(paint(heat_map, SHOWN_HEAT))
        parts.append(
            f'<h2>Picture</h2><p class="pair">{_image(seen)} {_image(heat)}</p><p><small>Cosine '
            f"{heat_map.cosine:.3f}; red regions lose most of it when they are covered.</small></p>"
        )
    return _page(f"prodmatch: {_text(hit.product_id)}", parts)


def _page(title: str, parts: Sequence[str]) -> str:
    return PAGE.format(title=title, body="\n".join(parts), left=LEFT, room=100 - LEFT)


def _card(hit: Hit, picture: bytes | None) -> str:
    shown = _picture(picture) or '<div class="none">no picture</div>'
    columns = " · ".join(
        f"{_text(name)} {_text(value)}"
        for name, value in hit.metadata.items()
        if name not in ("title", "description") and value is not None
    )
    title = _text(hit.metadata.get("title") or hit.product_id)
    return (
        f'<li>{shown}{_bar(hit)}<div class="name" title="{title}">{hit.rank}. {title}</div>'
        f"score\u00a0{hit.score:.3f}, probability\u00a0{hit.probability:.2f}<br>"
        f"<small>{_text(hit.product_id)} · {columns}</small></li>"
    )


def _bar(hit: Hit) -> str:
    """The signals that speak for the product right of a line, those against it left of it."""
    sides = {"against": "", "for": ""}
    shares = [(signal, float(getattr(hit, signal))) for signal in SIGNALS]
    for signal, share in shares:
        side, width = ("for", share) if share > 0 else ("against", -share * (100 - LEFT) / LEFT)
        sides[side] += f'<span class="{signal}" style="width:{100 * width:.1f}%"></span>'
    bars = "".join(f'<i class="{side}">{spans}</i>' for side, spans in sides.items())
    said = " ".join(
        f'<span class="of-{signal}" title="{signal}">{share:.3f}</span>'.replace(">-", ">\u2212")
        for signal, share in shares
    )
    return f'<div class="bar">{bars}</div><div class="shares">{said}</div>'


def _asked(query: Query) -> str:
    parts = [f"“{_text(query.text)}”"] if query.text is not None else []
    if query.product_id is not None:
        parts.append(f"products like {_text(query.product_id)}")
    if query.image is not None:
        parts.append(_picture(query.image, height="3em"))
    return " ".join(parts)


def _picture(data: bytes | None, *, height: str | None = None) -> str:
    if data is None:
        return ""
    try:
        picture = decode_image(data)
    except ImageFault:
        return ""
    picture.thumbnail((SHOWN, SHOWN))
    return _image(_jpeg(picture), height=height)


def _jpeg(picture: Image.Image) -> bytes:
    """A picture made anew: the bytes that came in are never passed on."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def _image(jpeg: bytes, *, height: str | None = None) -> str:
    style = f' style="height:{height};vertical-align:middle"' if height else ""
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"{style}>'


def _words(shares: Sequence[WordShare]) -> str:
    most = max((abs(share.text) for share in shares), default=0.0) or 1.0
    return " ".join(
        f'<span style="background:rgba({"230,30,20" if share.text > 0 else "20,80,230"},'
        f'{0.7 * abs(share.text) / most:.2f})">{_text(share.word)} '
        f"<small>{share.text:+.3f}</small></span>"
        for share in shares
    )


def _cosine(value: float | None) -> str:
    return "not there" if value is None else f"cosine {value:.3f}"


def _text(value: object) -> str:
    """Any value as text of a page; titles come from strangers."""
    cut = " ".join(str(value).split())[:300]
    return html.escape(cut.encode("utf-8", "replace").decode())
