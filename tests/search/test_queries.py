"""Files of queries: every line is read for itself, and every format gives the same queries."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import draw

from prodmatch import ProductIndex, SearchOptions, open_index
from prodmatch.catalogue.records import read_records
from prodmatch.errors import QueryError
from prodmatch.model.projection import Projection
from prodmatch.search.queries import Query, RejectedQuery, read_queries, require_queries

GOOD = [
    {"query_id": "first", "text": "red shirt"},
    {"query_id": "last", "text": "mug", "filter": "price < 5", "top": 1},
]
BAD: list[tuple[object, str]] = [
    ({"text": ""}, "has no word in it"),
    ({"text": "  \t"}, "has no word in it"),
    ({"text": None}, "has neither text nor picture nor id"),
    ({}, "has neither text nor picture nor id"),
    ({"text": "🎉🎉"}, "has no word in it"),
    ({"text": "?!"}, "has no word in it"),
    ({"text": "\u200b"}, "has no word in it"),
    ({"text": True}, "text is 'True'"),
    ({"text": ["shirt"]}, "text is"),
    ({"text": {"en": "shirt"}}, "text is"),
    ({"product_id": "delisted"}, "no product of this id"),
    ({"product_id": ""}, "no product of this id"),
    ({"product_id": "p0001", "text": "shirt"}, "not both"),
    ({"image": "none.png"}, "there is no such file"),
    ({"image": "text.png"}, "the picture cannot be used"),
    ({"image": "."}, "is no regular file"),
    ({"image": 7}, "image is '7'"),
    ({"image": ["a.png"]}, "image is \"['a.png']\""),
    ({"image": "https://shop.example/a.png"}, "is an address; nothing is fetched"),
    ({"image": "data:image/png;base64,!"}, "bad_base64"),
    ({"text": "shirt", "name": "x"}, "a query has no name"),
    ({"text": "shirt", "Top": 3}, "a query has no Top"),
    ({"query": "shirt"}, "a query has no query"),
    ({"text": float("nan")}, "has neither text nor picture nor id"),
    ({"text": "shirt", "top": 0}, "query 'bad': top 0: must be from 1 to 10000"),
    ({"text": "shirt", "offset": -1}, "query 'bad': offset -1: must be from 0"),
    ({"text": "shirt", "top": "3"}, "top is '3'"),
    ({"text": "shirt", "top": 2.5}, "top is '2.5'"),
    ({"text": "shirt", "top": True}, "top is 'True'"),
    ({"text": "shirt", "filter": "pric < 5"}, "query 'bad': filter 'pric < 5': no such column"),
    ({"text": "shirt", "filter": ""}, "is empty"),
    ({"text": "shirt", "filter": 5}, "filter is '5'"),
    ("no json", "line 2 is no JSON"),
    ('{"text": "shirt", "top": 1, "top": 2}', "line 2 is no JSON ('top' stands twice)"),
    ([1], "line 2 is no JSON object. Give one a line."),
]


@pytest.fixture(scope="module")
def index(base: Path) -> Iterator[ProductIndex]:
    with open_index(base / "store") as opened:
        yield opened


def write_lines(path: Path, records: list[object]) -> Path:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    path.write_text("\n".join(lines))
    (path.parent / "text.png").write_text("no picture")
    return path


@pytest.mark.parametrize(("record", "reason"), BAD)
def test_a_bad_line_is_answered_with_its_error_and_the_others_with_hits(
    index: ProductIndex, tmp_path: Path, record: object, reason: str
) -> None:
    if isinstance(record, dict):
        record = {"query_id": "bad", **record}
    path = write_lines(tmp_path / "q.jsonl", [GOOD[0], record, GOOD[1]])
    first, bad, last = index.answer(read_queries(path), SearchOptions(top=3))
    assert [len(first.hits), len(bad.hits), len(last.hits)] == [3, 0, 1]
    assert bad.query_id == ("bad" if isinstance(record, dict) else "2")
    assert reason in str(bad.error)
    assert first.error is last.error is None


def test_a_line_has_a_filter_and_a_top_of_its_own(index: ProductIndex) -> None:
    queries = [Query("a", "red", where="price < 7", top=2), Query("b", "red")]
    own, other = index.answer(queries, SearchOptions("price > 3", top=4))
    assert len(own.hits) == 2
    assert all(3 < hit.metadata["price"] < 7 for hit in own.hits)  # type: ignore[operator]
    assert len(other.hits) == 4
    by_id = index.answer([Query("c", product_id="p0001", where="price = 2", top=1)])[0]
    assert [hit.product_id for hit in by_id.hits] == ["p0002"]


ROWS = [
    {"query_id": "007", "text": "red, shirt", "product_id": None, "filter": None, "top": 2},
    {"query_id": "7", "text": None, "product_id": "0042", "filter": "price < 5", "top": None},
    {"query_id": "é\u4e2d", "text": 'a "b"', "product_id": None, "filter": None, "top": None},
]


def table_text(delimiter: str) -> str:
    lines = [delimiter.join(ROWS[0])]
    for row in ROWS:
        cells = ["" if cell is None else str(cell).replace('"', '""') for cell in row.values()]
        lines.append(delimiter.join(f'"{cell}"' if cell else "" for cell in cells))
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.csv", table_text(",").encode()),
        ("q.CSV", table_text(";").encode()),
        ("q.csv", table_text("\t").encode("utf-8-sig")),
        ("q.tsv", table_text("\t").encode("utf-16")),
        ("q.jsonl", "\n".join(map(json.dumps, ROWS)).encode("utf-8-sig")),
        ("q.json", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()),
        ("q.parquet", b""),
        ("q.PQ", b""),
    ],
)
def test_every_format_gives_the_same_queries(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    if content:
        path.write_bytes(content)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert require_queries(path) == [
        Query("007", "red, shirt", top=2),
        Query("7", product_id="0042", where="price < 5"),
        Query("é\u4e2d", 'a "b"'),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"query_id,text,brand\n1,shirt,x\n", "a query has no brand"),
        (b"name\nshirt\n", "has none of the fields"),
        (b"query_id,text\n1,red, shirt\n", "line 2 has 3 cells, the header has 2"),
        (b'query_id,text\n1,"red\n', "line 2 is no CSV"),
        (b"query_id,text\n", "has no rows"),
        (b"", "has no rows"),
        (b"query_id,text\n1,a\n1,b\n", "stands twice"),
        (b"query_id,text, text\n1,a,b\n", "has two columns 'text'. Remove one."),
    ],
)
def test_a_table_that_is_none_is_refused_as_one(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "q.csv").write_bytes(content)
    with pytest.raises(QueryError, match=message):
        read_queries(tmp_path / "q.csv")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"2,red, shirt", "line 3 has 3 cells, the header has 2: query_id, text. Quote cells"),
        (b"2", "line 3 has 1 cells"),
        (b'2,"red" shirt', "line 3 is no CSV"),
    ],
)
def test_a_bad_row_of_a_table_is_a_line_with_an_error(
    index: ProductIndex, tmp_path: Path, line: bytes, reason: str
) -> None:
    (tmp_path / "q.csv").write_bytes(b"query_id,text\n1,shirt\n" + line + b"\n3,mug\n")
    answers = index.answer(read_queries(tmp_path / "q.csv"), SearchOptions(top=3))
    assert [len(answer.hits) for answer in answers] == [3, 0, 3]
    assert reason in str(answers[1].error)
    assert answers[2].query_id == "3"


def test_columns_without_a_name_are_left_out_where_they_are_empty(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("query_id,text,,\n1,shirt,,\n2,mug,x,\n")
    good, bad = read_queries(tmp_path / "q.csv")
    assert good == Query("1", "shirt")
    assert isinstance(bad, RejectedQuery)
    assert "line 3 has a cell without a name" in bad.reason


@pytest.mark.parametrize("name", ["q.txt", "q.csv.gz", "q"])
def test_a_file_of_another_name_says_which_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("query_id,text\n1,shirt\n")
    with pytest.raises(QueryError, match=r"is no JSON .* Name a file of another kind \.csv"):
        read_queries(tmp_path / name)


def test_a_picture_in_a_table_is_a_path_beside_it_and_blank_text_is_none(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(draw((200, 20, 20), 1))
    (tmp_path / "q.csv").write_text("text,image\n  ,red.png\n")
    (query,) = read_queries(tmp_path / "q.csv")
    assert query == Query("1", None, draw((200, 20, 20), 1))


@pytest.mark.parametrize("form", ["base64", "data:image/png;base64,", "file://", "escaped"])
def test_a_picture_of_a_line_is_read_as_of_a_catalogue(tmp_path: Path, form: str) -> None:
    picture = draw((200, 20, 20), 1)
    (tmp_path / "a red.png").write_bytes(picture)
    forms = {"file://": (tmp_path / "a red.png").as_uri(), "escaped": "a%20red.png", "base64": ""}
    given = forms.get(form, form) or base64.b64encode(picture).decode()
    given += base64.b64encode(picture).decode() if form.startswith("data:") else ""
    (tmp_path / "q.jsonl").write_text(json.dumps({"image": given}))
    assert read_queries(tmp_path / "q.jsonl") == [Query("1", None, picture)]


def test_grades_of_a_table_are_numbers_and_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "j.csv").write_text("query_id,product_id,label\n007,0042,1\n7,1e3,0.5\n8,9,true\n")
    assert read_records(tmp_path / "j.csv", "--qrels", numbers=["label"]) == [
        {"query_id": "007", "product_id": "0042", "label": 1},
        {"query_id": "7", "product_id": "1e3", "label": 0.5},
        {"query_id": "8", "product_id": "9", "label": True},
    ]


def test_a_file_of_which_all_lines_are_needed_names_the_first_bad_one(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "q.jsonl", [GOOD[0], {"text": "a", "x": 1}, {"y": 1}])
    assert [isinstance(each, RejectedQuery) for each in read_queries(path)] == [False, True, True]
    with pytest.raises(QueryError, match="query 2: a query has no x"):
        require_queries(path)


def test_a_line_without_an_id_takes_none_that_another_has(tmp_path: Path) -> None:
    records: list[object] = [{"query_id": 2, "text": "mug"}, {"text": "lamp"}, [1]]
    read = read_queries(write_lines(tmp_path / "q.jsonl", records))
    assert [query.query_id for query in read] == ["2", "#2", "3"]


def test_a_query_that_is_strange_to_the_model_relies_less_on_pictures(
    index: ProductIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def share_of_picture() -> float:
        hit = index.search("red shirt", top=1)[0]
        return hit.image / hit.score

    familiar = share_of_picture()
    monkeypatch.setattr(Projection, "familiarities", lambda _, rows: np.zeros(len(rows)))
    assert 0 < share_of_picture() < 0.8 * familiar
