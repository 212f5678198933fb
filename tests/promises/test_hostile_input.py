"""Schemas, ids, texts and metadata from strangers: a clear refusal or every row accounted for."""

import datetime
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import draw
from tiny import embed_tiny, night, save_catalogue, save_query_encoders

from prodmatch.catalogue.reader import (
    CatalogueOptions,
    open_catalogue,
)
from prodmatch.catalogue.text import MOST_CHARACTERS, clean_text
from prodmatch.errors import CatalogueError, DamagedError, ProdmatchError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.answers.hits import hit_fields
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
from prodmatch.storage.atomic import read_json


@pytest.fixture
def tiny_store(tiny: Model, tmp_path: Path) -> Path:
    save_query_encoders(tmp_path / "store", tiny)
    return tmp_path / "store"


def bad_text(values: list[bytes], kind: pa.DataType) -> pa.Array:
    """Text whose bytes are not UTF-8, as a careless writer leaves them."""
    binary = pa.large_binary() if kind == pa.large_string() else pa.binary()
    buffers = pa.array(values, binary).buffers()
    return pa.Array.from_buffers(kind, len(values), buffers)


TWO = {"product_id": ["a", "b"], "title": ["red shirt", "blue mug"]}
FAR = pa.array([2**62, -(2**62)], pa.int64())

# Schemas that are refused before anything is read.
REFUSED: dict[str, dict[str, object]] = {
    **{
        f"ids of {kind}": {**TWO, "product_id": pa.nulls(2, kind)}
        for kind in (
            pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null(), pa.binary(),
            pa.large_binary(), pa.binary(4), pa.date32(), pa.date64(), pa.timestamp("us"),
            pa.time32("s"), pa.duration("s"), pa.decimal128(5, 2), pa.list_(pa.string()),
            pa.list_(pa.int64(), 2), pa.struct([("a", pa.string())]),
            pa.map_(pa.string(), pa.string()),
        )
    },
    **{
        f"titles of {kind}": {**TWO, "title": pa.nulls(2, kind)}
        for kind in (
            pa.float64(), pa.bool_(), pa.binary(), pa.date32(), pa.timestamp("s"),
            pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.decimal128(5, 2),
        )
    },
    **{
        f"pictures of {kind}": {**TWO, "image": pa.nulls(2, kind)}
        for kind in (
            pa.int64(), pa.float64(), pa.bool_(), pa.list_(pa.uint8()), pa.date32(),
            pa.struct([("url", pa.string())]),
        )
    },
    "no id": {"title": ["a"]},
    "id of another case": {"Product_ID": ["a"], "title": ["a"]},
    "no content": {"product_id": ["a"], "price": [1.0]},
    "nothing": {},
    "no rows": {"product_id": pa.array([], pa.string()), "title": pa.array([], pa.string())},
}  # fmt: skip

