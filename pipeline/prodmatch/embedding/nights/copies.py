"""New products that are those of the night before, under other ids next to the old ones."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.column_types import is_text
from prodmatch.embedding.nights.columns.night_columns import Night
from prodmatch.embedding.nights.columns.text_columns import read_texts
from prodmatch.embedding.nights.findings import FEWEST, Finding, GateLimits, NightPair
from prodmatch.products.codes import is_code_column
from prodmatch.storage.arrow import as_codes

Digests = npt.NDArray[np.uint64]
MIX = np.uint64(0x9E3779B97F4A7C15)
NOTABLE = 4  # more than so great a part of what is refused is worth a warning


def find_copies(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
    """Whether many new products are what others are that stay: text, picture and all values."""
    added = pair.added
    least = max(FEWEST, limits.max_removed / NOTABLE * len(pair.last))
    if added.sum() < least:
        return
    digests = _digest_products(pair.tonight)
    stayed, first = np.unique(digests[pair.after], return_index=True)
    at = np.minimum(np.searchsorted(stayed, digests), max(0, len(stayed) - 1))
    copies = np.flatnonzero(added & (stayed[at] == digests)) if len(stayed) else np.zeros(0, int)
    if len(copies) < least:
        return
    row = int(copies[0])
    old, new = pair.id_of(int(first[at[row]])), str(pair.tonight.product_ids[row])
    refused = len(copies) > limits.max_removed * len(pair.last)
    limit = f", more than `max_removed={limits.max_removed:g}` allows" if refused else ""
    text = f"{len(copies)} new products are others under another id ({new!r} is {old!r}){limit}"
    yield Finding(refused, f"{text}: is the catalogue in it twice?")


def _digest_products(night: Night) -> Digests:
    """`(n,)`: what each product is, but for its id, dates, addresses and the like."""
    columns = [as_codes(night.text_keys), as_codes(night.image_keys)]
    columns += [np.nan_to_num(each).view(np.int64) for each in night.numbers.values()]
    columns += [as_codes(_plain(labels)) for labels in night.labels.values()]
    if night.read_column is not None:
        columns += [
            read_texts(name, night.read_column(name)).digests.astype(np.int64)
            for name, kind in night.types.items()
            if is_text(kind) and is_code_column(name) and name not in night.labels
        ]
    digests = np.zeros(len(night), np.uint64)
    for column in columns:
        digests = (digests ^ (digests >> np.uint64(29)) ^ column.astype(np.uint64)) * MIX
    return digests


def _plain(labels: pa.Array) -> pa.Array:
    return labels.dictionary_decode() if pa.types.is_dictionary(labels.type) else labels
