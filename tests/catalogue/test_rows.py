"""Rows that are taken as they are, and those that are looked at one by one."""

import base64
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from small import draw

from prodmatch.catalogue.reader import open_catalogue

RED = draw((200, 0, 0), 0)
WRITTEN = b"data:image/png;base64," + base64.b64encode(RED)
ROWS = (  # id, title, picture; what becomes of it
    ("1", "a shirt", RED, RED),
    ("2", "a shirt", None, None),
    ("3", "a shirt", WRITTEN, RED),
    ("4", "a shirt", b"", None),
    ("5", "", RED, RED),
    ("6", None, None, "no_content"),
    ("7", " ", b"", "no_content"),
    (None, "a shirt", RED, "id_null"),
    ("", "a shirt", RED, "id_empty"),
    (" \t", "a shirt", RED, "id_empty"),
    ("8\ufffd", "a shirt", RED, "id_not_utf8"),
    ("9", "the last", RED, RED),
)


def test_odd_rows_among_others_are_read_with_and_without_earlier_ids(tmp_path: Path) -> None:
    ids, titles, pictures, _ = zip(*ROWS, strict=True)
    cells = {
        "product_id": pa.array(ids, pa.string()),
        "title": pa.array(titles, pa.string()),
        "image": pa.array(pictures, pa.binary()),
    }
    pq.write_table(pa.table(cells), tmp_path / "c.parquet")
    catalogue = open_catalogue(tmp_path / "c.parquet")
    kept = [(row, each) for row, each in enumerate(ROWS) if not isinstance(each[3], str)]
    rejects = [(row, each[3]) for row, each in enumerate(ROWS) if isinstance(each[3], str)]
    for (batch,) in (catalogue.batches(), catalogue.part_batches(0)):
        assert batch.rows.tolist() == [row for row, _ in kept]
        assert batch.product_ids == [each[0] for _, each in kept]
        assert batch.texts == [each[1] or "" for _, each in kept]
        assert batch.images == [each[3] for _, each in kept]
        assert batch.image_rejects == [None] * len(kept)
        assert [(each.row, each.reason) for each in batch.rejects] == rejects
