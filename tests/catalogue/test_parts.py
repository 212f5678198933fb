"""Files of one catalogue are united as any reader would; what cannot be is refused by name."""

import datetime
import re
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import draw

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.errors import CatalogueError

RED = draw((200, 0, 0), 0)
BLUE = draw((0, 0, 200), 1)
UTC = datetime.UTC
NOON = datetime.datetime(2026, 1, 2, 12)
DAY = NOON.date()
Columns = dict[str, object]


def save(folder: Path, *parts: Columns | pa.Table) -> None:
    for number, part in enumerate(parts):
        if isinstance(part, dict):
            part = pa.table({"product_id": [f"p{number}"], "title": ["mug"], **part})
        pq.write_table(part, folder / f"{number}.parquet")


def read(catalogue: Catalogue) -> list[dict[str, object]]:
    rows = []
    for batch in catalogue.batches():
        assert not batch.rejects
        pairs = zip(batch.product_ids, batch.metadata.to_pylist(), strict=True)
        rows += [{"product_id": product_id, **row} for product_id, row in pairs]
    return rows


def decimals(*texts: str, digits: int, scale: int) -> pa.Array:
    return pa.array(list(map(Decimal, texts)), pa.decimal128(digits, scale))


def times(unit: str, zone: str | None = None) -> pa.Array:
    return pa.array([NOON], pa.timestamp(unit, zone))


MOST = 2**64 - 1
LIST = pa.list_(pa.field("element", pa.string()))  # as Parquet calls it
VIEW = pa.array(["x"], pa.string_view())
# The same column in two files, and the values that come out.
UNITED: dict[str, tuple[pa.Array, pa.Array, list[object]]] = {
    "int32, int64": (pa.array([1], pa.int32()), pa.array([2**40]), [1, 2**40]),
    "int64, int8": (pa.array([2**40]), pa.array([-1], pa.int8()), [2**40, -1]),
    "int64, double": (pa.array([3]), pa.array([1.5]), [3.0, 1.5]),
    "double, int32": (pa.array([1.5]), pa.array([3], pa.int32()), [1.5, 3.0]),
    "float, double": (pa.array([19.99], pa.float32()), pa.array([0.1]), [19.99, 0.1]),
    "half, float": (pa.array([np.float16(0.1)]), pa.array([0.1], pa.float32()), [0.1, 0.1]),
    "uint8, int8": (pa.array([255], pa.uint8()), pa.array([-1], pa.int8()), [255, -1]),
    "uint32, int32": (
        pa.array([2**32 - 1], pa.uint32()), pa.array([-1], pa.int32()), [2**32 - 1, -1]
    ),
    "uint16, uint64": (
        pa.array([1], pa.uint16()), pa.array([MOST], pa.uint64()), [1, MOST]
    ),
    "uint64, int64": (
        pa.array([MOST], pa.uint64()), pa.array([-1]), [Decimal(MOST), Decimal(-1)]
    ),
    "seconds, nanoseconds": (times("s"), times("ns"), [NOON, NOON]),
    "ms, us": (times("ms"), times("us"), [NOON, NOON]),
    "two zones": (
        times("us", "UTC"), times("ms", "Europe/Berlin"),
        [NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC)],
    ),
    "date, time": (pa.array([NOON.date()]), times("ns"), [NOON.replace(hour=0), NOON]),
    "date32, date64": (pa.array([DAY]), pa.array([DAY], pa.date64()), [DAY, DAY]),
    "decimals of two scales": (
        decimals("1.5", digits=5, scale=1), decimals("19.99", digits=12, scale=2),
        [Decimal("1.50"), Decimal("19.99")],
    ),
    "decimals of all digits": (
        decimals("1.5", digits=38, scale=18), decimals("1" * 38, digits=38, scale=0),
        [Decimal("1.5"), Decimal("1" * 38)],
    ),
    "decimal, int": (
        decimals("19.99", digits=5, scale=2), pa.array([7]), [Decimal("19.99"), Decimal(7)]
    ),
    "decimal, double": (decimals("19.99", digits=38, scale=18), pa.array([0.5]), [19.99, 0.5]),
    "string, large string": (pa.array(["x"]), pa.array(["y"], pa.large_string()), ["x", "y"]),
    "string view, string": (VIEW, pa.array(["y"]), ["x", "y"]),
    "string, dictionary": (pa.array(["x"]), pa.array(["y"]).dictionary_encode(), ["x", "y"]),
    "dictionaries": (
        pa.array(["x"]).dictionary_encode(),
        pa.array(["y"]).cast(pa.dictionary(pa.int8(), pa.large_string())), ["x", "y"],
    ),
    "null, string": (pa.nulls(1), pa.array(["y"]), [None, "y"]),
    "double, null": (pa.array([0.5]), pa.nulls(1), [0.5, None]),
    "boolean, null": (pa.array([True]), pa.nulls(1), [True, None]),
    "null, null": (pa.nulls(1), pa.nulls(1), [None, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNITED)
def test_a_column_of_two_types_becomes_one_that_holds_both(
    name: str, tmp_path: Path, count_cases: Counting
) -> None:
    one, other, expected = UNITED[name]
    save(tmp_path, {"extra": one}, {"extra": other})
    catalogue = open_catalogue(tmp_path)
    found = [row["extra"] for row in read(catalogue)]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]
    save(tmp_path, {"extra": other}, {"extra": one})  # in the other order
    assert [row["extra"] for row in read(open_catalogue(tmp_path))] == expected[::-1]
    assert open_catalogue(tmp_path).schema == catalogue.schema
    count_cases("parts united", 2)


