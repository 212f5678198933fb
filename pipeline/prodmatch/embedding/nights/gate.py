"""The gate: tonight's catalogue against the products embedded before, before it replaces them."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.columns.amounts import is_price
from prodmatch.columns.missing import is_title_name
from prodmatch.embedding.nights.moved_values import (
    find_filled,
    find_moved,
    find_scaled,
    moved_contents,
    new_duplicates,
)
from prodmatch.embedding.nights.night_columns import Night
from prodmatch.embedding.nights.number_changes import FEWEST, Mask, compare_numbers
from prodmatch.embedding.nights.value_changes import (
    find_recoded,
    find_swaps,
    name_one_value,
    take_rows,
)
from prodmatch.lexical.prices.currencies import may_be
from prodmatch.storage.arrow import as_mask, find_rows

Rows = npt.NDArray[np.int64]
FULL = 0.9  # a column that so many products fill may not lose more than `max_lost` of them
HALF = 0.5  # one that so many fill may not be empty
NOTABLE = 4  # more than so great a part of what may be removed is worth a warning
MOST_NAMED = 20  # columns


@dataclass(frozen=True)
class GateLimits:
    """What a night may lose and still be let through, as shares."""

    max_removed: float = 0.2  # of the products
    max_lost: float = 0.1  # of the products that stay: those without their text or picture


@dataclass(frozen=True)
class Changes:
    """How a catalogue differs from the one embedded before."""

    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class GateReport:
    """What was found: reasons to refuse the night, and what else a person may want to know."""

    refusals: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _Pair:
    """Two nights, and the products of both."""

    last: Night
    tonight: Night
    before: Rows  # (n,) of `last`: the same product as `after` of `tonight`
    after: Rows

    @property
    def removed(self) -> Mask:
        """`(last,)`: which products are gone."""
        gone = np.ones(len(self.last), np.bool_)
        gone[self.before] = False
        return gone

    def id_of(self, stayed: int) -> str:
        """The id of one of the products that stay."""
        return str(self.tonight.product_ids[int(self.after[stayed])])

    def ids(self, stayed: Mask) -> list[str]:
        """The first ids of some of the products that stay."""
        rows = self.after[np.flatnonzero(stayed)[:NAMED]]
        return _names(self.tonight.product_ids.take(pa.array(rows)))


def count_changes(last: Night | None, tonight: Night) -> Changes:
    """Products added, changed in any column, and removed since the night before."""
    if last is None or last.row_digests is None or tonight.row_digests is None:
        return Changes(len(tonight), 0, 0)
    pair = _pair(last, tonight)
    before = last.row_digests.take(pa.array(pair.before))
    after = tonight.row_digests.take(pa.array(pair.after))
    return Changes(
        added=len(tonight) - len(pair.after),
        changed=int(pc.sum(pc.not_equal(before, after)).as_py() or 0),
        removed=len(last) - len(pair.before),
    )


def compare_nights(last: Night | None, tonight: Night, limits: GateLimits) -> GateReport:
    """What a catalogue has lost since the night before; pure.

    Args:
        last: the products embedded before; None on the first night.
        tonight: the products to be embedded.
        limits: what may be lost.
    """
    report = GateReport([], [])
    for finding in _findings(last, tonight, limits):
        (report.refusals if finding.refused else report.warnings).append(finding.text)
    return report


@dataclass(frozen=True)
class _Finding:
    refused: bool
    text: str


def _findings(last: Night | None, tonight: Night, limits: GateLimits) -> Iterator[_Finding]:
    yield from _unusable_images(last, tonight, limits)
    if last is None or not len(last):
        yield from _empty_parts(tonight)
        return
    pair = _pair(last, tonight)
    yield from _columns(pair)
    yield from _values(pair, limits)
    yield from _numbers(pair)
    yield from _amounts(pair, limits)
    yield from _one_value(pair)
    yield from _other_values(pair)
    yield from _removed(pair, limits)
    yield from _added(pair)
    yield from _lost_parts(pair, limits)


def _pair(last: Night, tonight: Night) -> _Pair:
    rows = find_rows(tonight.product_ids, last.product_ids)
    after = np.flatnonzero(rows >= 0)
    return _Pair(last, tonight, rows[after], after)


def _unusable_images(last: Night | None, tonight: Night, limits: GateLimits) -> Iterator[_Finding]:
    if tonight.addresses:
        text = f"{tonight.addresses} products name their picture by an address; nothing is fetched"
        yield _Finding(False, text)
    unusable = sum(tonight.images_unusable.values())
    if not unusable:
        return
    share, usual = _unusable_share(tonight), 0.0 if last is None else _unusable_share(last)
    reasons = ", ".join(f"{name} {count}" for name, count in tonight.images_unusable.items())
    named = unusable + len(tonight.image_keys) - tonight.image_keys.null_count
    text = f"{unusable} of {named} pictures cannot be used ({reasons})"
    if usual:
        text += f"; {usual:.0%} could not the night before"
    yield _Finding(share - usual > limits.max_lost, text)


def _unusable_share(night: Night) -> float:
    unusable = sum(night.images_unusable.values())
    usable: int = len(night.image_keys) - night.image_keys.null_count
    return unusable / max(1, unusable + usable)


def _empty_parts(tonight: Night) -> Iterator[_Finding]:
    """On a first night: columns that give nothing."""
    if not len(tonight):
        return
    without = tonight.image_keys.null_count == len(tonight)
    if tonight.has_images and without and not tonight.addresses:
        text = "no product has a picture that can be used, though there is a column of pictures"
        yield _Finding(True, text)
    for name, filled in tonight.filled.items():
        if not filled.any():
            yield _Finding(False, f"column {name!r} is empty")


def _columns(pair: _Pair) -> Iterator[_Finding]:
    """Columns gone, of another type, or new."""
    last, tonight = pair.last, pair.tonight
    new = [name for name in tonight.types if name not in last.types]
    gone = [name for name in last.types if name not in tonight.types]
    if last.has_images and not tonight.has_images:
        gone.append("image")
    if gone:
        causes = [f"{name!r} {_likely_name(name, new, tonight)}".rstrip() for name in gone]
        names = f"column{'s' if len(gone) > 1 else ''} gone: {', '.join(causes[:MOST_NAMED])}"
        yield _Finding(True, f"{names} (found {', '.join(tonight.types) or 'none of metadata'})")
    for name, kind in last.types.items():
        found = tonight.types.get(name, kind)
        if found == kind or not last.filled[name].any() or not tonight.filled[name].any():
            continue  # a column without values has no type of its own
        text = f"column {name!r} is of type {found} and was of type {kind}"
        yield _Finding(_kind(found) != _kind(kind), text)
    if new:
        yield _Finding(False, f"new columns: {', '.join(map(repr, new[:MOST_NAMED]))}")


def _likely_name(name: str, new: Sequence[str], tonight: Night) -> str:
    if name in tonight.left_out:
        return "(its type is none that metadata can have)"
    folded = {other.casefold().strip(): other for other in (*new, *tonight.left_out)}
    near = difflib.get_close_matches(name.casefold().strip(), folded, 1, 0.5)
    if not near:
        return ""
    there = folded[near[0]]
    return f"(there is a {there!r}: rename it, or map it with `columns`, {name}={there})"


def _kind(column: pa.DataType) -> str:
    if pa.types.is_string(column) or pa.types.is_large_string(column):
        return "text"
    if pa.types.is_boolean(column):
        return "boolean"
    return "date" if pa.types.is_temporal(column) else "number"


def _values(pair: _Pair, limits: GateLimits) -> Iterator[_Finding]:
    """Columns of metadata that have lost their values."""
    for name in pair.last.types:
        if name not in pair.tonight.types:
            continue
        had = pair.last.filled[name][pair.before]
        lost = had & ~pair.tonight.filled[name][pair.after]
        if not lost.any() or not len(had):
            continue
        share, filled = lost.sum() / had.sum(), had.mean()
        if share <= limits.max_lost:
            continue
        empty = not pair.tonight.filled[name].any()
        state = "is empty" if empty else f"has lost {lost.sum()} of {had.sum()} values"
        text = f"column {name!r} {state} ({name_some(pair.ids(lost), int(lost.sum()))})"
        yield _Finding(bool(filled >= FULL or (empty and filled >= HALF)), text)


def _numbers(pair: _Pair) -> Iterator[_Finding]:
    """Columns of numbers that are of another size: cents for euros."""
    for name, last in pair.last.numbers.items():
        if name in pair.tonight.numbers:
            before, after = last[pair.before], pair.tonight.numbers[name][pair.after]
            found = compare_numbers(name, before, after, pair.id_of)
            if found is not None:
                yield _Finding(found.refused, found.text)
            elif (scaled := find_scaled(name, before, after)) is not None:
                yield _Finding(False, scaled)


def _amounts(pair: _Pair, limits: GateLimits) -> Iterator[_Finding]:
    """Columns of text with amounts that are of another size, or no amounts any more."""
    for name, last in pair.last.amounts.items():
        if name not in pair.tonight.amounts or not last.styles:
            continue
        before, after = last.select(pair.before), pair.tonight.amounts[name].select(pair.after)
        if not may_be(before.currency, after.currency):
            text = f"column {name!r} is in {after.currency} and was in {before.currency}"
            yield _Finding(False, text)
        lost = before.readable & ~after.readable & pair.tonight.filled[name][pair.after]
        had = int(before.readable.sum())
        if had and lost.sum() / had > limits.max_lost:
            text = f"column {name!r} has {lost.sum()} of {had} values that are no numbers any more"
            yield _Finding(True, f"{text} ({name_some(pair.ids(lost), int(lost.sum()))})")
            continue
        found = [
            compare_numbers(name, before.numbers[one], after.numbers[other], pair.id_of)
            for one in before.styles
            for other in after.styles
        ]  # '1.299' may be read in two styles: the night passes where it does in one
        changes = [change for change in found if change is not None]
        if changes and len(changes) == len(found):
            change = min(changes, key=lambda change: change.refused)
            yield _Finding(change.refused, change.text)


def _one_value(pair: _Pair) -> Iterator[_Finding]:
    """Columns that have one value for nearly all products, and had many, or another one."""
    for name, before in pair.last.common.items():
        after = pair.tonight.common.get(name)
        if after is None or len(pair.after) < FEWEST:
            continue
        is_flag = pa.types.is_boolean(pair.last.types[name])
        text = name_one_value(name, before, after, is_flag=is_flag)
        if text is not None:
            yield _Finding(is_price(name) or is_title_name(name), text)


def _other_values(pair: _Pair) -> Iterator[_Finding]:
    """Columns that have changed places, or whose labels are other ones."""
    swaps: list[str] = []
    last, tonight = pair.last, pair.tonight
    for old, new in ((last.labels, tonight.labels), (last.numbers, tonight.numbers)):
        swaps += find_swaps(take_rows(old, pair.before), take_rows(new, pair.after))
    yield from (_Finding(True, text) for text in swaps)
    if swaps:
        return
    before = take_rows({**last.labels, **last.numbers}, pair.before)
    after = take_rows({**tonight.labels, **tonight.numbers}, pair.after)
    moved = find_moved(before, after, pair.id_of)
    yield from (_Finding(change.refused, change.text) for change in moved)
    yield from (_Finding(False, text) for text in find_filled(before, after))
    if not moved:
        labels = take_rows(last.labels, pair.before), take_rows(tonight.labels, pair.after)
        yield from (_Finding(False, text) for text in find_recoded(*labels, pair.id_of))


def _removed(pair: _Pair, limits: GateLimits) -> Iterator[_Finding]:
    gone = pair.removed
    count, total = int(gone.sum()), len(pair.last)
    if not count:
        return
    ids = _names(pair.last.product_ids.filter(pa.array(gone)))
    text = f"{count} of {total} products are gone ({name_some(ids, count)})"
    if count / total > limits.max_removed:
        limit = f", more than `max_removed={limits.max_removed:g}` allows"
        yield _Finding(True, text + limit + _likely_removal(pair, gone, ids))
    elif count / total > limits.max_removed / NOTABLE:
        yield _Finding(False, text + _likely_removal(pair, gone, ids))


def _added(pair: _Pair) -> Iterator[_Finding]:
    """That there are twice as many products or more."""
    count, total = len(pair.tonight) - len(pair.after), len(pair.last)
    if count >= total >= FEWEST:
        text = f"{count} products are new, to {total} of the night before: are some in it twice?"
        yield _Finding(False, text)


def _likely_removal(pair: _Pair, gone: Mask, ids: Sequence[str]) -> str:
    added = np.ones(len(pair.tonight), np.bool_)
    added[pair.after] = False
    new = _names(pair.tonight.product_ids.filter(pa.array(added)))
    written = {_bare(name): name for name in new}
    again = [(name, written[_bare(name)]) for name in ids if _bare(name) in written]
    if len(again) > len(ids) / 2:
        old, now = again[0]
        return f"; {len(again)} of them are there under other ids: {old!r} is {now!r} now"
    if len(new) >= len(ids):
        return f"; {len(new)} others are new: it may be another catalogue, or have other ids"
    if not gone.all() and gone[len(gone) - len(ids) :].all():
        return "; they are the last ones of the night before: the catalogue may be cut off"
    return ""


def _bare(product_id: str) -> str:
    """An id without what exports add and take away: case, zeros in front, `.0`, separators."""
    name = re.sub(r"\.0+$", "", product_id.strip().casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", "", name))


def _lost_parts(pair: _Pair, limits: GateLimits) -> Iterator[_Finding]:
    """Products that stay, and whose text or picture does not, or has become everybody's."""
    total = len(pair.after)
    lost = np.zeros(total, np.bool_)
    parts: list[str] = []
    for name, before, after in (
        ("text", pair.last.text_keys, pair.tonight.text_keys),
        ("picture", pair.last.image_keys, pair.tonight.image_keys),
    ):
        old, new = before.take(pa.array(pair.before)), after.take(pa.array(pair.after))
        had, has = as_mask(old.is_valid()), as_mask(new.is_valid())
        without = had & ~has
        if without.any():
            parts.append(f"{without.sum()} have no {name} any more")
            if name == "picture" and pair.tonight.addresses > pair.last.addresses:
                parts[-1] += f"; {pair.tonight.addresses} are named by addresses, not fetched"
        lost |= without
        if pair.last.row_digests is not None:  # else contents are not known
            duplicates = new_duplicates(old, new)
            if duplicates.any():
                parts.append(f"{duplicates.sum()} have the same {name} as others now")
            moved = moved_contents(before, pair.before, new)
            if moved.any():
                parts.append(f"{moved.sum()} have the {name} that another product had")
            lost |= duplicates | moved
            changed = as_mask(pc.not_equal(old, new))
            if total and changed.sum() / total > HALF:
                yield _Finding(False, f"the {name} of {changed.sum()} of {total} products is new")
    if not lost.any():
        return
    text = (
        f"{lost.sum()} of the {total} products that stay have lost their text or picture "
        f"({', '.join(parts)}: {name_some(pair.ids(lost), int(lost.sum()))})"
    )
    refused = bool(lost.sum() / total > limits.max_lost)
    limit = f", more than `max_lost={limits.max_lost:g}` allows" if refused else ""
    yield _Finding(refused, text + limit)


def _names(ids: pa.Array) -> list[str]:
    return [str(name) for name in ids.to_pylist()]
