"""Job: why a product answers a query; the score's split, the words, and a heat map."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prodmatch.embedding.encoding.image_loader import preprocess_isolated
from prodmatch.errors import QueryError, require_type
from prodmatch.model.preprocessing import Pixels
from prodmatch.scanning.picture_lists import average_pictures
from prodmatch.search.answers.explanation import Explanation, HeatMap, PictureCosines, WordShare
from prodmatch.search.encoded_query import EncodedQuery
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.queries import Query
from prodmatch.search.searcher import Searcher
from prodmatch.storage.product_file import read_rows
from prodmatch.storage.vectors import Vectors, normalise

MOST_WORDS = 64  # of a text that are left out one after the other; each costs an encoder's pass
WINDOW = 4  # a fourth of the picture's side is covered at once
STEPS = 12  # and moved by a twelfth: a hundred pieces, two passes each
CLEAR_CHANGE = 48  # of a pixel's 255: from here on a cover changes it in full
PICTURES = "Give a list of the bytes of each."
SAME_PICTURE = 0.98  # cosine of a picture encoded again to its stored part; less is another


def explain_product(
    index: ProductIndex,
    query: Query,
    product_id: str,
    *,
    pictures: Sequence[bytes] = (),
    heat: bool = True,
    options: SearchOptions | None = None,
) -> Explanation:
    """The exact split of a product's score, and what in words and picture carried it.

    Words are left out one at a time. The picture is covered piece by piece, and each piece is shown
    alone: what the cosine loses by the one and gains by the other is what that piece brings. Of
    several pictures that is the one nearest to the query. A class activation map would need the
    layers inside the encoder, which the ONNX file does not give out; covering needs nothing but
    its answers.

    Args:
        pictures: the product's own, all of its list; generations keep none.
        heat: measure a heat map of the best picture, which costs two hundred passes.
        options: of a search, whose weights and boost are used.

    Raises:
        QueryError: the query cannot be answered, the id is unknown, or the pictures are not
            those that the product was embedded with, or an argument is of another type.
    """
    require_type(index, ProductIndex, "`index`", "Give open_index(STORE).", QueryError)
    require_type(query, Query, "`query`", "Give Query(text=...).", QueryError)
    require_type(product_id, str, "`product_id`", "Give str.", QueryError)
    require_type(pictures, list | tuple, "`pictures`", PICTURES, QueryError)
    for picture in pictures:
        require_type(picture, bytes, "`pictures`: one", PICTURES, QueryError)
    require_type(options, SearchOptions | None, "`options`", "Give SearchOptions(...).", QueryError)
    searcher = index.searcher
    encoded = searcher.encode_one(query)
    found = searcher.items([product_id], "product_id")
    row = int(found.rows[0])
    parts = [normalise(found.text[0]), normalise(found.image[0])]
    text, image = (part if part.any() else None for part in parts)
    compared, heat_map = None, None
    if pictures:
        found_pixels, compared = _compare_pictures(searcher, encoded, image, pictures)
        heat_map = _heat_map(searcher, encoded, found_pixels) if heat else None
    return Explanation(
        query=query,
        hit=searcher.place(encoded, row, options or SearchOptions()),
        text_cosine=None if text is None else _round(np.dot(text, encoded.text)),
        image_cosine=None if image is None else _round(np.dot(image, encoded.image)),
        bm25=_round(searcher.bm25(encoded, row)),
        query_words=_query_shares(searcher, encoded, query, row, text),
        product_words=[] if text is None else _product_shares(searcher, encoded, row),
        pictures=compared,
        heat_map=heat_map,
    )


def _query_shares(
    searcher: Searcher, encoded: EncodedQuery, query: Query, row: int, text: Vectors | None
) -> list[WordShare]:
    words = (encoded.words or "").split()[:MOST_WORDS]
    rests = [Query(text=rest or None, image=query.image) for rest in _without_each(words)]
    without = np.zeros((len(words), len(encoded.text)), np.float32)  # no query, no vector
    bm25 = np.zeros(len(words))
    others = searcher.encode(rests, exact=True, expand=bool(encoded.expansions))
    for position, other in enumerate(others):
        if isinstance(other, EncodedQuery):
            without[position] = other.text
            bm25[position] = searcher.bm25(other, row)
    lost = np.zeros(len(words)) if text is None else text @ encoded.text - without @ text
    lost_bm25 = searcher.bm25(encoded, row) - bm25
    return [
        WordShare(word, _round(each), _round(other))
        for word, each, other in zip(words, lost, lost_bm25, strict=True)
    ]


def _product_shares(searcher: Searcher, encoded: EncodedQuery, row: int) -> list[WordShare]:
    (text,) = read_rows(searcher.generation.folder, np.array([row]), ["text"])["text"].to_pylist()
    words = (text or "").split()  # what was embedded and searched
    rests = _without_each(words[:MOST_WORDS], words[MOST_WORDS:])
    texts = [" ".join(words), *(rest or " " for rest in rests)]
    cosines = searcher.encoders.texts(texts, passage=True) @ encoded.text
    if len(words) == 1:
        cosines[1] = 0.0  # nothing is left, and nothing is near to nothing
    shares = zip(words, cosines[0] - cosines[1:], strict=False)
    return [WordShare(word, _round(share)) for word, share in shares]


def _without_each(words: Sequence[str], tail: Sequence[str] = ()) -> list[str]:
    """The words without each of them in turn; empty where none is left that could be searched."""
    rests = [[*words[:position], *words[position + 1 :], *tail] for position in range(len(words))]
    joined = [" ".join(rest) for rest in rests]
    return [rest if any(map(str.isalnum, rest)) else "" for rest in joined]


def _compare_pictures(
    searcher: Searcher, encoded: EncodedQuery, stored: Vectors | None, pictures: Sequence[bytes]
) -> tuple[Pixels, PictureCosines]:
    """The pixels of the picture nearest to the query, and how near each is."""
    found = list(preprocess_isolated(pictures, searcher.encoders.description.image))
    usable = [position for position, each in enumerate(found) if each.pixels is not None]
    if not usable:
        raise QueryError(f"the product's picture cannot be used ({found[0].reason}).")
    pixels = [each.pixels for each in found if each.pixels is not None]
    parts = searcher.encoders.pictures(np.stack(pixels))  # (usable, dim)
    firsts = {pictures[position]: index for index, position in reversed(list(enumerate(usable)))}
    distinct = parts[sorted(firsts.values())]  # a picture counts once, as when it was embedded
    mean = average_pictures(distinct[:1], distinct[1:], np.zeros(len(distinct) - 1, np.int64))
    similarity = 0.0 if stored is None else float(mean[0] @ stored)
    if similarity < SAME_PICTURE:
        raise QueryError(
            f"the picture given is not the one that the product was embedded with "
            f"(cosine {similarity:.2f}). Give the catalogue of the index, or embed it again."
        )
    cosines: list[float | None] = [None] * len(pictures)
    for position, part in zip(usable, parts, strict=True):
        cosines[position] = _round(part @ encoded.image)
    nearest = int(np.argmax(parts @ encoded.image))
    return pixels[nearest], PictureCosines(cosines, usable[nearest])


def _heat_map(searcher: Searcher, encoded: EncodedQuery, pixels: Pixels) -> HeatMap:
    """What each piece brings, on the pixels that a cover changes: the rest has no part in it."""
    backdrop, windows = _backdrop(pixels), _windows(len(pixels))
    inside = windows[..., None]  # (windows, side, side, 1)
    blank = np.broadcast_to(backdrop, pixels.shape)
    whole, none = searcher.encoders.pictures(np.stack([pixels, blank])) @ encoded.image
    without = searcher.encoders.pictures(np.where(inside, backdrop, pixels)) @ encoded.image
    alone = searcher.encoders.pictures(np.where(inside, pixels, backdrop)) @ encoded.image
    brought = (whole - without + alone - none) / 2  # (windows,)
    times = np.maximum(windows.sum(axis=0), 1)
    heat = np.tensordot(brought, windows.astype(np.float32), axes=1) / times
    change = np.abs(pixels.astype(np.float32) - backdrop).max(axis=-1)  # (side, side)
    heat *= np.minimum(change / CLEAR_CHANGE, 1.0)
    return HeatMap(pixels, heat.astype(np.float32), float(whole))


def _backdrop(pixels: Pixels) -> Pixels:
    """The colour `(3,)` that is usual along the edge: a cover of it adds nothing to see."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.asarray(np.median(edge, axis=0), np.uint8)


def _windows(side: int) -> npt.NDArray[np.bool_]:
    """Squares that are covered one after the other, `(windows, side, side)`."""
    width = max(1, side // WINDOW)
    starts = np.unique(np.linspace(0, side - width, STEPS - STEPS // WINDOW + 1).astype(int))
    at = np.arange(side)
    inside = (at >= starts[:, None]) & (at < starts[:, None] + width)  # (starts, side)
    grid = inside[:, None, :, None] & inside[None, :, None, :]
    return grid.reshape(-1, side, side)


def _round(value: float) -> float:
    return round(float(value), 6)