# Schemas that are read: every row is embedded, or rejected with a reason.
READ: dict[str, dict[str, object]] = {
    **{
        f"ids of {kind}": {**TWO, "product_id": pa.array([1, 2], kind)}
        for kind in (
            pa.int8(), pa.int16(), pa.int32(), pa.int64(),
            pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
        )
    },
    **{
        f"metadata of {column.type}": {**TWO, "extra": column}
        for column in (
            FAR.cast(pa.timestamp("us")), FAR.cast(pa.timestamp("ns")),
            pa.array([2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32()),
            pa.array([86_400_000 * 10**9, 0], pa.int64()).cast(pa.date64()),
            pa.array([0, 1], pa.int64()).cast(pa.timestamp("ns", "Europe/Berlin")),
            pa.array([0, 1], pa.int64()).cast(pa.timestamp("s", "Nowhere/City")),
            pa.array([-(2**62), 1], pa.int64()).cast(pa.timestamp("ms", "UTC")),
            pa.array([np.nan, np.inf]), pa.array([1.5, -0.0], pa.float16()),
            pa.array([1, None]).cast(pa.decimal128(38, 10)),
            pa.array([1, None]).cast(pa.decimal256(76, 5)),
            pa.array([2**64 - 1, 0], pa.uint64()), pa.array([b"\x00", None], pa.binary()),
            pa.nulls(2), pa.nulls(2, pa.list_(pa.string())), pa.nulls(2, pa.duration("s")),
            pa.nulls(2, pa.struct([("a", pa.int8())])),
            pa.nulls(2, pa.map_(pa.string(), pa.int8())),
            pa.array([1, 2], pa.int32()).dictionary_encode(), pa.array([True, None]),
            pa.array([1, 2], pa.int32()).cast(pa.time32("s")),
            bad_text([b"\xff", b"fine"], pa.string()),
            bad_text([b"\xff", b"fine"], pa.large_string()),
        )
    },
    "large ids that are not UTF-8": {
        **TWO, "product_id": bad_text([b"\xff", b"b"], pa.large_string()),
    },
    "large titles that are not UTF-8": {
        **TWO, "title": bad_text([b"a\xff", b"b"], pa.large_string()),
    },
    "ids that are not UTF-8": {**TWO, "product_id": bad_text([b"\xff", b"b"], pa.string())},
    "ids of numbers as text": {**TWO, "product_id": ["1", "01"]},
    "columns named for SQL": {
        **TWO, '"; DROP TABLE products; --': [1, 2], "select": [1, 2], "row": [1, 2],
        "rowid": [1, 2], "": [1, 2], "a\0b": [1, 2], "ROWID": [1, 2], "\u00e4": [1, 2],
        "\u00c4": [3, 4], "_rowid_": [1, 2],
        "é\u0301 \u202e": [1, 2], "'": [1, 2], "[": [1, 2], "words": [1, 2], "oid": [1, 2],
    },
    "a long name": {**TWO, "n" * 70_000: [1, 2]},
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_that_cannot_be_used_is_refused_at_once(
    name: str, tmp_path: Path, count_cases: Counting
) -> None:
    pq.write_table(pa.table(REFUSED[name]), tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match=r"c\.parquet: ") as error:
        open_catalogue(tmp_path / "c.parquet")
    assert len(str(error.value).splitlines()) == 1
    count_cases("schemas", 1)


@pytest.mark.parametrize("name", READ)
def test_an_odd_schema_loses_no_row(
    name: str, tiny: Model, tiny_store: Path, tmp_path: Path, count_cases: Counting
) -> None:
    pq.write_table(pa.table(READ[name]), tmp_path / "c.parquet")
    report = embed_tiny(tmp_path / "c.parquet", tiny, tiny_store)
    assert (report.rows, report.embedded + report.rejected) == (2, 2)
    assert report.rejects == ({"id_not_utf8": 1} if "ids that" in name else {})
    index_embeddings(tiny_store)
    hits = open_index(tiny_store).search("mug", top=5)
    assert len(hits) == report.embedded
    json.dumps([hit_fields(hit) for hit in hits], default=str)
    count_cases("schemas", 1)


def damaged_files(folder: Path) -> dict[str, bytes]:
    whole = save_catalogue(folder / "whole.parquet", 20).read_bytes()
    cuts = {f"cut at {cut}/40": whole[: len(whole) * cut // 40] for cut in range(40)}
    return {
        **cuts,
        "zeros": bytes(len(whole)),
        "magic alone": b"PAR1PAR1",
        "encrypted": b"PARE" + whole[4:-4] + b"PARE",
        "csv": b"product_id,title\n1,a\n",
        "huge footer": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
    }


def test_a_file_that_is_no_parquet_is_refused_at_once(
    tmp_path: Path, count_cases: Counting
) -> None:
    files = damaged_files(tmp_path)
    for name, content in files.items():
        (tmp_path / "c.parquet").write_bytes(content)
        with pytest.raises(CatalogueError, match=r"c\.parquet: is not a readable Parquet file"):
            pytest.fail(f"{name}: {open_catalogue(tmp_path / 'c.parquet')}")
    count_cases("schemas", len(files))


def test_ids_come_back_byte_for_byte(tiny: Model, tiny_store: Path, tmp_path: Path) -> None:
    ids = [
        "1", "01", " 1", "1 ", "a\0b", "\u202eabc", "e\u0301", "\u00e9", "\U0001f45f", "\u200b",
        "\ufeff1", "a/b",
        "../x", "'; --", '"', "\n", "x" * 5000, "null", "None", "NaN", "\t", "ß", "SS",
    ]  # fmt: skip
    kept = [product_id for product_id in ids if product_id.strip()]
    pq.write_table(
        pa.table({"product_id": ids, "title": ["mug"] * len(ids)}), tmp_path / "c.parquet"
    )
    report = night(tmp_path / "c.parquet", tiny, tiny_store)
    assert report.products == len(kept)
    index = open_index(tiny_store)
    found = [hit.product_id for hit in index.search("mug", top=100)]
    assert sorted(found) == sorted(kept)
    for product_id in kept:
        assert len(index.search_many([Query(product_id=product_id)], top=100)[0]) == len(kept) - 1


@settings(derandomize=True, deadline=None, max_examples=100, database=None)
@given(st.text(max_size=300))
def test_any_text_is_cleaned_the_same_twice(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(text) == cleaned
    assert "\0" not in cleaned
    assert cleaned == " ".join(cleaned.split())
    assert unicodedata.is_normalized("NFC", cleaned)


TEXTS = st.lists(st.text(max_size=60), min_size=25, max_size=25)


def test_any_text_is_embedded_or_rejected_by_rule(
    tiny: Model, tiny_store: Path, tmp_path: Path, count_cases: Counting
) -> None:
    @settings(
        derandomize=True, deadline=None, max_examples=20, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(TEXTS)
    def check(texts: list[str]) -> None:
        table = pa.table({"product_id": list(map(str, range(26))), "title": [*texts, "mug"]})
        pq.write_table(table, tmp_path / "c.parquet")
        report = embed_tiny(tmp_path / "c.parquet", tiny, tiny_store)
        blank = sum(not clean_text(text) for text in texts)
        assert report.embedded == 26 - blank
        assert report.rejects == ({"no_content": blank} if blank else {})

    check()
    count_cases("texts", 500)


def answer(ask: Callable[[], object]) -> object:
    """What a query gives, or the exit code of its refusal."""
    try:
        return ask()
    except ProdmatchError as error:
        return error.exit_code


def test_any_question_is_answered_or_refused_by_rule(
    tiny: Model, tiny_store: Path, tmp_path: Path, count_cases: Counting
) -> None:
    night(save_catalogue(tmp_path / "c.parquet", 12), tiny, tiny_store)
    index = open_index(tiny_store)
    asked: list[str] = []

    @settings(derandomize=True, deadline=None, max_examples=200, database=None)
    @given(st.text(alphabet=st.characters(), max_size=80))
    def check(text: str) -> None:
        asked.append(text)
        found = answer(lambda: index.search(text, top=3))
        assert found == 2 or (isinstance(found, list) and len(found) <= 3)

    check()
    for text in (
        "\udcff red",
        "mug " * 2_500_000,
        "a\0b",
        '"',
        "a OR b NEAR(",
        "*",
        "mug*",
        "-mug",
    ):
        check.hypothesis.inner_test(text)  # type: ignore[attr-defined]
    for product_id in ("\udcff", "\0", "", "x" * 10**6):
        with pytest.raises(ProdmatchError, match="no product of this id"):
            index.search_many([Query(product_id=product_id)])
    for where in ("\udcff = 1", "\0", "1; DROP TABLE products", "(" * 5000, "price = 1e999"):
        found = answer(lambda where=where: index.search("mug", where=where))  # type: ignore[misc]
        assert found == 2 or isinstance(found, list), where
    count_cases("texts", len(asked))


@settings(derandomize=True, deadline=None, max_examples=100, database=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps(text).encode()))
def test_any_bytes_for_a_manifest_are_an_object_or_damage(content: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        path.write_bytes(content)
        try:
            found: object = read_json(path)
        except DamagedError as error:
            found = str(error)
        assert isinstance(found, dict) or str(path) in str(found)


def test_a_text_of_megabytes_is_cut_before_the_tokenizer(
    tiny: Model, tiny_store: Path, tmp_path: Path
) -> None:
    table = pa.table({"product_id": ["a"], "title": ["mug " * 2_500_000]})
    pq.write_table(table, tmp_path / "c.parquet")
    (batch,) = open_catalogue(tmp_path / "c.parquet").batches()
    assert len(batch.texts[0]) == MOST_CHARACTERS
    assert embed_tiny(tmp_path / "c.parquet", tiny, tiny_store).embedded == 1


def test_more_columns_than_the_database_takes_are_left_out(tmp_path: Path) -> None:
    columns = {**TWO, **{f"c{number}": [1, 2] for number in range(2100)}}
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    mapping = open_catalogue(tmp_path / "c.parquet").mapping
    assert (len(mapping.metadata), len(mapping.left_out)) == (1000, 1101)


def test_a_dictionary_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    titles = pa.DictionaryArray.from_arrays(
        pa.array([0, 1]), bad_text([b"a\xff", b"b"], pa.string())
    )
    pq.write_table(pa.table({**TWO, "title": titles}), tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match=r"c\.parquet: is damaged .*UTF8"):
        list(open_catalogue(tmp_path / "c.parquet").batches())


def test_a_date_keeps_its_value(tiny: Model, tiny_store: Path, tmp_path: Path) -> None:
    table = pa.table({**TWO, "day": [datetime.date(2026, 1, 2), None]})
    pq.write_table(table, tmp_path / "c.parquet")
    night(tmp_path / "c.parquet", tiny, tiny_store)
    hits = open_index(tiny_store).search("red shirt", where="day < '2026-02-01'")
    assert [hit.metadata["day"] for hit in hits] == ["2026-01-02"]


def test_catalogue_and_pictures_are_left_as_they_were(
    tiny: Model, tiny_store: Path, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    (root / "a.png").write_bytes(draw((200, 0, 0), 0))
    pq.write_table(pa.table({**TWO, "image": ["a.png", "none.png"]}), tmp_path / "c.parquet")

    def state() -> list[tuple[str, int, bytes]]:
        paths = [tmp_path / "c.parquet", *sorted(root.iterdir())]
        return [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in paths]

    before = state()
    opened = open_catalogue(tmp_path / "c.parquet", CatalogueOptions(image_root=root))
    report = embed_tiny(opened, tiny, tiny_store)
    assert report.images_unusable == {"image_missing": 1}
    assert state() == before