APART: dict[str, tuple[pa.Array, pa.Array]] = {
    "text and number": (pa.array([1.5]), pa.array(["1,5"])),
    "integer and text": (pa.array([1]), pa.array(["01"])),
    "boolean and number": (pa.array([True]), pa.array([1])),
    "boolean and text": (pa.array([True]), pa.array(["yes"])),
    "date and text": (pa.array([NOON.date()]), pa.array(["2026-01-02"])),
    "time with and without a zone": (times("us"), times("us", "UTC")),
    "date and time with a zone": (pa.array([NOON.date()]), times("us", "UTC")),
    "a list and a text": (pa.array([["a"]], LIST), pa.array(["a"])),
    "more digits than decimals have": (
        pa.array([Decimal("1")], pa.decimal256(76, 0)),
        pa.array([Decimal("1")], pa.decimal256(76, 9)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_what_cannot_be_united_is_refused_by_name(
    name: str, tmp_path: Path, count_cases: Counting
) -> None:
    for one, other in (APART[name], APART[name][::-1]):
        save(tmp_path, {"extra": one}, {"extra": one}, {"extra": other})
        with pytest.raises(CatalogueError) as error:
            open_catalogue(tmp_path)
        for word in ("0.parquet", "2.parquet", "'extra'", str(one.type), str(other.type)):
            assert word in str(error.value)
        count_cases("parts refused", 1)


def ids(*parts: pa.Array) -> list[pa.Table]:
    return [pa.table({"product_id": part, "title": ["mug"] * len(part)}) for part in parts]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (ids(pa.array([1], pa.int32()), pa.array([2**40])), ["1", str(2**40)]),
        (ids(pa.array([2**64 - 1], pa.uint64()), pa.array([-1])), [str(2**64 - 1), "-1"]),
        (ids(pa.array([2**60 + 1]), pa.array([7.0])), [str(2**60 + 1), "7"]),
        (ids(pa.array([7.0, 8.0]), pa.array([2**53 + 1])), ["7", "8", str(2**53 + 1)]),
        (ids(pa.array([5]), decimals("6", digits=38, scale=0)), ["5", "6"]),
        (ids(pa.array(["07"]), VIEW, pa.array(["a"]).dictionary_encode()), ["07", "x", "a"]),
        (ids(pa.array([UUID(int=5).bytes], pa.uuid())), [str(UUID(int=5))]),
        (ids(pa.array([UUID(int=5).bytes], pa.binary(16))), [str(UUID(int=5))]),
    ],
)
def test_ids_of_several_types_stay_exact(
    parts: list[pa.Table], expected: list[str], tmp_path: Path, count_cases: Counting
) -> None:
    save(tmp_path, *parts)
    assert [row["product_id"] for row in read(open_catalogue(tmp_path))] == expected
    count_cases("parts united", 1)


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (ids(pa.array([1]), pa.array(["1"])), "of type string, but of type int64"),
        (ids(pa.array([1]), pa.array([1.5])), "holds the product id 1.5 of type double"),
        (ids(pa.array([1]), pa.array([2.0**53])), "holds the product id 9007199254740992.0"),
        (ids(pa.array([1]), pa.array([2.0**24], pa.float32())), "holds the product id 16777216.0"),
        (ids(pa.array([1.0]), pa.array([2.0])), "is of type double"),
        ([*ids(pa.array([1])), pa.table({"title": ["mug"]})], r"1\.parquet: column 'product_id'"),
    ],
)
def test_ids_are_not_merged_in_silence(parts: list[pa.Table], found: str, tmp_path: Path) -> None:
    save(tmp_path, *parts)
    with pytest.raises(CatalogueError, match=found):
        read(open_catalogue(tmp_path))


