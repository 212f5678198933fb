"""JSON of every shape: lines, arrays, objects that hold an array; numbers digit by digit."""

import gzip
import json
from pathlib import Path

import pytest
from product_files import convert

from prodmatch.errors import CatalogueError

PRODUCTS: list[dict[str, object]] = [
    {"product_id": "007", "title": "Größe", "price": 1.5},
    {"product_id": "8", "title": "b\nc", "price": 2, "late": True},
]
LINES = "\n".join(json.dumps(product, ensure_ascii=False) for product in PRODUCTS)
ARRAY = json.dumps(PRODUCTS, indent=1)
EXPECTED = [
    {"product_id": "007", "title": "Größe", "price": 1.5, "late": None},
    {"product_id": "8", "title": "b\nc", "price": 2.0, "late": True},
]
SHAPES = {
    "lines.jsonl": LINES.encode(),
    "lines.ndjson": LINES.encode() + b"\n",
    "lines.json": LINES.encode(),
    "lines.txt": LINES.encode(),
    "lines.JSONL": ("\n\n" + LINES.replace("\n", "\r\n\r\n")).encode(),
    "bom.jsonl": LINES.encode("utf-8-sig"),
    "wide.jsonl": LINES.encode("utf-16"),
    "packed.jsonl.gz": gzip.compress(LINES.encode()),
    "packed.json": gzip.compress(ARRAY.encode()),
    "array.json": ARRAY.encode(),
    "array.txt": ARRAY.encode(),
    "array.jsonl": ARRAY.encode(),
    "spaced.json": b"  \n" + ARRAY.encode() + b"\n\n",
    "object.json": f'{{"total": 2, "products": {ARRAY}}}'.encode(),
    "deeper.json": f'{{"data": {{"page": 1, "items": {ARRAY}}}, "ok": true}}'.encode(),
    "beside.json": f'{{"tags": ["a"], "empty": [], "items": {ARRAY}}}'.encode(),
    "keyed.json": json.dumps(
        {p["product_id"]: {"product_id": p["product_id"], **p} for p in PRODUCTS}
    ).encode(),
    "frame.json": json.dumps(
        {name: {str(row): p.get(name) for row, p in enumerate(PRODUCTS)} for name in PRODUCTS[1]}
    ).encode(),
    "pretty.jsonl": "\n".join(json.dumps(product, indent=2) for product in PRODUCTS).encode(),
    "no-ending": LINES.encode(),
    "wrong.csv": ARRAY.encode(),
    "latin.jsonl": LINES.encode("latin-1"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    rows, report = convert(tmp_path, name, SHAPES[name])
    assert rows == EXPECTED
    assert report.form == "json"
    assert "JSON" in report.read_as


CELLS: dict[str, tuple[str, str, list[object]]] = {
    "an integer id": ("product_id", "[7, 12345678901234567890]", ["7", "12345678901234567890"]),
    "large integers": ("n", "[9007199254740993, 1]", [9007199254740993, 1]),
    "beyond int64": ("n", "[12345678901234567890, 1]", ["12345678901234567890", "1"]),
    "many digits": ("n", "[0.12345678901234567891, 1]", ["0.12345678901234567891", "1"]),
    "an exponent": ("n", "[1e5, 1.5]", [1e5, 1.5]),
    "an exponent of an id": ("sku", '["1e5", "2e5"]', ["1e5", "2e5"]),
    "texts of digits": ("n", '["1", "2"]', ["1", "2"]),
    "prices as texts": ("price", '["19.99", "5"]', [19.99, 5.0]),
    "prices with a currency": ("price", '["19.99 USD", "5 USD"]', [19.99, 5.0]),
    "number, then text": ("n", '[1, "a"]', ["1", "a"]),
    "text, then number": ("n", '["a", 1.50]', ["a", "1.50"]),
    "booleans": ("b", "[true, false, null]", [True, False, None]),
    "boolean, then text": ("b", '[true, "x"]', ["true", "x"]),
    "texts of booleans": ("b", '["true", true]', ["true", "true"]),
    "no number": ("n", "[1.5, NaN]", [1.5, None]),
    "no text": ("n", '["a", NaN]', ["a", None]),
    "nulls": ("x", "[null, null]", [None, None]),
    "a list": ("tags", '[["a", "b"], [], null]', ["a, b", None, None]),
    "a list with commas": ("tags", '[["a, b", "c"], ["d"]]', ["a, b; c", "d"]),
    "a list and a text": ("tags", '["a", ["b", "c"]]', ["a", "b, c"]),
    "a list of pictures": ("image", '[["1.jpg", "2.jpg"], "3.jpg"]',
                           [["1.jpg", "2.jpg"], ["3.jpg"]]),
    "objects in a list": ("sizes", '[[{"s": 1, "t": "1"}], null]', ['[{"s": 1, "t": "1"}]', None]),
    "half a character": ("x", r'["a\ud800", "b"]', ["a\ufffd", "b"]),
    "a whole one": ("x", r'["\ud83d\ude00", ""]', ["\U0001f600", None]),
    "days": ("day", '["2024-01-01", "x"]', ["2024-01-01", "x"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", CELLS)
def test_cells_lose_nothing(tmp_path: Path, kind: str) -> None:
    name, values, expected = CELLS[kind]
    parts = json.loads(values, parse_int=str, parse_float=str, parse_constant=str)
    raw = values[1:-1]
    decoder, at, texts = json.JSONDecoder(), 0, []
    for _ in parts:
        end = decoder.raw_decode(raw, at)[1]
        texts.append(raw[at:end])
        at = end + 2
    lines = [f'{{"{name}": {text}, "row": {row}}}' for row, text in enumerate(texts)]
    rows, _ = convert(tmp_path, "p.jsonl", "\n".join(lines))
    found = [row[name] for row in rows]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_objects_become_columns(tmp_path: Path) -> None:
    line = '{"product_id": "1", "price": {"amount": 19.99, "currency": "EUR"}, "a": {}}'
    rows, _ = convert(tmp_path, "p.jsonl", line)
    assert rows == [{"product_id": "1", "price_amount": 19.99, "price_currency": "EUR", "a": None}]


def test_equal_keys_are_kept_apart(tmp_path: Path) -> None:
    line = '{"product_id": "1", "title": "a", "title": "b", "x": {"y": "c"}, "x_y": "d"}'
    rows, _ = convert(tmp_path, "p.jsonl", line)
    assert rows == [{"product_id": "1", "title": "a", "title_2": "b", "x_y": "c", "x_y_2": "d"}]


def test_objects_may_be_longer_than_a_block_and_keys_come_late(tmp_path: Path) -> None:
    long = "x" * 3_000_000
    products = [{"product_id": str(number), "title": "t"} for number in range(9000)]
    products += [{"product_id": "long", "title": long}, {"product_id": "last", "late": "1.50"}]
    rows, _ = convert(tmp_path, "p.json", json.dumps(products))
    assert len(rows) == 9002
    assert rows[-2]["title"] == long
    assert rows[-1] == {"product_id": "last", "title": None, "late": "1.50"}


BAD = {
    "cut.json": ARRAY[:-20],
    "open.json": ARRAY.rstrip()[:-1],
    "cut.jsonl": LINES[:-5],
    "after.json": ARRAY + "[]",
    "numbers.json": "[1, 2]",
    "lists.jsonl": "[1]\n[2]\n",
    "no.json": "products",
    "two.json": f'{{"a": {ARRAY}, "b": {ARRAY}}}',
    "deep.json": "[" + '{"a":' * 100_000,
    "empty.json": "[]",
    "split.json": '{"columns": ["product_id", "title"], "index": [0], "data": [["1"]]}',
    "line.jsonl": LINES + '\n{"product_id": oops}\n',
    "quote.jsonl": '{"title": "a\n',
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_json_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        convert(tmp_path, name, BAD[name])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_fault_is_named_with_its_line(tmp_path: Path) -> None:
    lines = ['{"product_id": "1"}'] * 99_999
    lines[70_000] = '{"product_id": oops}'
    with pytest.raises(CatalogueError, match="line 70001 is no JSON"):
        convert(tmp_path, "p.jsonl", "\n".join(lines))


@pytest.mark.parametrize(
    "content",
    [
        '{"columns": ["id", "title"], "index": [0, 1], "data": [["01", "mug"], ["02", null]]}',
        '{"schema": {"fields": [{"name": "id", "type": "string"}], "pandas_version": "1.4.0"}, '
        '"data": [{"id": "01", "title": "mug"}, {"id": "02", "title": null}]}',
    ],
    ids=["split", "table"],
)
def test_frames_that_pandas_wrote_are_read(content: str, tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "frame.json", content)
    assert rows == [{"id": "01", "title": "mug"}, {"id": "02", "title": None}]


@pytest.mark.parametrize("action", ["index", "create", "update", "delete"])
def test_actions_of_a_bulk_body_are_no_products(tmp_path: Path, action: str) -> None:
    body = f'{{"{action}": {{"_id": "1"}}}}\n{{"title": "mug"}}\n'
    with pytest.raises(CatalogueError, match="value 1 is an action of Elasticsearch's bulk format"):
        convert(tmp_path, "c.jsonl", body)


def test_a_cut_line_is_named_where_it_begins(tmp_path: Path) -> None:
    body = '{"id": 1}\n{"id": 2, "title":\n{"id": 3}\n{"id": 4}\n'
    with pytest.raises(CatalogueError, match="in the value that begins on line 2"):
        convert(tmp_path, "c.jsonl", body)


@pytest.mark.parametrize(
    "content",
    [
        '{"product_id": "a", "title": "Tee", "variants": [{"size": "S"}, {"size": "M"}]}',
        '{"@type": "Product", "sku": "a", "title": "Tee", "offers": [{"price": "1"}], '
        '"review": [{"body": "x"}]}',
    ],
)
def test_an_object_with_an_id_is_a_product_and_its_arrays_are_none(
    content: str, tmp_path: Path
) -> None:
    ((row,), report) = convert(tmp_path, "c.json", content)
    assert (row.get("product_id") or row["sku"], row["title"]) == ("a", "Tee")
    assert report.read_as.startswith("JSON lines")
