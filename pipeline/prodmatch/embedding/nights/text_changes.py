"""Texts that no shop means to write overnight: moved, cut off, copied, written wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.column_types import is_text
from prodmatch.columns.amounts import is_measure
from prodmatch.embedding.nights.columns.text_columns import Form, TextColumn, digest_ids, read_texts
from prodmatch.embedding.nights.findings import FEWEST, Finding, GateLimits, NightPair
from prodmatch.names import is_title_name
from prodmatch.products.codes import is_code_column
from prodmatch.storage.vectors import Mask

OWN = 0.5  # of the texts must be different: they name products
COPIED = 0.5  # of the products must have another column's text
FEWER = 0.5  # of the different texts must be left
SHORTEST = 6  # characters of texts that tell products apart, on the average
GTIN_LENGTHS = (8, 12, 13, 14)  # zeros in front make one of another
ODD_TITLES = {
    Form.WRAPPED: "as a program writes a value",
    Form.MISREAD: "in a wrong encoding",
    Form.NO_LETTERS: "without a letter",
    Form.ONE_WORD: "of one word, where there were several",
}
ODD_CODES = {
    Form.FRACTION: "with a fraction ('.0'): were they read as numbers?",
    Form.SCIENTIFIC: "in scientific notation: were they saved by a spreadsheet?",
    Form.SPREADSHEET: "with a spreadsheet's marks",
    Form.ROUNDED: "that end in zeros: were they rounded?",
}


@dataclass(frozen=True)
class _Texts:
    """A column of the products that stay, last night and tonight."""

    name: str
    before: TextColumn
    after: TextColumn

    @property
    def changed(self) -> Mask:
        """`(n,)`: which have another text than the night before."""
        both = (self.before.digests > 0) & (self.after.digests > 0)
        return np.asarray(both & (self.before.digests != self.after.digests), np.bool_)

    @property
    def names_products(self) -> bool:
        """Whether the night before most products had a text of their own, and no mere number."""
        filled = self.before.filled
        lengths = self.before.lengths[self.before.digests > 0]
        return (
            filled >= 2 * FEWEST
            and self.before.distinct > OWN * filled
            and float(lengths.mean()) >= SHORTEST
            and not is_measure(self.name)
        )

    @property
    def is_essential(self) -> bool:
        """Whether products are named by it."""
        return is_title_name(self.name) or is_code_column(self.name)


def find_text_changes(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
    """What has become of columns of text; read only where more rows changed than may be lost."""
    least = max(FEWEST, int(limits.max_lost * len(pair.after)) + 1)
    last, tonight = pair.last.read_column, pair.tonight.read_column
    if last is None or tonight is None or pair.changed.sum() < least:
        return
    copied: dict[str, TextColumn] = {}
    columns: list[_Texts] = []
    for name in pair.shared([n for n, kind in pair.last.types.items() if is_text(kind)]):
        if not is_text(pair.tonight.types[name]):
            continue
        texts = _Texts(
            name,
            read_texts(name, last(name)).select(pair.before),
            read_texts(name, tonight(name)).select(pair.after),
        )
        copied[name] = texts.after
        columns.append(texts)
    for texts in columns:
        if texts.changed.sum() >= least:
            yield from _find_changes(texts, pair, least)
            yield from _find_copied(texts, copied, pair)


def _find_changes(texts: _Texts, pair: NightPair, least: int) -> Iterator[Finding]:
    name = texts.name
    if is_title_name(name):
        yield from _find_odd(texts, ODD_TITLES, pair, least)
    if is_code_column(name):
        yield from _find_odd(texts, ODD_CODES, pair, least)
        yield from _find_lost_zeros(texts, pair, least)
    elif not (name in pair.last.amounts and pair.last.amounts[name].styles):  # compared as numbers
        yield from _find_lost_signs(texts, pair, least)
    if not texts.names_products:
        return
    if (moved := _moved(texts)).sum() >= least:
        text = f"column {name!r} has the text that another product had for {moved.sum()} of "
        text += f"{len(moved)} products ({pair.name(moved)}): was it sorted apart from the ids?"
        yield Finding(True, text)
    length = int(texts.after.lengths.max())
    if (cut := _cut(texts, pair, least)).sum() >= least:
        text = f"column {name!r} ends after {length} characters for {cut.sum()} of {len(cut)} "
        yield Finding(True, f"{text}products, and was longer ({pair.name(cut)}): was it cut off?")
    yield from _find_gathered(texts, pair, least)


def _find_lost_signs(texts: _Texts, pair: NightPair, least: int) -> Iterator[Finding]:
    """Texts that are what they were, but for marks and fractions in numbers, or some letters."""
    before, after = texts.before, texts.after
    is_other = texts.changed & (before.plain != after.plain)
    for what, lost, is_refused in (
        (
            "marks between digits {}: is 12.3 now 123?",
            texts.changed & (before.plain == after.plain) & (after.marks < before.marks),
            False,
        ),
        (
            "the fractions of numbers {}: is 12.3 now 12?",
            is_other & (before.whole == after.plain),
            False,
        ),
        (
            "letters that are not ASCII {}",
            is_other & (before.ascii == after.plain) & (after.plain > 0),
            texts.is_essential,
        ),
    ):
        if lost.sum() >= least:
            count = f"for {lost.sum()} of {len(lost)} products ({pair.name(lost)})"
            yield Finding(is_refused, f"column {texts.name!r} has lost {what.format(count)}")


def _moved(texts: _Texts) -> Mask:
    """Products whose text is that which one other product alone had."""
    known, first, counts = np.unique(texts.before.digests, return_index=True, return_counts=True)
    at = np.minimum(np.searchsorted(known, texts.after.digests), len(known) - 1)
    is_known = (known[at] == texts.after.digests) & (counts[at] == 1)
    return np.asarray(is_known & texts.changed & (first[at] != np.arange(len(at))), np.bool_)


def _cut(texts: _Texts, pair: NightPair, least: int) -> Mask:
    """Products whose text is as much of the one of the night before as the longest of all has."""
    longest = int(texts.after.lengths.max())
    cut = texts.changed & (texts.before.lengths > longest) & (texts.after.lengths >= longest - 1)
    if cut.sum() < least or pair.last.read_column is None:
        return np.zeros(len(cut), np.bool_)
    heads = read_texts(texts.name, pair.last.read_column(texts.name), longest)
    return np.asarray(cut & (heads.digests[pair.before] == texts.after.digests), np.bool_)


def _find_gathered(texts: _Texts, pair: NightPair, least: int) -> Iterator[Finding]:
    """One text for many products, or few texts where there were many."""
    changed = texts.after.digests[texts.changed]
    values, counts = np.unique(changed, return_counts=True)
    same = texts.changed & (texts.after.digests == values[counts.argmax()])
    if same.sum() >= least:
        text = f"column {texts.name!r} has one text for {same.sum()} products that had others"
        yield Finding(texts.is_essential, f"{text} ({pair.name(same)}): is it a placeholder?")
    elif texts.after.distinct < FEWER * texts.before.distinct:
        text = f"column {texts.name!r} has {texts.after.distinct} different texts for "
        text += f"{texts.after.filled} products, and had {texts.before.distinct}"
        yield Finding(texts.is_essential, text)


def _find_odd(
    texts: _Texts, names: Mapping[Form, str], pair: NightPair, least: int
) -> Iterator[Finding]:
    """Titles and codes that are written in a way that they were not the night before."""
    for form, how in names.items():
        odd = texts.changed & (texts.after.forms == form) & (texts.before.forms != form)
        if odd.sum() >= least:
            text = f"column {texts.name!r} has {odd.sum()} of {len(odd)} texts {how}"
            yield Finding(True, f"{text} ({pair.name(odd)})")


def _find_lost_zeros(texts: _Texts, pair: NightPair, least: int) -> Iterator[Finding]:
    """Codes that have lost the zeros in front of them, and are no other form of a GTIN."""
    same = texts.changed & (texts.before.plain == texts.after.plain)
    shorter = texts.after.lengths < texts.before.lengths
    usual = (texts.before.forms == Form.USUAL) & (texts.after.forms == Form.USUAL)
    lost = same & shorter & usual & ~np.isin(texts.after.lengths, GTIN_LENGTHS)
    if lost.sum() >= least:
        text = f"column {texts.name!r} has lost the zeros in front of {lost.sum()} of {len(lost)} "
        yield Finding(True, f"{text}codes ({pair.name(lost)}): were they read as numbers?")


def _find_copied(
    texts: _Texts, columns: Mapping[str, TextColumn], pair: NightPair
) -> Iterator[Finding]:
    """A column that has the texts of another one for most products."""
    others: dict[str, npt.NDArray[np.uint32]] = {
        name: column.digests for name, column in columns.items() if name != texts.name
    }
    others["product_id"] = digest_ids(pair.tonight.product_ids.take(pa.array(pair.after)))
    for name, digests in others.items():
        same = texts.changed & (texts.after.digests == digests)
        if same.sum() > COPIED * len(same):
            text = f"column {texts.name!r} has the texts of {name!r} for {same.sum()} of "
            text += f"{len(same)} products, and had others ({pair.name(same)})"
            yield Finding(not is_code_column(texts.name), text)
            return