def test_a_missing_id_among_doubles_is_a_reject(tmp_path: Path) -> None:
    save(tmp_path, *ids(pa.array([1]), pa.array([2.0, None, float("nan")])))
    batches = list(open_catalogue(tmp_path).batches())
    assert [reject.reason for batch in batches for reject in batch.rejects] == ["id_null"] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([2**53 + 1]), pa.array([0.5])),
        (decimals("12345678901234567.89", digits=38, scale=2), pa.array([0.5])),
    ],
)
def test_a_value_that_the_united_type_would_change_is_refused(
    one: pa.Array, other: pa.Array, tmp_path: Path
) -> None:
    save(tmp_path, {"extra": one}, {"extra": other})
    with pytest.raises(
        CatalogueError, match=rf"0\.parquet: column 'extra' .* {re.escape(str(one.type))}"
    ):
        read(open_catalogue(tmp_path))


def test_an_absent_column_is_null(tmp_path: Path, count_cases: Counting) -> None:
    save(tmp_path, {"price": [1.5]}, {"colour": ["red"]}, {})
    catalogue = open_catalogue(tmp_path)
    assert catalogue.schema.names == ["title", "price", "colour"]
    assert [(row["price"], row["colour"]) for row in read(catalogue)] == [
        (1.5, None), (None, "red"), (None, None)
    ]  # fmt: skip
    assert catalogue.warnings == ()
    count_cases("parts united", 1)


def test_an_absent_text_or_picture_column_is_named(tmp_path: Path) -> None:
    save(tmp_path, {"image": [RED]}, pa.table({"product_id": ["b"], "Title": ["x"]}))
    catalogue = open_catalogue(tmp_path)
    (batch, other) = catalogue.batches()
    assert batch.images == [RED]
    assert [reject.reason for reject in other.rejects] == ["no_content"]
    title, image = catalogue.warnings
    assert "1.parquet: has no column 'title', but 'Title': 1 rows" in title
    assert "1.parquet: has no column 'image': 1 rows" in image


