"""Counts are of rows that were read: a footer that claims others is refused."""

import os
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.errors import CatalogueError

ROWS = 300


def varint(number: int) -> bytes:
    """A field of 64 bits as Thrift writes it: its header, then zigzag, seven bits a byte."""
    number, out = 2 * number, bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return b"\x16" + bytes(out) + bytes([number])


def save(path: Path) -> bytes:
    ids = [f"p{row}" for row in range(ROWS)]
    table = pa.table({"product_id": ids, "title": ids})
    pq.write_table(table, path, row_group_size=ROWS, compression="none", store_schema=False)
    return path.read_bytes()


def split(content: bytes) -> tuple[bytes, bytes]:
    (size,) = struct.unpack("<I", content[-8:-4])
    return content[: -8 - size], content[-8 - size : -8]


def join(body: bytes, footer: bytes) -> bytes:
    return body + footer + struct.pack("<I", len(footer)) + b"PAR1"


def read(path: Path) -> tuple[int, int]:
    """What the footer claims and what is read."""
    catalogue = open_catalogue(path)
    read = sum(len(batch.rows) + len(batch.rejects) for batch in catalogue.batches())
    return catalogue.row_count, read


@pytest.mark.parametrize("claimed", [1, ROWS - 1, ROWS + 1, 2 * ROWS, 2**31, 2**62])
def test_a_footer_that_claims_other_rows_is_refused(
    claimed: int, tmp_path: Path, count_cases: Counting
) -> None:
    path = tmp_path / "c.parquet"
    body, footer = split(save(path))
    positions = [
        position for position in range(len(footer)) if footer.startswith(varint(ROWS), position)
    ]
    file, group = positions[0], positions[-1]
    both = [[file, group], positions] if claimed > ROWS else []
    for changed in ([file], [group], *both):
        parts, start = [], 0
        for position in changed:
            parts += [footer[start:position], varint(claimed)]
            start = position + len(varint(ROWS))
        path.write_bytes(join(body, b"".join([*parts, footer[start:]])))
        with pytest.raises(CatalogueError, match=r"c\.parquet: is damaged"):
            read(path)
        count_cases("footers", 1)


def test_no_flipped_bit_of_a_footer_changes_counts_in_silence(
    tmp_path: Path, count_cases: Counting
) -> None:
    path = tmp_path / "c.parquet"
    body, footer = split(save(path))
    tried = range(0, 8 * len(footer), 3)
    for bit in tried:
        changed = bytearray(footer)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(join(body, bytes(changed)))
        try:
            claimed, found = read(path)
        except CatalogueError:
            continue
        assert claimed == found == ROWS, bit
    count_cases("footers", len(tried))


def test_a_file_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    save(path)
    catalogue = open_catalogue(path)
    for other in (
        pa.table({"product_id": ["a"], "title": ["b"]}),
        pa.table({"product_id": ["a"] * ROWS, "Title": ["b"] * ROWS}),
    ):
        pq.write_table(other, path)
        with pytest.raises(CatalogueError, match=r"c\.parquet: was replaced"):
            list(catalogue.batches())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "but an HTML page"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "but compressed with gzip"),
        (b"PAR1 and no more", "cut off or damaged: write it again"),
        (b"", "as it is empty"),
        (b"product_id,title", "go in through `convert\\(source, target\\)`"),
    ],
)
def test_what_is_no_parquet_is_named_as_what_it_is(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "c.parquet").write_bytes(content)
    with pytest.raises(CatalogueError, match=message):
        open_catalogue(tmp_path / "c.parquet")


def test_a_file_whose_name_no_library_can_be_given_is_to_be_renamed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": ["a"]}), tmp_path / "c.parquet")
    (tmp_path / "c.parquet").rename(tmp_path / os.fsdecode(b"caf\xe9.parquet"))
    with pytest.raises(CatalogueError, match=r"has a name that is not in UTF-8\. Rename it\."):
        open_catalogue(tmp_path)
