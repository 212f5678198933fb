"""Tonight's catalogue against the products embedded last."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.embedding.plan import one_chunk
from prodmatch.storage.embeddings import Embeddings
from prodmatch.storage.features import KEY


@dataclass(frozen=True)
class Changes:
    """How a catalogue differs from the one embedded before."""

    added: int
    changed: int
    removed: int


def compare_rows(
    product_ids: pa.StringArray, row_digests: pa.FixedSizeBinaryArray, before: Embeddings | None
) -> Changes:
    """Products added, changed in any column, and removed since the set `before`."""
    if before is None:
        return Changes(len(product_ids), 0, 0)
    schema = pa.schema([("product_id", pa.string()), ("row_digest", KEY)])
    table = pa.Table.from_batches(before.batches(schema.names), schema)
    old_ids, old_digests = one_chunk(table["product_id"]), one_chunk(table["row_digest"])
    indices = pc.index_in(product_ids, value_set=old_ids)
    changed = pc.not_equal(row_digests, old_digests.take(indices))  # null where the id is new
    kept = len(product_ids) - indices.null_count
    return Changes(
        added=indices.null_count,
        changed=int(pc.sum(changed).as_py() or 0),
        removed=len(old_ids) - kept,
    )
