"""HTML reports that a person looks at: one file each, no script, nothing loaded from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from prodmatch.catalogue.pictures.thumbnails import data_address, save_webp
from prodmatch.evaluation.comparison import Evaluation
from prodmatch.reports.cards import Card, CardColumns, make_card
from prodmatch.reports.rendering import make_pictures, query_pictures, render
from prodmatch.search.answers.explanation import Explanation, paint
from prodmatch.search.answers.hits import Answer, Hit
from prodmatch.search.queries import Query
from prodmatch.search.scoring import SIGNALS

HEAT_PIXELS = 320
CHART = {"width": 360, "height": 220}  # of a phone: text in it is scaled with it
HYBRID = "hybrid"
MEASURE = "nDCG@10"
SURE = 0.05  # p below which a difference is called none of chance


@dataclass(frozen=True)
class _Shown:
    """A query and what comes of it, as the page of answers shows it."""

    query: Query
    picture: str | None  # of the query, as an address that holds it
    answer: Answer
    products: list[tuple[Hit, Card]]


def answers_page(
    queries: Sequence[Query],
    found: Sequence[Answer],
    pictures: Mapping[str, bytes],
    *,
    facts: Mapping[str, object],
    columns: CardColumns | None = None,
) -> str:
    """What comes of each query: hits with pictures and the split of their scores, or the error.

    A picture stands in the page once, however many queries find its product.

    Args:
        pictures: those of the products that there are, by id; a broken one is left out.
        facts: what else the reader should know, such as the filter; shown under the title.
        columns: of the catalogue, which the cards of the products show first.
    """
    columns = columns or CardColumns()
    answers = [
        _Shown(query, picture, answer, [(hit, make_card(hit, columns)) for hit in answer.hits])
        for query, picture, answer in zip(queries, query_pictures(queries), found, strict=True)
    ]
    return render(
        "answers.html",
        answers=answers,
        pictures=make_pictures(
            pictures, (hit.product_id for answer in found for hit in answer.hits)
        ),
        facts=facts,
        signals=SIGNALS,
        boosted=any(hit.boost is not None for answer in found for hit in answer.hits),
    )


def explanation_page(explanation: Explanation) -> str:
    """Why a product answers a query: the score, the words, and the heat over the picture."""
    shares = [*explanation.query_words, *explanation.product_words]
    heat, heat_map = None, explanation.heat_map
    if heat_map is not None:
        pixels = Image.fromarray(heat_map.pixels).resize((HEAT_PIXELS, HEAT_PIXELS))
        painted = paint(heat_map, HEAT_PIXELS)
        heat = {
            "pixels": data_address(save_webp(pixels)),
            "painted": data_address(save_webp(painted)),
            "cosine": heat_map.cosine,
            "which": _which(explanation),
        }
    return render(
        "explanation.html",
        hit=explanation.hit,
        query=explanation.query,
        query_picture=query_pictures([explanation.query])[0],
        sources={
            "lexical": f"BM25 {explanation.bm25:.3f}",
            "text": _cosine(explanation.text_cosine),
            "image": _cosine(explanation.image_cosine),
            "boost": "columns",
        },
        words={
            "Words of the query": explanation.query_words,
            "Words of the product": explanation.product_words,
        },
        most=max((abs(share.text) for share in shares), default=0.0) or 1.0,
        heat=heat,
        signals=SIGNALS,
    )


def evaluation_page(
    evaluation: Evaluation,
    title: str,
    *,
    pictures: Mapping[str, bytes] | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """An evaluation: its verdict, the measures, the worst queries, comparisons, and curves.

    Args:
        pictures: those of the products of `shown_products` that there are, by id.
    """
    return render(
        "evaluation.html",
        found=evaluation,
        title=title,
        verdict=say_verdict(evaluation),
        pictures=make_pictures(pictures or {}, shown_products(evaluation)),
        names=names or {},
        hybrid="hybrid",
        **CHART,
    )


def shown_products(evaluation: Evaluation) -> list[str]:
    """The product of each place of a picture in the page of an evaluation."""
    worst = [(*query.hits, *query.missed) for query in evaluation.worst]
    losses = [
        (*loss.hits, *loss.their_hits)
        for comparison in evaluation.comparisons.values()
        for loss in comparison.losses
    ]
    return [product_id for each in (*worst, *losses) for product_id in each]


def _which(explanation: Explanation) -> str:
    """Which picture of the product it is, where there are several."""
    found = explanation.pictures
    if found is None or len(found.cosines) == 1:
        return ""
    return f"Picture {found.best + 1} of {len(found.cosines)}, the nearest to the query. "


def _cosine(value: float | None) -> str:
    return "not there" if value is None else f"cosine {value:.3f}"


def say_verdict(evaluation: Evaluation) -> list[str]:
    """How good the hybrid is, and whether it is better than its best signal and than others."""
    figures = evaluation.figures[HYBRID]
    success = next(figure for name, figure in figures.items() if name.startswith("Success"))
    queries = f"{evaluation.queries:,} {'query' if evaluation.queries == 1 else 'queries'}"
    first = (
        f"The hybrid finds a relevant product among the first ten for {100 * success.value:.1f} % "
        f"of {queries} ({MEASURE} {figures[MEASURE].value:.3f})."
    )
    gain = evaluation.gains[MEASURE]
    single = f"the best single signal, {gain.signal},"
    sentences = [first, _compared(gain.difference, gain.p, single)]
    for name, comparison in evaluation.comparisons.items():
        found = comparison.measures[MEASURE]
        sentences.append(_compared(found.difference, found.p, f"“{name}”"))
    return sentences


def _compared(difference: float, p: float, other: str) -> str:
    size = f"{abs(difference):.3f}"
    if float(size) == 0:
        return f"It is as good as {other.rstrip(',')}."
    way = "better" if difference > 0 else "worse"
    sure = "more than chance" if p < SURE else "which may be chance"
    return f"It is {way} than {other} by {size}, {sure} (p {p:.4f})."
