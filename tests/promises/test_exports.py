"""Exports of hostile values: every one comes back from what other programs read."""

import datetime
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch.errors import StoreError
from prodmatch.exports.json_bodies import write_elasticsearch, write_qdrant
from prodmatch.exports.lance_table import write_lance
from prodmatch.exports.postgres import write_postgres
from prodmatch.exports.table import VectorTable, vector_texts
from prodmatch.search.vectors.index_builder import Kind, build_index
from prodmatch.storage.vectors import normalise

TEXTS = ["a\tb", "c\nd\r", "\\N", "\\", 'say "x"', "<b>&\u2028", "\\.", "", None, "\U0001f455"]
ROWS = len(TEXTS)
MIDDAY = datetime.datetime(2026, 1, 2, 12, 30, 15, 5, datetime.UTC)
COLUMNS: dict[str, pa.Array] = {
    "product_id": pa.array([f"é {row}\\" for row in range(ROWS)]),
    "text": pa.array(TEXTS),
    'na"me.x': pa.array(TEXTS[::-1]),
    "price": pa.array([0.1, float("nan"), float("inf"), None, 1e300, *[2.5] * (ROWS - 5)]),
    "cost": pa.array([Decimal("12345678901234567890.12"), None] * 5, pa.decimal128(38, 2)),
    "stock": pa.array([2**63 - 1, None] * 5, pa.int64()),
    "views": pa.array([2**64 - 1, None] * 5, pa.uint64()),
    "few": pa.array([255, None] * 5, pa.uint8()),
    "sold": pa.array([True, None] * 5),
    "day": pa.array([datetime.date(99, 1, 2), None] * 5),
    "at": pa.array([MIDDAY, None] * 5, pa.timestamp("us", "UTC")),
    "local": pa.array([MIDDAY.replace(tzinfo=None), None] * 5, pa.timestamp("us")),
    "nothing": pa.nulls(ROWS),
}
Write = Callable[[VectorTable, Path], None]


def table(
    folder: Path, columns: dict[str, pa.Array] = COLUMNS, *, dim: int = 8, kind: Kind = "flat"
) -> VectorTable:
    """Products of these columns with vectors drawn at random."""
    pq.write_table(pa.table(columns), folder / "products.parquet", write_page_checksum=True)
    rows = len(columns["product_id"])
    vectors = normalise(np.random.default_rng(0).normal(size=(rows, dim)))
    return VectorTable(folder, build_index(lambda: [vectors], rows, dim, kind))


def expected_json() -> list[dict[str, object]]:
    """The rows as JSON can hold them."""
    rows = pa.table(COLUMNS).to_pylist()
    for row in rows:
        row["cost"] = None if row["cost"] is None else float(row["cost"])
        for name in ("day", "at", "local"):
            row[name] = None if row[name] is None else row[name].isoformat()
    rows[1]["price"] = rows[2]["price"] = None
    return rows


def test_texts_of_vectors_are_the_shortest_that_are_these_numbers() -> None:
    numbers = [0.1, 1, -0.0, 1e-5, 1e-9, 3.4e38, 1 / 3, 1e-45, 0]
    vectors = np.array([numbers, numbers[::-1]], np.float32)
    texts = vector_texts(vectors)
    assert texts[0].startswith("[0.1,1,-0,0.00001,1e-9,")
    np.testing.assert_array_equal(np.array(list(map(json.loads, texts)), np.float32), vectors)


def test_bulk_bodies_hold_every_value(tmp_path: Path) -> None:
    write_elasticsearch(table(tmp_path), tmp_path / "out")
    lines = (tmp_path / "out" / "bulk-00000.ndjson").read_bytes().split(b"\n")
    assert lines.pop() == b""
    documents = [json.loads(line) for line in lines[1::2]]
    vectors = [document.pop("vector") for document in documents]
    assert documents == expected_json()
    np.testing.assert_array_equal(
        np.array(vectors, np.float32), table(tmp_path).index.vectors(np.arange(ROWS))
    )
    actions = [json.loads(line)["index"]["_id"] for line in lines[::2]]
    assert actions == COLUMNS["product_id"].to_pylist()


