"""Why a product answers a query: the score's split, the words, and a heat map."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from prodmatch.model.preprocessing import Pixels
from prodmatch.search.answers.hits import Hit, hit_fields
from prodmatch.search.queries import Query
from prodmatch.storage.vectors import Vectors


@dataclass(frozen=True)
class WordShare:
    """What is lost when a word is left out: cosine of the text part, and BM25 of the words."""

    word: str
    text: float
    lexical: float | None = None  # of words of the query alone


@dataclass(frozen=True)
class HeatMap:
    """The picture as its encoder sees it, and what each pixel brings to the cosine."""

    pixels: Pixels  # (side, side, 3)
    heat: Vectors  # (side, side); cosine, above 0 it speaks for the match, below 0 against it
    cosine: float  # of the uncovered picture


@dataclass(frozen=True)
class PictureCosines:
    """How near each picture of a product is to the query, in the order of its list."""

    cosines: list[float | None]  # in [-1, 1]; None where a picture cannot be used
    best: int  # position of the nearest


@dataclass(frozen=True)
class Explanation:
    """Why a product answers a query."""

    query: Query
    hit: Hit  # its score split exactly, and its rank among all products
    text_cosine: float | None  # in [-1, 1]; None where the product has no text
    image_cosine: float | None
    bm25: float  # by the share of the query in its text; what its picture forgives is not in it
    query_words: list[WordShare]
    product_words: list[WordShare]
    pictures: PictureCosines | None  # where they were given
    heat_map: HeatMap | None  # of the best picture


def explanation_fields(found: Explanation) -> dict[str, object]:
    """Names and values but for the heat map, for JSON."""
    return {
        "query": found.query.text,
        **hit_fields(found.hit),
        "text_cosine": found.text_cosine,
        "image_cosine": found.image_cosine,
        "bm25": found.bm25,
        "query_words": [vars(share) for share in found.query_words],
        "product_words": [
            {"word": share.word, "text": share.text} for share in found.product_words
        ],
        "picture_cosines": found.pictures.cosines if found.pictures else [],
        "best_picture": found.pictures.best + 1 if found.pictures else None,
    }


def paint(heat_map: HeatMap, side: int) -> Image.Image:
    """The picture in grey under its heat: red speaks for the match, blue against it."""
    grey = Image.fromarray(heat_map.pixels).convert("L").resize((side, side))
    heat = heat_map.heat / max(float(np.abs(heat_map.heat).max()), 1e-9)
    large = np.asarray(Image.fromarray(heat).resize((side, side), Image.Resampling.BICUBIC))
    strength = 0.75 * np.clip(np.abs(large), 0.0, 1.0)[..., None]
    colour = np.where(large[..., None] > 0, (230.0, 30.0, 20.0), (20.0, 80.0, 230.0))
    base = 0.3 * 255 + 0.7 * np.asarray(grey, np.float64)[..., None]  # paler, so that heat shows
    return Image.fromarray((base * (1 - strength) + colour * strength).astype(np.uint8))