def test_order_marks_and_notes_make_no_difference(tmp_path: Path, count_cases: Counting) -> None:
    plain = pa.table({"product_id": ["a"], "title": ["x"], "price": [1.5]})
    marked = pa.schema([pa.field("price", pa.float64(), nullable=False), ("title", pa.string()),
                        pa.field("product_id", pa.string(), nullable=False)])  # fmt: skip
    other = pa.table({"price": [2.5], "title": ["y"], "product_id": ["b"]}, schema=marked)
    third = plain.set_column(0, "product_id", pa.array(["c"]))
    noted = third.replace_schema_metadata({"pandas": "{}"})
    save(tmp_path, plain, other, noted)
    assert read(open_catalogue(tmp_path)) == [
        {"product_id": "a", "title": "x", "price": 1.5},
        {"product_id": "b", "title": "y", "price": 2.5},
        {"product_id": "c", "title": "x", "price": 1.5},
    ]
    count_cases("parts united", 2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_value_that_is_not_kept_exactly_is_refused_naming_both_files(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    tables: list[dict[str, object]] = [{"stock": [2**53 + 1]}, {"stock": [1.5]}]
    save(tmp_path, *(tables[at] for at in order))
    whole, other = (f"{order.index(at)}.parquet" for at in (0, 1))
    with pytest.raises(CatalogueError) as caught:
        read(open_catalogue(tmp_path))
    assert f"{whole}: column 'stock' is of type int64 and becomes double" in str(caught.value)
    assert "as it is double in " in str(caught.value)
    assert f"{other}, but Integer value 9007199254740993 not in range" in str(caught.value)


def test_columns_that_are_not_used_may_differ(tmp_path: Path, count_cases: Counting) -> None:
    save(tmp_path, {"tags": [["a"]], "score": [1]}, {"tags": [{"a": 1}], "score": ["x"]}, {})
    catalogue = open_catalogue(tmp_path)
    assert list(catalogue.mapping.left_out) == ["tags", "score"]
    assert len(read(catalogue)) == 3
    count_cases("parts united", 2)


def test_pictures_of_every_kind_in_one_catalogue(tmp_path: Path, count_cases: Counting) -> None:
    (tmp_path / "blue.png").write_bytes(BLUE)
    one = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    other = pa.struct(
        [("path", pa.large_string()), ("size", pa.int8()), ("bytes", pa.large_binary())]
    )
    kinds = [
        pa.array([{"bytes": RED, "path": None}], one),
        pa.array([{"path": "x", "size": 1, "bytes": RED}], other),
        pa.array([RED], pa.large_binary()),
        pa.array([RED], pa.binary_view()),
        pa.array(["blue.png"]),
        pa.nulls(1),
    ]
    (tmp_path / "c").mkdir()
    save(tmp_path / "c", *({"image": kind} for kind in kinds), {})
    catalogue = open_catalogue(tmp_path / "c", CatalogueOptions(image_root=tmp_path))
    images = [image for batch in catalogue.batches() for image in batch.images]
    assert images == [RED, RED, RED, RED, BLUE, None, None]
    assert dict(catalogue.pictures(np.array([1, 4, 6]))) == {1: RED, 4: BLUE, 6: None}
    assert catalogue.find_all_pictures(["p4", "p6", "p0"]) == {"p0": [RED], "p4": [BLUE]}
    count_cases("parts united", len(kinds))


def test_an_integer_column_may_be_a_text(tmp_path: Path) -> None:
    save(tmp_path, {"model": pa.array([747])}, {"model": pa.array([8], pa.int8())}, {})
    options = CatalogueOptions(text_columns=("title", "model"))
    texts = [text for batch in open_catalogue(tmp_path, options).batches() for text in batch.texts]
    assert texts == ["mug. 747", "mug. 8", "mug"]


@pytest.mark.parametrize("other", ["Brand", "BRAND", " brand", "brand ", "bRand"])
def test_a_column_under_two_names_is_named(other: str, tmp_path: Path) -> None:
    save(tmp_path, {"brand": ["a"]}, {other: ["b"]}, {other: ["c"]}, {"brand": ["d"]})
    (warning,) = [text for text in open_catalogue(tmp_path).warnings if "read as two" in text]
    assert f"1.parquet: has a column {other!r}, and " in warning
    assert "0.parquet 'brand'" in warning


def test_two_columns_of_one_file_are_two(tmp_path: Path) -> None:
    both: Columns = {"size": ["a"], "Size ": ["b"]}
    save(tmp_path, both, both, {"size": ["c"]})
    assert not [text for text in open_catalogue(tmp_path).warnings if "read as two" in text]


@pytest.mark.parametrize("name", [" title", "Title ", "TITLE"])
def test_a_text_column_under_another_name_is_hinted_at(name: str, tmp_path: Path) -> None:
    other = pa.table({"product_id": ["p1"], name: ["mug"]})
    save(tmp_path, {}, other)
    warnings = open_catalogue(tmp_path).warnings
    assert [text for text in warnings if f"has no column 'title', but {name!r}" in text] != []
    assert not [text for text in warnings if "read as two" in text]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"ARROW1\0\0x", "an Arrow file. Write it as plain Parquet"),
        (b"ORC\x11", "an ORC file"),
        (b"PARE\0\0\0\0PARE", "an encrypted Parquet file"),
        (b"Obj\x01x", "an Avro file"),
        (b"SQLite format 3\0", "an SQLite file"),
        (b"PK\x03\x04x", "a ZIP archive. Unpack it"),
    ],
)
def test_a_table_of_another_program_is_named(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "c.parquet").write_bytes(content)
    with pytest.raises(CatalogueError, match=f"is not a readable Parquet file, but {kind}"):
        open_catalogue(tmp_path)


def test_an_iceberg_table_and_hidden_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "_tmp").mkdir()
    save(tmp_path / "_tmp", {})
    with pytest.raises(CatalogueError, match="but for names that begin with"):
        open_catalogue(tmp_path)
    save(tmp_path, {})
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "v1.metadata.json").write_text("{}")
    assert any("is an Iceberg table" in text for text in open_catalogue(tmp_path).warnings)


def test_deleted_rows_of_a_table_are_named(tmp_path: Path) -> None:
    deleted = pa.table({"file_path": ["a.parquet"], "pos": [0]})
    save(tmp_path, {"product_id": ["p1"], "title": ["mug"]}, deleted)
    with pytest.raises(CatalogueError, match="lists rows that a table has deleted"):
        open_catalogue(tmp_path)
