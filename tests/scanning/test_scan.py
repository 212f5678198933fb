"""What a pass over a catalogue keeps: the same from the files as from the rows of another night."""

import os
import random
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import draw
from tiny import save_catalogue

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.catalogue.text import MOST_CHARACTERS, clean_text, join_texts
from prodmatch.embedding.plan import scan_catalogue
from prodmatch.scanning.cache import ScanCache
from prodmatch.scanning.row_digests import digest_rows, find_repeated
from prodmatch.scanning.scan import Scan, read_rows


@pytest.fixture
def cache(tmp_path: Path) -> ScanCache:
    """To which files count as written long before they are read."""
    return ScanCache(tmp_path / "scans", settled_seconds=-1e9)


def scan(catalogue: Catalogue, scratch: Path, cache: ScanCache | None = None) -> Scan:
    scratch.mkdir(exist_ok=True)
    for path in scratch.iterdir():
        path.unlink()
    return scan_catalogue(catalogue, scratch, cache)


def facts(found: Scan) -> dict[str, object]:
    """Everything that a scan tells, but for where its rows lie."""
    arrays = {
        name: getattr(found, name).to_pylist()
        for name in ("product_ids", "text_keys", "image_keys", "row_digests")
    }
    lists = {
        name: getattr(found, name)
        for name in ("rejects", "image_rejects", "listed_rejects", "text_warnings")
    }
    others = found.others
    listed = [others.indices.tolist(), others.numbers.tolist(), others.keys.to_pylist()]
    rows = [row for batch in read_rows(found) for row in batch.to_pylist()]
    return {**arrays, **lists, "others": listed, "rows": found.rows.tolist(), "content": rows}


def save_faulty(path: Path, first: int) -> None:
    """Rows of every kind: no id, no content, ids of other rows and files, lists of pictures."""
    pictures = [draw((row, 0, 0), row) for row in range(first, first + 4)]
    rows = [
        {"product_id": f"p{first}", "title": "Café Ã©", "image": pictures[:3]},
        {"product_id": None, "title": "a", "image": None},
        {"product_id": f"p{first}", "title": "twice", "image": pictures[:1]},
        {"product_id": "everywhere", "title": "<b>red</b> mug", "image": [pictures[0]] * 2},
        {"product_id": f"empty{first}", "title": " ", "image": []},
        {"product_id": "empty", "title": None, "image": None},
        {"product_id": f"q{first}", "title": "blue", "image": [b"https://x.example/a.jpg"]},
        {"product_id": f"r{first}", "title": "green", "image": [b"www.x.example", *pictures[2:]]},
    ]
    schema = pa.schema(
        [("product_id", pa.string()), ("title", pa.string()), ("image", pa.list_(pa.binary()))]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=3)


def test_rows_kept_from_another_night_tell_all_that_the_files_do(
    tmp_path: Path, cache: ScanCache
) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for number, name in enumerate("abc"):
        save_faulty(folder / f"{name}.parquet", 4 * number)
    catalogue = open_catalogue(folder)
    plain = facts(scan(catalogue, tmp_path / "scratch"))
    assert facts(scan(catalogue, tmp_path / "scratch", cache)) == plain
    (folder / "b.parquet").unlink()
    save_faulty(folder / "b.parquet", 40)  # one file of three is another
    catalogue = open_catalogue(folder)
    scanned = scan(catalogue, tmp_path / "scratch", cache)
    assert [file.path.parent == cache.folder for file in scanned.files] == [True, False, True]
    again = facts(scanned)
    assert again == facts(scan(catalogue, tmp_path / "scratch")) != plain
    assert len(list(cache.folder.iterdir())) == 3  # the old one is gone


