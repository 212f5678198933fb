"""All that is learnt of a log of histories: co-views, their weight, and how good it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prodmatch.histories.co_views import CoViewCounter, CoViews
from prodmatch.histories.leave_last_out import (
    BlendEvaluation,
    LeftOut,
    evaluate_blends,
    is_held_out,
    join_left_out,
    leave_last_out,
    take_users,
)
from prodmatch.histories.log import Histories, LogReport, LogSettings, read_part, split_log
from prodmatch.histories.tastes import Recommender
from prodmatch.search.searcher import Searcher
from prodmatch.storage.product_file import read_column


@dataclass(frozen=True)
class Learnt:
    """What is learnt of a log, and the parts that it lies in, sorted."""

    parts: list[Path]
    settings: LogSettings
    report: LogReport
    co_views: CoViews  # of all users
    evaluation: BlendEvaluation

    def histories(self) -> Iterator[Histories]:
        """Those of each part."""
        for part in self.parts:
            yield read_part(part, self.settings)


def learn(
    log: Path, searcher: Searcher, recommender: Recommender, scratch: Path, settings: LogSettings
) -> Learnt:
    """Splits a log into parts, counts its co-views, and measures them on users held out.

    Raises:
        QueryError: as `split_log`.
    """
    ids = read_column(searcher.generation.folder, "product_id").combine_chunks()
    parts, report = split_log(log, ids, scratch, settings)
    counter = CoViewCounter(scratch, searcher.generation.product_count)
    left_out: list[LeftOut] = []
    for part in parts:
        histories = read_part(part, settings)
        held_out = is_held_out(histories.users)
        counter.add(take_users(histories, ~held_out))
        own = leave_last_out(take_users(histories, held_out))
        left_out = [join_left_out([*left_out, own])]
    evaluation = evaluate_blends(recommender, left_out[0], counter.finish())
    for part in parts:
        histories = read_part(part, settings)
        counter.add(take_users(histories, is_held_out(histories.users)))
    return Learnt(parts, settings, report, counter.finish(), evaluation)
