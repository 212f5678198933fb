"""The gate: tonight's catalogue against the products embedded before, before it replaces them."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.naming import name_some
from prodmatch.columns.amounts import is_price
from prodmatch.embedding.nights.columns.night_columns import AmountColumn, Night
from prodmatch.embedding.nights.copies import find_copies
from prodmatch.embedding.nights.date_changes import find_date_changes
from prodmatch.embedding.nights.findings import FEWEST, Finding, GateLimits, NightPair, names_of
from prodmatch.embedding.nights.moved_values import (
    find_filled,
    find_moved,
    find_partly_moved,
    find_scaled,
    moved_contents,
    new_duplicates,
)
from prodmatch.embedding.nights.text_changes import find_text_changes
from prodmatch.embedding.nights.value_changes import (
    compare_numbers,
    find_recoded,
    find_swaps,
    find_truncated,
    name_one_value,
    take_rows,
)
from prodmatch.lexical.prices.currencies import may_be
from prodmatch.names import is_title_name
from prodmatch.products.codes import is_code_column
from prodmatch.storage.arrow import Numbers, as_mask
from prodmatch.storage.vectors import Mask

FULL = 0.9  # a column that so many products fill may not lose more than `max_lost` of them
HALF = 0.5  # one that so many fill may not be empty
NOTABLE = 4  # more than so great a part of what may be removed is worth a warning
MOST_NAMED = 20  # columns


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


def count_changes(last: Night | None, tonight: Night) -> Changes:
    """Products added, changed in any column, and removed since the night before."""
    if last is None or last.row_digests is None or tonight.row_digests is None:
        return Changes(len(tonight), 0, 0)
    pair = NightPair.match(last, tonight)
    return Changes(
        added=len(tonight) - len(pair.after),
        changed=int(pair.changed.sum()),
        removed=len(last) - len(pair.before),
    )


def compare_nights(last: Night | None, tonight: Night, limits: GateLimits) -> GateReport:
    """What a catalogue has lost since the night before.

    Texts and dates are read again where so many products have changed that it may be refused.

    Args:
        last: the products embedded before; None on the first night.
    """
    report = GateReport([], [])
    for finding in _findings(last, tonight, limits):
        (report.refusals if finding.refused else report.warnings).append(finding.text)
    return report


def _findings(last: Night | None, tonight: Night, limits: GateLimits) -> Iterator[Finding]:
    yield from _unusable_images(last, tonight, limits)
    if last is None or not len(last):
        yield from _empty_parts(tonight)
        return
    pair = NightPair.match(last, tonight)
    yield from _columns(pair)
    yield from _values(pair, limits)
    yield from _numbers(pair)
    yield from _amounts(pair, limits)
    yield from _one_value(pair)
    yield from _other_values(pair)
    yield from _removed(pair, limits)
    yield from _added(pair)
    yield from find_copies(pair, limits)
    yield from find_text_changes(pair, limits)
    yield from find_date_changes(pair, limits)
    yield from _lost_parts(pair, limits)


def _unusable_images(last: Night | None, tonight: Night, limits: GateLimits) -> Iterator[Finding]:
    if tonight.addresses:
        text = f"{tonight.addresses} products name their picture by an address; nothing is fetched"
        yield Finding(False, text)
    unusable = sum(tonight.images_unusable.values())
    if not unusable:
        return
    share, usual = _unusable_share(tonight), 0.0 if last is None else _unusable_share(last)
    reasons = ", ".join(f"{name} {count}" for name, count in tonight.images_unusable.items())
    named = unusable + len(tonight.image_keys) - tonight.image_keys.null_count
    text = f"{unusable} of {named} pictures cannot be used ({reasons})"
    if usual:
        text += f"; {usual:.0%} could not the night before"
    yield Finding(share - usual > limits.max_lost, text)


def _unusable_share(night: Night) -> float:
    unusable = sum(night.images_unusable.values())
    usable: int = len(night.image_keys) - night.image_keys.null_count
    return unusable / max(1, unusable + usable)


def _empty_parts(tonight: Night) -> Iterator[Finding]:
    """On a first night: columns that give nothing."""
    if not len(tonight):
        return
    without = tonight.image_keys.null_count == len(tonight)
    if tonight.has_images and without and not tonight.addresses:
        text = "no product has a picture that can be used, though there is a column of pictures"
        yield Finding(True, text)
    for name in tonight.empty_columns:
        yield Finding(False, f"column {name!r} is empty")


def _columns(pair: NightPair) -> Iterator[Finding]:
    """Columns gone, of another type, or new."""
    last, tonight = pair.last, pair.tonight
    new = [name for name in tonight.types if name not in last.types]
    gone = [name for name in last.types if name not in tonight.types]
    if last.has_images and not tonight.has_images:
        gone.append("image")
    if gone:
        causes = [f"{name!r} {_likely_name(name, new, tonight)}".rstrip() for name in gone]
        names = f"column{'s' if len(gone) > 1 else ''} gone: {', '.join(causes[:MOST_NAMED])}"
        yield Finding(True, f"{names} (found {', '.join(tonight.types) or 'none of metadata'})")
    for name, kind in last.types.items():
        found = tonight.types.get(name, kind)
        if found == kind or not last.filled[name].any() or not tonight.filled[name].any():
            continue  # a column without values has no type of its own
        text = f"column {name!r} is of type {found} and was of type {kind}"
        yield Finding(_kind(found) != _kind(kind) or _are_codes_read(name, kind, found), text)
    if new:
        yield Finding(False, f"new columns: {', '.join(map(repr, new[:MOST_NAMED]))}")


def _likely_name(name: str, new: Sequence[str], tonight: Night) -> str:
    if name in tonight.left_out:
        return "(its type is none that metadata can have)"
    folded = {other.casefold().strip(): other for other in (*new, *tonight.left_out)}
    near = difflib.get_close_matches(name.casefold().strip(), folded, 1, 0.5)
    if not near:
        return ""
    there = folded[near[0]]
    return f"(there is a {there!r}: rename it, or map it with `columns`, {name}={there})"


def _are_codes_read(name: str, before: pa.DataType, after: pa.DataType) -> bool:
    """Whether codes have become numbers with a fraction: 4006381333931.0."""
    return is_code_column(name) and pa.types.is_integer(before) and pa.types.is_floating(after)


def _kind(column: pa.DataType) -> str:
    if pa.types.is_string(column) or pa.types.is_large_string(column):
        return "text"
    if pa.types.is_boolean(column):
        return "boolean"
    return "date" if pa.types.is_temporal(column) else "number"


def _values(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
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
        text = f"column {name!r} {state} ({pair.name(lost)})"
        yield Finding(bool(filled >= FULL or (empty and filled >= HALF)), text)


def _numbers(pair: NightPair) -> Iterator[Finding]:
    """Columns of numbers that are of another size: cents for euros."""
    for name, last in pair.last.numbers.items():
        if name in pair.tonight.numbers:
            before, after = last[pair.before], pair.tonight.numbers[name][pair.after]
            found = compare_numbers(name, before, after, pair.id_of)
            found = found or find_truncated(name, before, after) or find_scaled(name, before, after)
            if found is not None:
                yield found


def _amounts(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
    """Columns of text with amounts that are of another size, or no amounts any more."""
    for name, last in pair.last.amounts.items():
        if name not in pair.tonight.amounts or not last.styles:
            continue
        before, after = last.select(pair.before), pair.tonight.amounts[name].select(pair.after)
        if not may_be(before.currency, after.currency):
            text = f"column {name!r} is in {after.currency} and was in {before.currency}"
            yield Finding(False, text)
        lost = before.readable & ~after.readable & pair.tonight.filled[name][pair.after]
        had = int(before.readable.sum())
        if had and lost.sum() / had > limits.max_lost:
            text = f"column {name!r} has {lost.sum()} of {had} values that are no numbers any more"
            yield Finding(True, f"{text} ({pair.name(lost)})")
            continue
        for compare in (
            partial(compare_numbers, name, id_of=pair.id_of),
            partial(find_truncated, name),
            partial(find_scaled, name),
        ):
            if found := _however_read(compare, before, after):
                yield found
                break


def _however_read(
    compare: Callable[[Numbers, Numbers], Finding | None],
    before: AmountColumn,
    after: AmountColumn,
) -> Finding | None:
    """What is found of amounts in every style, as '1.299' may be read in two; the mildest of it."""
    found = [
        compare(before.numbers[one], after.numbers[other])
        for one in before.styles
        for other in after.styles
    ]
    certain = [each for each in found if each is not None]
    is_certain = certain and len(certain) == len(found)
    return min(certain, key=lambda each: each.refused) if is_certain else None


def _one_value(pair: NightPair) -> Iterator[Finding]:
    """Columns that have one value for nearly all products, and had many, or another one."""
    for name, before in pair.last.common.items():
        after = pair.tonight.common.get(name)
        if after is None or len(pair.after) < FEWEST:
            continue
        is_flag = pa.types.is_boolean(pair.last.types[name])
        text = name_one_value(name, before, after, is_flag=is_flag)
        if text is not None:
            yield Finding(is_price(name) or is_title_name(name), text)


def _other_values(pair: NightPair) -> Iterator[Finding]:
    """Columns that have changed places, or whose labels are other ones."""
    last, tonight = pair.last, pair.tonight
    labels = take_rows(last.labels, pair.before), take_rows(tonight.labels, pair.after)
    numbers = take_rows(last.numbers, pair.before), take_rows(tonight.numbers, pair.after)
    swaps = [*find_swaps(*labels), *find_swaps(*numbers)]
    yield from swaps
    if swaps:
        return
    before, after = {**labels[0], **numbers[0]}, {**labels[1], **numbers[1]}
    moved = find_moved(before, after, pair.id_of)
    yield from moved
    yield from find_partly_moved(before, after, pair.id_of)
    yield from find_filled(before, after)
    if not moved:
        yield from find_recoded(*labels, pair.id_of)


def _removed(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
    gone = pair.removed
    count, total = int(gone.sum()), len(pair.last)
    if not count:
        return
    ids = names_of(pair.last.product_ids.filter(pa.array(gone)))
    text = f"{count} of {total} products are gone ({name_some(ids, count)})"
    if count / total > limits.max_removed:
        limit = f", more than `max_removed={limits.max_removed:g}` allows"
        yield Finding(True, text + limit + _likely_removal(pair, gone, ids))
    elif count / total > limits.max_removed / NOTABLE:
        yield Finding(False, text + _likely_removal(pair, gone, ids))


def _added(pair: NightPair) -> Iterator[Finding]:
    """That there are twice as many products or more."""
    count, total = len(pair.tonight) - len(pair.after), len(pair.last)
    if count >= total >= FEWEST:
        text = f"{count} products are new, to {total} of the night before: are some in it twice?"
        yield Finding(False, text)


def _likely_removal(pair: NightPair, gone: Mask, ids: Sequence[str]) -> str:
    new = names_of(pair.tonight.product_ids.filter(pa.array(pair.added)))
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


def _lost_parts(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
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
                yield Finding(False, f"the {name} of {changed.sum()} of {total} products is new")
    if not lost.any():
        return
    text = (
        f"{lost.sum()} of the {total} products that stay have lost their text or picture "
        f"({', '.join(parts)}: {pair.name(lost)})"
    )
    refused = bool(lost.sum() / total > limits.max_lost)
    limit = f", more than `max_lost={limits.max_lost:g}` allows" if refused else ""
    yield Finding(refused, text + limit)
