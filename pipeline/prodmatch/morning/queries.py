"""Fixed queries on two generations: whose first ten products moved, and whether rows explain it."""

from collections.abc import Mapping, Sequence

import numpy as np

from prodmatch.morning.pair import TEXT, Pair
from prodmatch.morning.report import MovedQuery
from prodmatch.search.options import SearchOptions
from prodmatch.search.queries import Query, RejectedQuery
from prodmatch.search.searcher import Searcher
from prodmatch.storage.vectors import draw_among

TOP = 10
TAKEN = 20  # queries from the catalogue, where none are given
WORDS = 4  # of a query that is taken from a product
UNEXPLAINED = 0.1  # of the first ten, on average: a search that changed by itself


def take_queries(pair: Pair) -> list[Query]:
    """The first words of products all over the last generation; none twice."""
    column = "title" if "title" in pair.columns else TEXT
    values = pair.values(column)
    rows = draw_among(np.flatnonzero(values.before >= 0), TAKEN)
    texts = [values.texts[code] for code in values.before[rows].tolist()]
    words = dict.fromkeys(" ".join(text.split()[:WORDS]) for text in texts)
    return [Query(f"taken {number}", text) for number, text in enumerate(words, 1) if text]


def compare_queries(
    pair: Pair, searchers: tuple[Searcher, Searcher], queries: Sequence[Query | RejectedQuery]
) -> list[MovedQuery]:
    """The queries whose first ten products are others, the most moved first.

    A query that cannot be answered on both is left out.
    """
    options = SearchOptions(top=TOP)
    fresh = _fresh(pair)
    moved = []
    old, new = (each.answer(queries, options) for each in searchers)
    for query, before, after in zip(queries, old, new, strict=True):
        if before.error is not None or after.error is not None:
            continue
        ids = [hit.product_id for hit in before.hits], [hit.product_id for hit in after.hits]
        if ids[0] == ids[1]:
            continue
        kept = len({*ids[0]} & {*ids[1]})
        left = [name for name in ids[0] if name not in ids[1] and not fresh.get(name, False)]
        entered = [name for name in ids[1] if name not in ids[0] and fresh.get(name, False)]
        unexplained = max(0, len(left) - len(entered))
        moved.append(MovedQuery(query.query_id, _name(query), kept, unexplained, *ids))
    return sorted(moved, key=lambda each: (-each.unexplained, each.kept, each.query_id))


def _fresh(pair: Pair) -> Mapping[str, bool]:
    """Products that are new, gone or changed, by id."""
    changed = pair.tonight.ids(pair.after[pair.changed])
    names = [*changed, *pair.tonight.ids(pair.added), *pair.last.ids(pair.removed)]
    return dict.fromkeys(names, True)


def _name(query: Query | RejectedQuery) -> str:
    if isinstance(query, RejectedQuery):
        return query.query_id
    return query.text or (query.product_id and f"like {query.product_id}") or "a picture"