UNIT = 1e-4  # of a squared length; Elasticsearch's own tolerance


def bulk_faults(body: bytes, mapping: dict[str, Any]) -> list[str]:
    """What Elasticsearch would refuse of the body of a `_bulk` request, by its reference."""
    faults = [] if body.endswith(b"\n") else ["the last line must end with a newline"]
    lines = body.split(b"\n")[:-1]
    if len(lines) % 2:
        faults.append("an action without a document")
    field = mapping["properties"]["vector"]
    if field["type"] != "dense_vector" or not 1 <= field["dims"] <= 4096:
        faults.append(f"no dense vector: {field}")
    seen = set()
    for action, source in zip(lines[::2], lines[1::2], strict=False):
        try:
            (kind, named), document = *json.loads(action).items(), json.loads(source)
        except ValueError as error:
            faults.append(f"not JSON: {error}")
            continue
        if kind != "index" or set(named) - {"_id", "_index", "routing"}:
            faults.append(f"no action: {action!r}")
        if not isinstance(named["_id"], str) or not 0 < len(named["_id"].encode()) <= 512:
            faults.append(f"no id: {named['_id']!r}")
        if named["_id"] in seen:
            faults.append(f"twice: {named['_id']!r}")
        seen.add(named["_id"])
        if "vector" in document:
            faults += vector_faults(document["vector"], field)
    return faults


def vector_faults(vector: list[float], field: dict[str, Any]) -> list[str]:
    length = float(np.square(np.array(vector, np.float32)).sum())
    if len(vector) != field["dims"] or not np.isfinite(vector).all():
        return [f"a vector of {len(vector)} numbers"]
    if field["similarity"] == "dot_product" and abs(length - 1) > UNIT:
        return [f"not of unit length: {length}"]
    return []


