"""Job: histories of liked and disliked products to more products."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from prodmatch.errors import QueryError, require_path, require_type
from prodmatch.histories.learn import BlendEvaluation, Learnt, learn
from prodmatch.histories.log import LogSettings, check_log
from prodmatch.histories.rows import SCHEMA, RowMaker
from prodmatch.histories.tastes import Recommender, taste_directions
from prodmatch.search.answers.hits import Hit
from prodmatch.search.encoded_query import encode_items
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.searcher import Searcher
from prodmatch.storage.atomic import new_file
from prodmatch.storage.product_file import read_column
from prodmatch.storage.temporary import scratch_directory


def recommend_products(
    index: ProductIndex,
    liked: Iterable[str],
    disliked: Iterable[str] = (),
    options: SearchOptions | None = None,
) -> list[Hit]:
    """The products nearest to a taste, best first; none of the history is among them.

    A taste is, for text and image apart, the mean of the liked products less a quarter of the mean
    of the disliked ones (Rocchio's rule). Words play no part.

    Raises:
        QueryError: nothing is liked, an id is unknown or in both lists, or `options` cannot be
            used, or an argument is of another type.
    """
    _check_types(index, options)
    searcher = index.searcher
    liked, disliked = _read_ids(liked, "liked"), _read_ids(disliked, "disliked")
    if not liked:
        raise QueryError("`liked`: names no product. Give the id of at least one.")
    both = sorted(set(liked) & set(disliked))
    if both:
        raise QueryError(f"`liked` and `disliked`: both name {', '.join(both)}. Choose one.")
    near, far = searcher.items(liked, "liked"), searcher.items(disliked, "disliked")
    rows = np.concatenate([near.rows, far.rows])
    weights = np.repeat([1.0, -1.0], [len(near.rows), len(far.rows)])
    start = np.zeros(1, np.int64)
    text, image = (
        taste_directions(np.concatenate(parts), weights, start)[0]
        for parts in ((near.text, far.text), (near.image, far.image))
    )
    encoded = encode_items(text, image, rows)
    return searcher.find_page(encoded, options or SearchOptions()).hits


def _check_types(index: object, options: object) -> None:
    require_type(index, ProductIndex, "`index`", "Give open_index(STORE).", QueryError)
    require_type(options, SearchOptions | None, "`options`", "Give SearchOptions(...).", QueryError)


def _read_ids(ids: Iterable[str], name: str) -> list[str]:
    """Ids of whatever gives them, in a notebook perhaps a column, or one alone."""
    require_type(ids, Iterable, f"`{name}`", "Give ids of products.", QueryError)
    found = [ids] if isinstance(ids, str) else [*ids]
    for each in found:
        if not isinstance(each, str):
            raise QueryError(f"`{name}`: {each!r:.40} is no id. Give str.")
    return found


@dataclass(frozen=True)
class UsersReport:
    """What was read and written; `rows` is `used` and the rejects together."""

    out: str
    users: int
    recommendations: int
    rows: int
    used: int
    rejects: dict[str, int]
    blend: float  # weight of co-views next to content
    success_at_10: dict[str, float]  # method -> share of the users held out
    held_out: int  # users whose last product was left out and searched for
    generation: int
    warnings: list[str] = field(default_factory=list)


def recommend_to_users(
    index: ProductIndex,
    histories: Path | str,
    out: Path | str,
    options: SearchOptions | None = None,
    settings: LogSettings | None = None,
) -> UsersReport:
    """The best products for every user of a log, as a Parquet file.

    A product's score is its cosine to the user's taste and a share of its co-views: how often
    other users had it together with the products of this one. The share is what finds most of the
    products that some users had last. New products are served by content alone, users of whom no
    product is known get what most users have. Nothing that a user has viewed is shown to them. The
    log is read in parts, so that memory is bounded; nothing of it stays in the store.

    Args:
        histories: the log: see `prodmatch.histories.log.split_log`.
        options: `top`, `where` and `one_per` count.

    Raises:
        QueryError: the log or the options cannot be used, or an argument is of another type.
        StoreError: `out` cannot be written.
    """
    _check_types(index, options)
    histories, out = check_log(histories, settings), require_path(out, "out")
    searcher, options = index.searcher, options or SearchOptions()
    options.check(searcher.products)
    settings = settings or LogSettings()
    recommender = Recommender(searcher, settings.sizes)
    with scratch_directory(out.parent) as scratch:
        learnt = learn(histories, searcher, recommender, scratch, settings)
        if options.where is not None:
            recommender = recommender.within(searcher.products.rows_where(options.where))
        maker = _row_maker(searcher, recommender, learnt, options)
        users, written = _write(maker, learnt, out)
    return UsersReport(
        out=str(out),
        users=users,
        recommendations=written,
        rows=learnt.report.rows,
        used=learnt.report.used,
        rejects={reason: n for reason, n in learnt.report.rejects.items() if n},
        blend=learnt.evaluation.blend,
        success_at_10=_success(learnt.evaluation),
        held_out=learnt.evaluation.count,
        generation=searcher.generation.number,
        warnings=[
            *learnt.report.warnings(histories),
            *_warn_of_filter(searcher, recommender, options.where),
        ],
    )


def _warn_of_filter(searcher: Searcher, recommender: Recommender, where: str | None) -> list[str]:
    if where is None or recommender.allowed.any():
        return []
    reason = f"the filter {where!r} holds for no product, so nothing is shown to anybody."
    return [" ".join([reason, *searcher.hints([where])])]


def _row_maker(
    searcher: Searcher, recommender: Recommender, learnt: Learnt, options: SearchOptions
) -> RowMaker:
    groups = None
    if options.one_per is not None:
        every = np.arange(searcher.generation.product_count)
        groups = searcher.products.codes(options.one_per).groups(every)
    popular = np.argsort(-learnt.co_views.users, kind="stable")
    return RowMaker(
        recommender,
        learnt.co_views,
        learnt.evaluation.blend,
        read_column(searcher.generation.folder, "product_id").combine_chunks(),
        popular[recommender.allowed[popular]],
        options.top,
        groups,
    )


def _write(maker: RowMaker, learnt: Learnt, out: Path) -> tuple[int, int]:
    """How many users and rows were written."""
    users = written = 0
    with new_file(out) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for histories in learnt.histories():
            step = maker.recommender.sizes.users
            starts = range(0, len(histories), step)
            for start in tqdm(starts, "recommend", unit="batch", disable=None):
                batch = range(start, min(start + step, len(histories)))
                table = maker.make(histories, batch)
                writer.write_table(table)
                users, written = users + len(batch), written + len(table)
    return users, written


def _success(evaluation: BlendEvaluation) -> dict[str, float]:
    return {
        name: round(float((ranks > 0).mean()), 4) if len(ranks) else 0.0
        for name, ranks in evaluation.ranks.items()
    }
