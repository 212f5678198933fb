"""What is learnt of a log of histories: co-views and their weight, by what users had last."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.histories.co_views import CoViewCounter, CoViews
from prodmatch.histories.log import Histories, LogReport, LogSettings, read_part, split_log
from prodmatch.histories.tastes import Candidates, Recommender, choose
from prodmatch.search.searcher import Searcher
from prodmatch.storage.product_file import read_column

HELD_OUT_SHARE = 10  # one user in so many, and what they had is counted in no co-view meanwhile
MOST_HELD_OUT = 2_000
FEWEST_HELD_OUT = 50  # to choose the blend by
BLENDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
USUAL_BLEND = 4.0  # where there are too few to choose by
TOP = 10
METHODS = ("content", "co_views", "popularity", "blend")
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """Histories without their last product, and that product."""

    histories: Histories
    last: npt.NDArray[np.int64]  # (users,) rows of the index


def is_held_out(users: pa.Array) -> npt.NDArray[np.bool_]:
    """Which users are held out: always the same ones, one in ten."""
    return np.array(
        [zlib.crc32(name.encode(), 1) % HELD_OUT_SHARE == 0 for name in users.to_pylist()], np.bool_
    )


def take_users(histories: Histories, chosen: npt.NDArray[np.bool_]) -> Histories:
    """The histories of some users."""
    lengths = np.diff(histories.starts)
    events = np.repeat(chosen, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths[chosen])])
    users = histories.users.filter(pa.array(chosen))
    return Histories(users, starts, histories.rows[events], histories.weights[events])


def leave_last_out(histories: Histories) -> LeftOut:
    """Of users with two liked products or more: the last that is new to them, and what was before.

    Users whose last likes are all of one product, or the first of which is the only one, are left
    out.
    """
    names, lasts, spans = [], [], []
    for user, name in enumerate(histories.users.to_pylist()):
        own = histories.of(user)
        rows, liked = histories.rows[own], histories.weights[own] > 0
        for position in np.flatnonzero(liked)[:0:-1].tolist():
            if rows[position] not in rows[:position] and liked[:position].any():
                names.append(name)
                lasts.append(int(rows[position]))
                spans.append((own.start, own.start + position))
                break
    starts = np.cumsum([0, *(stop - start for start, stop in spans)])
    events = np.concatenate([np.arange(*span) for span in spans] or [np.zeros(0, np.int64)])
    kept = Histories(
        pa.array(names, pa.string()), starts, histories.rows[events], histories.weights[events]
    )
    return LeftOut(kept, np.array(lasts, np.int64))


def join_left_out(parts: Iterable[LeftOut]) -> LeftOut:
    """As many of them as are held out at most, whatever the users' names and the number of parts.

    Those of the smallest hashes are kept, in the order of these.
    """
    parts = list(parts)
    users = pa.concat_arrays([part.histories.users for part in parts])
    lengths = np.concatenate([np.diff(part.histories.starts) for part in parts])
    firsts = np.cumsum(lengths) - lengths
    hashes = np.array([_hash(name) for name in users.to_pylist()], np.uint64)
    chosen = np.argsort(hashes, kind="stable")[:MOST_HELD_OUT]
    starts = np.concatenate([[0], np.cumsum(lengths[chosen])])
    events = np.arange(starts[-1]) + np.repeat(firsts[chosen] - starts[:-1], lengths[chosen])
    rows, weights = (
        np.concatenate([getattr(part.histories, name) for part in parts])[events]
        for name in ("rows", "weights")
    )
    last = np.concatenate([part.last for part in parts])[chosen]
    return LeftOut(Histories(users.take(pa.array(chosen)), starts, rows, weights), last)


def _hash(name: str) -> int:
    """Independent of the checksum that holds users out."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


@dataclass(frozen=True)
class BlendEvaluation:
    """Reciprocal ranks of the products left out, among the first ten; 0 where they are not."""

    blend: float  # the weight of co-views that finds most
    ranks: Mapping[str, Values]  # method -> (users,)

    @property
    def count(self) -> int:
        """How many users were held out."""
        return len(self.ranks[METHODS[0]])


def evaluate_blends(
    recommender: Recommender, left_out: LeftOut, co_views: CoViews
) -> BlendEvaluation:
    """How early each method shows the product left out.

    The blend is chosen by the even users and measured on the odd ones, and the other way round;
    where they are too few to choose by, the usual one is measured.

    Args:
        left_out: histories of users that `co_views` knows nothing of.
        co_views: of all others.
    """
    count = len(left_out.last)
    content, alone, popular = np.zeros(count), np.zeros(count), np.zeros(count)
    blended = np.zeros((len(BLENDS), count))
    best_sold = np.argsort(-co_views.users, kind="stable")
    step = recommender.sizes.users
    for start in range(0, count, step):
        users = range(start, min(start + step, count))
        span = slice(users.start, users.stop)
        found, last = (
            recommender.find(left_out.histories, users, co_views, TOP),
            left_out.last[span],
        )
        for row, blend in enumerate(BLENDS):
            blended[row, span] = _ranks(*choose(found, blend, TOP), last)
        content[span] = blended[0, span]
        shared = found.take(found.co_views > 0)
        only = Candidates(shared.users, shared.rows, np.zeros(len(shared.rows)), shared.co_views)
        alone[span] = _ranks(*choose(only, 1.0, TOP), last)
        popular[span] = [
            _popular_rank(best_sold, left_out.histories, user, left_out.last[user])
            for user in users
        ]
    blend, blend_ranks = USUAL_BLEND, blended[BLENDS.index(USUAL_BLEND)]
    if count >= FEWEST_HELD_OUT and blended.any():
        blend, blend_ranks = BLENDS[_best(blended)], np.zeros(count)
        groups = [np.arange(count) % 2 == half for half in (0, 1)]
        for own, other in (groups, groups[::-1]):
            blend_ranks[own] = blended[_best(blended[:, other])][own]
    ranks = (content, alone, popular, blend_ranks)
    return BlendEvaluation(blend, dict(zip(METHODS, ranks, strict=True)))


def _best(ranks: Values) -> int:
    """The first of `(blends, users)` that finds most."""
    return int(ranks.mean(axis=1).argmax())


def _ranks(chosen: Candidates, _: Values, last: npt.NDArray[np.int64]) -> Values:
    """Reciprocal ranks `(users,)` of the products left out among those chosen."""
    found = np.zeros(len(last))
    ranks = np.arange(len(chosen.users)) - np.searchsorted(chosen.users, chosen.users)
    right = chosen.rows == last[chosen.users]
    found[chosen.users[right]] = 1.0 / (1 + ranks[right])
    return found


def _popular_rank(
    best_sold: npt.NDArray[np.int64], histories: Histories, user: int, last: int
) -> float:
    viewed = set(histories.rows[histories.of(user)].tolist())
    first = [row for row in best_sold[: TOP + len(viewed)].tolist() if row not in viewed][:TOP]
    return 1.0 / (1 + first.index(last)) if last in first else 0.0


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