def test_ids_that_earlier_rows_and_files_have_are_rejected_as_one_pass_would(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for number, name in enumerate("abc"):
        save_faulty(folder / f"{name}.parquet", 4 * number)
    catalogue = open_catalogue(folder)
    batches = list(catalogue.batches())
    found = scan(catalogue, tmp_path / "scratch")
    assert list(found.rejects) == [reject for batch in batches for reject in batch.rejects]
    assert found.product_ids.to_pylist() == [name for each in batches for name in each.product_ids]
    assert found.rows.tolist() == [row for each in batches for row in each.rows.tolist()]
    assert sum(reject.reason == "id_repeated" for reject in found.rejects) == 3 + 2 + 2


def rewritten(path: Path) -> None:
    save_catalogue(path, 9, first=1)


def touched(path: Path) -> None:
    os.utime(path)


def rewritten_under_the_same_times(path: Path) -> None:
    state = path.stat()
    content = bytearray(path.read_bytes())
    position = content.find(b"number 3")
    content[position : position + 8] = b"number 8"
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def other_columns(path: Path) -> CatalogueOptions:
    return CatalogueOptions(text_columns=("description",))


def column_left_out(path: Path) -> CatalogueOptions:
    return CatalogueOptions(leave_out=("price",))


@pytest.mark.parametrize(
    "change",
    [rewritten, touched, rewritten_under_the_same_times, other_columns, column_left_out],
)
def test_a_file_that_may_have_changed_is_read(
    change: Callable[[Path], CatalogueOptions | None], tmp_path: Path, cache: ScanCache
) -> None:
    path = save_catalogue(tmp_path / "c.parquet", 9)
    pq.write_table(pq.read_table(path), path, compression="none", use_dictionary=False)
    scan(open_catalogue(path), tmp_path / "scratch", cache)
    (kept,) = cache.folder.iterdir()
    catalogue = open_catalogue(path, change(path))
    key = cache.key(catalogue, 0)
    assert key is not None
    assert cache.find(key) is None
    again = facts(scan(catalogue, tmp_path / "scratch", cache))
    assert again == facts(scan(catalogue, tmp_path / "scratch"))
    assert kept not in cache.folder.iterdir()


def test_a_file_that_was_written_just_now_is_read_again(tmp_path: Path) -> None:
    cache = ScanCache(tmp_path / "scans")
    catalogue = open_catalogue(save_catalogue(tmp_path / "c.parquet", 3))
    assert cache.key(catalogue, 0) is None
    scan(catalogue, tmp_path / "scratch", cache)
    assert not cache.folder.exists()


def test_pictures_in_files_of_their_own_are_looked_for_every_night(
    tmp_path: Path, cache: ScanCache
) -> None:
    (tmp_path / "a.png").write_bytes(draw((1, 2, 3), 0))
    pq.write_table(
        pa.table({"product_id": ["a"], "title": ["mug"], "image": ["a.png"]}),
        tmp_path / "c.parquet",
    )
    catalogue = open_catalogue(tmp_path / "c.parquet", CatalogueOptions(image_root=tmp_path))
    scan(catalogue, tmp_path / "scratch", cache)
    (tmp_path / "a.png").unlink()
    found = scan(catalogue, tmp_path / "scratch", cache)
    assert [reject.reason for reject in found.image_rejects] == ["image_missing"]


@pytest.mark.parametrize("damage", [slice(300, 301), slice(0, 200)])
def test_damaged_rows_of_another_night_are_not_used(
    damage: slice, tmp_path: Path, cache: ScanCache
) -> None:
    catalogue = open_catalogue(save_catalogue(tmp_path / "c.parquet", 9))
    plain = facts(scan(catalogue, tmp_path / "scratch", cache))
    (kept,) = cache.folder.iterdir()
    content = bytearray(kept.read_bytes())
    content[damage] = bytes(byte ^ 1 for byte in content[damage])
    kept.write_bytes(content)
    assert facts(scan(catalogue, tmp_path / "scratch", cache)) == plain
    assert facts(scan(catalogue, tmp_path / "scratch", cache)) == plain


def test_ids_are_repeated_where_a_set_says_so() -> None:
    rng = random.Random(0)
    for size in (0, 1, 17, 500):
        ids = [f"{rng.choice('abé')}{rng.randrange(size * 2)}" for _ in range(size)]
        rows = rng.sample(range(10 * size), size)
        expected, earlier = set(), set()
        for index in sorted(range(size), key=rows.__getitem__):
            expected |= {index} if ids[index] in earlier else set()
            earlier.add(ids[index])
        found = find_repeated(pa.array(ids, pa.string()), np.array(rows, np.int64))
        assert set(found.tolist()) == expected


ODD = ["", " ", "a", "a b", " a", "a  b", "a\tb", "A&amp;B", "<b>x</b>", "a < b", "café", "e\u0301",
       "\u200b", "x\x00y", "~!", "a\n", "w" * 30_000, "mug, red; 3.5\" (new)", None]  # fmt: skip


def test_texts_are_cleaned_alike_one_by_one_and_by_the_column() -> None:
    assert join_texts([pa.array(ODD)], len(ODD)) == [clean_text(t)[:MOST_CHARACTERS] for t in ODD]
    pairs = [(one, other) for one in ODD for other in ODD]
    columns = [pa.array([pair[side] for pair in pairs]) for side in (0, 1)]
    expected = [
        ". ".join(part for part in map(clean_text, pair) if part)[:MOST_CHARACTERS]
        for pair in pairs
    ]
    assert join_texts(columns, len(pairs)) == expected
    assert join_texts([], 2) == ["", ""]


ROWS: list[dict[str, object]] = [
    {"a": "x", "b": "y"}, {"a": "xy", "b": ""}, {"a": "", "b": "xy"}, {"a": None, "b": "xy"},
    {"a": "-", "b": "xy"}, {"a": "x", "b": None}, {"a": "1,1;x", "b": "y"}, {"a": "x", "c": "y"},
    {"a": 1}, {"a": "1"}, {"a": 1.0}, {"a": 0.0}, {"a": -0.0}, {"a": float("nan")}, {"a": None},
    {"a": 0.1}, {"a": 0.1 + 2**-56}, {"a": True}, {"a": "true"}, {"a": Decimal("1.10")},
    {"a": Decimal("1.1")}, {},
]  # fmt: skip


def test_rows_have_one_digest_where_they_are_the_same_and_only_there() -> None:
    digests = []
    for row in ROWS:
        record = pa.RecordBatch.from_pylist([row]) if row else pa.RecordBatch.from_pylist([])
        for name, key, pictures in (
            ("p", b"k" * 16, b""),
            ("p", None, b"k" * 16),
            ("q", None, b""),
        ):
            digests += digest_rows([name], record, [key], [pictures])
    assert len(set(digests)) == 3 * len(ROWS)
    two = pa.RecordBatch.from_pylist([{"a": "x"}, {"a": "y"}])
    together = digest_rows(["p", "q"], two, [None, None], [b"", b""])
    apart = [
        digest_rows([name], two.slice(row, 1), [None], [b""])[0] for row, name in enumerate("pq")
    ]
    assert together == apart


def test_a_scan_has_no_field_that_these_tests_leave_out() -> None:
    told = {"files", "rows", "product_ids", "text_keys", "image_keys", "row_digests", "rejects",
            "image_rejects", "listed_rejects", "others", "text_warnings"}  # fmt: skip
    assert {part.name for part in fields(Scan)} == told