def read_bodies(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The bodies of an export one behind the other, and the mapping."""
    body = b"".join(path.read_bytes() for path in sorted(folder.glob("bulk-*.ndjson")))
    return body, json.loads((folder / "mapping.json").read_bytes())["mappings"]


@pytest.mark.parametrize("kind", ["flat", "sq8"])
def test_bodies_keep_the_rules_of_elasticsearch(tmp_path: Path, kind: Kind) -> None:
    write_elasticsearch(table(tmp_path, kind=kind), tmp_path / "out")
    body, mapping = read_bodies(tmp_path / "out")
    assert bulk_faults(body, mapping) == []
    vectors = [json.loads(line)["vector"] for line in body.splitlines()[1::2]]
    assert len(vectors) == ROWS


def test_a_product_that_nothing_is_known_of_has_no_vector(tmp_path: Path) -> None:
    vectors = normalise(np.random.default_rng(0).normal(size=(ROWS, 8)))
    vectors[3] = 0
    drawn = table(tmp_path)
    index = build_index(lambda: [vectors], ROWS, 8, "flat")
    write_elasticsearch(VectorTable(drawn.folder, index), tmp_path / "out")
    body, mapping = read_bodies(tmp_path / "out")
    assert bulk_faults(body, mapping) == []
    documents = [json.loads(line) for line in body.splitlines()[1::2]]
    assert ["vector" in document for document in documents] == [row != 3 for row in range(ROWS)]


def test_faults_of_a_body_are_told() -> None:
    mapping: dict[str, Any] = {"properties": {"vector": {"type": "dense_vector", "dims": 2}}}
    mapping["properties"]["vector"]["similarity"] = "dot_product"
    good = b'{"index":{"_id":"a"}}\n{"vector":[0.6,0.8]}\n'
    assert bulk_faults(good, mapping) == []
    for bad in (
        good[:-1],
        good + b'{"index":{"_id":"b"}}\n',
        good * 2,
        good.replace(b'"a"', b"1"),
        good.replace(b'"a"', b'""'),
        good.replace(b"0.8", b"0.7"),
        good.replace(b"0.8", b"NaN"),
        good.replace(b"0.6,", b""),
        good.replace(b"index", b"put"),
    ):
        assert bulk_faults(bad, mapping), bad
    mapping["properties"]["vector"]["dims"] = 4097
    assert bulk_faults(b"", mapping)


def test_the_mapping_has_a_field_for_every_column(tmp_path: Path) -> None:
    write_elasticsearch(table(tmp_path), tmp_path / "out")
    mapping = json.loads((tmp_path / "out" / "mapping.json").read_text())["mappings"]
    assert mapping["subobjects"] is False
    fields = mapping["properties"]
    kinds = {name: field["type"] for name, field in fields.items()}
    text = {"text": "text", 'na"me.x': "text", "nothing": "text", "product_id": "keyword"}
    numbers = {"price": "double", "cost": "double", "stock": "long", "few": "long"}
    assert kinds == {
        **text,
        **numbers,
        "views": "unsigned_long",
        "sold": "boolean",
        **dict.fromkeys(("day", "at", "local"), "date"),
        "vector": "dense_vector",
    }
    assert (fields["vector"]["dims"], fields["vector"]["similarity"]) == (8, "dot_product")


def test_vectors_of_bytes_are_not_said_to_be_of_unit_length(tmp_path: Path) -> None:
    write_elasticsearch(table(tmp_path, kind="sq8"), tmp_path / "out")
    mapping = json.loads((tmp_path / "out" / "mapping.json").read_text())["mappings"]
    assert mapping["properties"]["vector"]["similarity"] == "max_inner_product"


def test_a_long_id_is_kept_and_its_document_is_named_by_a_digest(tmp_path: Path) -> None:
    names = ["é" * 256, "é" * 257]
    columns = {"product_id": pa.array(names)}
    write_elasticsearch(table(tmp_path, columns), tmp_path / "out")
    lines = (tmp_path / "out" / "bulk-00000.ndjson").read_text().splitlines()
    ids = [json.loads(line)["index"]["_id"] for line in lines[::2]]
    assert ids[0] == names[0]
    assert re.fullmatch("[0-9a-f]{64}", ids[1])
    assert [json.loads(line)["product_id"] for line in lines[1::2]] == names


def test_points_hold_every_value_and_have_the_same_id_every_night(tmp_path: Path) -> None:
    write_qdrant(table(tmp_path), tmp_path / "out")
    collection = json.loads((tmp_path / "out" / "collection.json").read_text())
    assert collection == {"vectors": {"size": 8, "distance": "Dot"}}
    points = json.loads((tmp_path / "out" / "points-00000.json").read_text())["points"]
    assert [point["payload"] for point in points] == expected_json()
    assert points[0]["id"] == "1770b148-4f18-54f9-92c8-c07719cf632d"
    assert len({point["id"] for point in points}) == ROWS


def unescape(cell: str) -> str | None:
    """A cell of COPY's text format, as PostgreSQL reads it."""
    if cell == "\\N":
        return None
    written = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    return re.sub(r"\\(.)", lambda match: written[match[1]], cell)


def test_rows_of_postgres_hold_every_value(tmp_path: Path) -> None:
    write_postgres(table(tmp_path), tmp_path / "out")
    lines = (tmp_path / "out" / "products.tsv").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    cells = [[unescape(cell) for cell in line.split("\t")] for line in lines]
    assert {len(row) for row in cells} == {len(COLUMNS) + 1}
    found = dict(zip(COLUMNS, zip(*cells, strict=True), strict=False))
    for name in ("product_id", "text", 'na"me.x'):
        assert list(found[name]) == COLUMNS[name].to_pylist()
    assert found["price"][:5] == ("0.1", "nan", "inf", None, "1e+300")
    assert found["cost"][0] == "12345678901234567890.12"
    assert found["views"][0] == str(2**64 - 1)
    assert found["at"][0] == "2026-01-02 12:30:15.000005Z"
    assert (found["sold"][0], found["day"][0], found["nothing"][0]) == ("true", "0099-01-02", None)


def test_a_character_that_postgres_cannot_hold_is_replaced(tmp_path: Path) -> None:
    columns = {"product_id": pa.array(["a"]), "text": pa.array(["x\0y"]), "size": pa.array([None])}
    (warning,) = write_postgres(table(tmp_path, columns), tmp_path / "out")
    assert warning == "text: U+0000, which PostgreSQL cannot hold, is U+FFFD in 1 values"
    assert "\tx\ufffdy\t" in (tmp_path / "out" / "products.tsv").read_text()


def test_the_script_makes_a_column_of_each_type(tmp_path: Path) -> None:
    write_postgres(table(tmp_path), tmp_path / "out")
    script = (tmp_path / "out" / "load.sql").read_text()
    columns = re.findall(r'^    "((?:[^"]|"")+)" ([\w ()]+)', script, re.MULTILINE)
    assert dict(columns) == {
        "product_id": "text PRIMARY KEY",
        "text": "text",
        'na""me.x': "text",
        "price": "double precision",
        "cost": "numeric",
        "stock": "bigint",
        "views": "numeric(20)",
        "few": "smallint",
        "sold": "boolean",
        "day": "date",
        "at": "timestamp with time zone",
        "local": "timestamp",
        "nothing": "text",
        "vector": "vector(8) NOT NULL",
    }


@pytest.mark.parametrize(
    ("dim", "index"),
    [
        (2000, 'USING hnsw ("vector" vector_ip_ops)'),
        (2002, 'USING hnsw (("vector"::halfvec(2002)) halfvec_ip_ops)'),
        (4002, "-- no index: pgvector has none for 4002 dimensions"),
    ],
)
def test_the_index_of_postgres_is_one_that_takes_so_many_dimensions(
    tmp_path: Path, dim: int, index: str
) -> None:
    write_postgres(table(tmp_path, dim=dim), tmp_path / "out")
    assert index in (tmp_path / "out" / "load.sql").read_text()


def test_of_no_products_there_is_what_makes_room_for_them(tmp_path: Path) -> None:
    nothing = table(tmp_path, {"product_id": pa.array([], pa.string())})
    for write in (write_elasticsearch, write_qdrant, write_postgres):
        write(nothing, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"mapping.json", "collection.json", "load.sql", "products.tsv"}
    assert (tmp_path / "out" / "products.tsv").read_bytes() == b""


ID = {"product_id": pa.array(["a"])}


@pytest.mark.parametrize(
    ("write", "columns", "dim", "message"),
    [
        (write_elasticsearch, ID, 4098, "a vector has 4098 dimensions; it takes 4096"),
        (write_elasticsearch, ID | {"_id": pa.array([1])}, 8, "fields of its own named _id"),
        (write_postgres, ID, 16002, "16002 dimensions are too long or too many"),
        (write_elasticsearch, ID | {" ": pa.array([1])}, 8, "a column has no name"),
        (write_lance, ID | {"a.b": pa.array([1])}, 8, "it takes no column named 'a.b', nor"),
        (write_lance, ID | {"": pa.array([1])}, 8, "it takes no column named '', nor"),
        (write_lance, ID | {"a`": pa.array([1])}, 8, "it takes no column named 'a`', nor"),
        (write_lance, ID | {"_rowid": pa.array([1])}, 8, "it takes no column named '_rowid', nor"),
        (write_postgres, ID | {"xmin": pa.array([1])}, 8, "columns of its own named xmin"),
        (write_postgres, ID | {"": pa.array([1])}, 8, "a column has no name"),
        (write_postgres, ID | {"é" * 32: pa.array([1])}, 8, "'éééé"),
    ],
)
def test_what_a_program_cannot_hold_is_refused(
    tmp_path: Path, write: Write, columns: dict[str, pa.Array], dim: int, message: str
) -> None:
    with pytest.raises(StoreError) as raised:
        write(table(tmp_path, columns, dim=dim), tmp_path / "out")
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()
