"""Every encoding, delimiter, quoting, compression and ending is recognised, and loses nothing."""

import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from product_files import convert, write_csv

from prodmatch.columns.inferred_types import ColumnType
from prodmatch.columns.writer import make_schema
from prodmatch.convert import ConvertSettings, convert_catalogue
from prodmatch.errors import CatalogueError

HEADER = ["product_id", "title", "description"]
ROWS = [
    ["007", "Grüner Stuhl, groß", 'sehr "bequem"'],
    ["008", "Café; crème | brûlée", "first line\nsecond line"],
    ["00A", "plain", "tab\there"],
    ["009", "  spaces kept  ", "1.299,00"],
]
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "latin-1",
)
DELIMITERS = {",": ".csv", ";": ".txt", "\t": ".TSV", "|": ".CSV"}


@pytest.mark.parametrize(
    ("encoding", "delimiter", "newline", "packed"),
    [
        (encoding, delimiter, newline, packed)
        for (encoding, delimiter), (newline, packed) in zip(
            itertools.product(ENCODINGS, DELIMITERS),
            itertools.cycle([("\n", False), ("\r\n", True), ("\r\n", False), ("\n", True)]),
            strict=False,
        )
    ],
)
def test_every_cell_comes_back_as_it_was_written(
    tmp_path: Path, encoding: str, delimiter: str, newline: str, packed: bool
) -> None:
    content = write_csv([HEADER, *ROWS], delimiter=delimiter, newline=newline).encode(encoding)
    name = "p" + DELIMITERS[delimiter]
    rows, report = convert(tmp_path, name, gzip.compress(content) if packed else content)
    assert [list(row.values()) for row in rows] == ROWS
    assert (report.form, report.delimiter) == ("csv", delimiter)
    assert report.compression == ("gzip" if packed else None)
    known = {"utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be", "latin-1": "cp1252"}
    assert report.encoding == known.get(encoding, encoding)
    assert str(report.encoding) in report.read_as
    assert any("not UTF-8" in text for text in report.warnings) == (report.encoding == "cp1252")


@pytest.mark.parametrize("ending", [".csv", ".txt", ".tab", ".CSV", ".dat", "", ".csv.gz", ".xls"])
def test_the_content_tells_and_not_the_ending(tmp_path: Path, ending: str) -> None:
    rows, report = convert(tmp_path, f"products{ending}", "product_id\ttitle\n1\ta, b\n2\tc;d\n")
    assert [row["title"] for row in rows] == ["a, b", "c;d"]
    assert report.delimiter == "\t"


@pytest.mark.parametrize(
    ("content", "titles", "warning"),
    [
        ("product_id,title\n1,a\n\n  \n2,b\n\n", ["a", "b"], None),
        ("\n\nproduct_id,title\n1,a\n", ["a"], None),
        ("sep=;\nproduct_id;title\n1;a,b\n", ["a,b"], None),
        ("product_id,title,\n1,a,\n2,b,\n", ["a", "b"], None),
        ("product_id,title\n1,a\n2\n", ["a", None], "1 row with fewer fields"),
        ("product_id,title\n1,a\n2,b,c\n", ["a", "b"], "1 row with more fields"),
        ('product_id,title\n1,"a ""b"" c"\n', ['a "b" c'], None),
        ('product_id,title\n1,"Best" shirt\n2,b\n', ['"Best" shirt', "b"], "1 line with quotes"),
        ('product_id,title\n1,5" tv\n2,"b, c"\n', ['5" tv', "b, c"], None),
        ('product_id\ttitle\n1\t"5 inch tv\n2\tb\n', ['"5 inch tv', "b"], "1 line with quotes"),
        ('product_id,title\n1,"not closed\n2,b\n', ['"not closed', "b"], "1 line with quotes"),
        ('product_id,title\n1,"a \\"b\\" c"\n', ['a "b" c'], None),
        ('"product_id","title"\n"1","a\r\nb"\n', ["a\r\nb"], None),
        ("product_id,title\r1,a\r2,b\r", ["a", "b"], None),
        ("product_id , title \n1,a\n", ["a"], None),
        ("product_id, title\n1, a\n 2 , b\n", ["a", "b"], None),
        ("product_id | title\n1 | a\n2 | b\n", ["a", "b"], None),
        ('product_id, title\n1, "a, b"\n2, c\n', ["a, b", "c"], None),
        ('product_id,title\n1, "a, b"\n2,"c, ""d"""\n', ["a, b", 'c, "d"'], None),
        ("product_id|title\n1|a,b,c\n2|d,e,f\n", ["a,b,c", "d,e,f"], None),
        ("product_id;title\n1;Tisch, rund, 80 cm\n2;Stuhl, rot, 40 cm\n", None, None),
    ],
)  # fmt: skip
def test_untidy_tables_are_read_and_what_is_odd_is_named(
    tmp_path: Path, content: str, titles: list[str | None] | None, warning: str | None
) -> None:
    rows, report = convert(tmp_path, "p.csv", content)
    if titles is None:
        titles = [line.split(";")[1] for line in content.splitlines()[1:]]
    assert [row["title"] for row in rows] == titles
    assert [row["product_id"] for row in rows] == [str(row + 1) for row in range(len(rows))]
    said = [text for text in report.warnings if "column" not in text or "columns;" in text]
    assert (warning is None) == (not said), report.warnings
    assert warning is None or warning in said[0]


@pytest.mark.parametrize("mark", ["\t", "|"])
@pytest.mark.parametrize("more", ["", '5\t"Fine" lamp\tn\n', '5\t"of two\nlines"\tn\n'])
def test_quotes_that_are_letters_join_no_rows(more: str, mark: str, tmp_path: Path) -> None:
    content = '1\t"Best in class\tx\n2\tMug\ty\n3\t27"\tz\n4\tTray\t\n'
    content = f"product_id\ttitle\tnote\n{content}{more}".replace("\t", mark)
    rows, _ = convert(tmp_path, "p.txt", content)
    titles = ['"Best in class', "Mug", '27"', "Tray"]
    assert [row["title"] for row in rows[:4]] == titles
    assert len(rows) == 4 + bool(more)


@pytest.mark.parametrize(
    "content",
    [
        "product_id\ttitle\tbrand\n1\t5\\N\t\\N\n2\t\\N\t\\Nike\n",
        'product_id,title,brand\n1,5\\N,\\N\n2,\\N,"\\Nike"\n',
        '"product_id","title","brand"\n"1","5\\\\N",\\N\n"2",\\N,"\\\\Nike"\n"3","15\\" tv",""\n',
    ],
)
def test_null_as_databases_write_it_is_no_text(content: str, tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "p.csv", content)
    assert [row["title"] for row in rows[:2]] == ["5\\N", None]
    assert [row["brand"] for row in rows[:2]] == [None, "\\Nike"]


def test_fields_beyond_the_header_are_kept(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "p.csv", "product_id,title\n1,a\n2,b,c,,d\n3,e,,,\n")
    assert rows[1] == {
        "product_id": "2", "title": "b", "column_3": "c", "column_4": None, "column_5": "d"
    }  # fmt: skip
    assert "first near line 3" in " ".join(report.warnings)


def test_names_that_are_blank_or_stand_twice_are_told_apart(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "p.csv", "product_id,title,,title,title_2\n1,a,b,c,d\n")
    assert rows == [
        {"product_id": "1", "title": "a", "column_3": "b", "title_3": "c", "title_2": "d"}
    ]
    assert "column 3 has no name; it is called 'column_3'" in report.warnings
    assert "column 'title' stands twice; column 4 is called 'title_3'" in report.warnings


def test_stray_bytes_in_utf8_do_not_spoil_the_rest(tmp_path: Path) -> None:
    content = "product_id,title\n1,Größe Übermaß\n2,caf".encode() + b"\xe9\n"
    rows, report = convert(tmp_path, "p.csv", content)
    assert [row["title"] for row in rows] == ["Größe Übermaß", "café"]
    assert "1 bytes are not UTF-8" in report.warnings[0]


def test_a_late_byte_decides_the_encoding(tmp_path: Path) -> None:
    lines = "".join(f"{number},chair\n" for number in range(200_000))
    content = f"product_id,title\n{lines}x,Größe\n".encode("cp1252")
    rows, report = convert(tmp_path, "p.csv", content)
    assert (rows[-1]["title"], report.encoding) == ("Größe", "cp1252")


def test_what_is_given_comes_before_what_is_recognised(tmp_path: Path) -> None:
    content = "product_id,a;title\n1,x;жук\n".encode("cp1251")
    settings = ConvertSettings(encoding="cp1251", delimiter=";")
    rows, report = convert(tmp_path, "p.csv", content, settings)
    assert rows == [{"product_id,a": "1,x", "title": "жук"}]
    assert (report.encoding, report.delimiter) == ("cp1251", ";")


def test_a_picture_as_a_data_uri_is_no_field_too_long(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + "A" * 300_000
    rows, _ = convert(tmp_path, "p.csv", f'product_id,title,image\n1,a,"{uri}"\n')
    assert rows[0]["image"] == uri


BAD = {
    "empty.csv": b"",
    "blank.csv": b" \n\n",
    "header.csv": b"product_id,title\n",
    "book.xlsx": b"PK\x03\x04rest",
    "old.xls": b"\xd0\xcf\x11\xe0rest",
    "done.csv": b"PAR1rest",
    "page.csv": b"<!DOCTYPE html><html></html>",
    "binary.csv": b"product_id,title\n1,\x00\x01\x02\n",
    "cut.csv.gz": gzip.compress(b"product_id,title\n" + b"1,a\n" * 9999)[:-20],
    "broken.csv": b"\x1f\x8bnot gzip at all",
    "pointer.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_table_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        convert(tmp_path, name, BAD[name])
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "p.csv"
    source.write_text("product_id,title\n1,a\n")
    (tmp_path / "link.parquet").symlink_to(source)
    with pytest.raises(CatalogueError, match="is the source itself"):
        convert_catalogue(source, tmp_path / "link.parquet")
    assert source.read_text() == "product_id,title\n1,a\n"


def test_an_old_catalogue_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    convert(tmp_path, "p.csv", "product_id,title\n1,a\n")
    with pytest.raises(CatalogueError):
        convert(tmp_path, "p.jsonl", '{"product_id": "2"}\n{no\n')
    assert pq.read_table(tmp_path / "catalogue.parquet").to_pylist()[0]["product_id"] == "1"


@pytest.mark.parametrize("price", ["cheap", "3.5"])
def test_a_source_that_changes_between_the_passes_is_refused(
    price: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "c.csv"
    source.write_text("id,title,price\n1,red shirt,2.5\n")

    def change(columns: Sequence[ColumnType]) -> pa.Schema:
        source.write_text(f"id,title,price\n1,blue mug,{price}\n")
        return make_schema(columns)

    monkeypatch.setattr("prodmatch.convert.make_schema", change)  # what the first pass ends with
    with pytest.raises(CatalogueError, match=r"c\.csv: was changed while it was read\."):
        convert_catalogue(source, tmp_path / "c.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["c.csv"]


OTHER_ALPHABETS = {
    "cp1251": "\u0430\u0440\u0442\u0438\u043a\u0443\u043b",
    "gb18030": "\u7f16\u53f7",
    "shift_jis": "\u5546\u54c1\u30b3\u30fc\u30c9",
    "euc_kr": "\uc0c1\ud488",
    "big5": "\u7522\u54c1",
    "cp1253": "\u03c0\u03c1\u03bf\u03ca\u03cc\u03bd",
    "cp1256": "\u0645\u0646\u062a\u062c",
}


@pytest.mark.parametrize("encoding", OTHER_ALPHABETS)
def test_another_alphabet_is_not_read_as_western_letters(tmp_path: Path, encoding: str) -> None:
    word = OTHER_ALPHABETS[encoding]
    content = f"product_id,{word}\n7,{word}\n".encode(encoding)
    for name, text in ((".csv", content), (".jsonl", f'{{"id": "{word * 3}"}}\n'.encode(encoding))):
        with pytest.raises(CatalogueError, match="its letters are not Western") as caught:
            convert(tmp_path, f"c{name}", text)
        assert f"{encoding} ('{word}" in str(caught.value)
    (tmp_path / "c.csv").write_bytes(content)
    settings = ConvertSettings(encoding=encoding)
    convert_catalogue(tmp_path / "c.csv", tmp_path / "d.parquet", settings)
    assert pq.read_table(tmp_path / "d.parquet").to_pylist() == [{"product_id": "7", word: word}]


@pytest.mark.parametrize(
    "text",
    [
        "Stra\u00dfe",
        "\u00c4\u00d6\u00dc",
        "na\u00efve caf\u00e9",
        "\u00abd\u00e9j\u00e0\u00bb",
        "\u00e5\u00e4\u00f6 \u00e9 \u00fc \u00e0",
    ],
)
def test_western_letters_are_read_as_they_are(tmp_path: Path, text: str) -> None:
    rows, report = convert(tmp_path, "c.csv", f"product_id,title\n7,{text}\n".encode("cp1252"))
    assert (report.encoding, rows[0]["title"]) == ("cp1252", text)


@pytest.mark.parametrize("value", ["4,00638E+12", "4.00638E+12", "4E+12"])
def test_an_identifier_that_a_spreadsheet_has_rounded_is_named(tmp_path: Path, value: str) -> None:
    _, report = convert(tmp_path, "c.csv", f"product_id;ean\na;{value}\nb;4006381333931\n")
    assert any("1 x an identifier that a spreadsheet has rounded" in w for w in report.warnings)


def test_a_word_shows_whether_the_encoding_is_right(tmp_path: Path) -> None:
    content = "product_id,title\n7,br\u00e9 \u015bwieca\n".encode("cp1250")
    rows, report = convert(tmp_path, "c.csv", content)
    assert rows[0]["title"] == "br\u00e9 \u0153wieca"
    assert "cp1252, as in '\u0153wieca' (it would be in cp1250 '\u015bwieca'" in report.warnings[0]
    _, report = convert(tmp_path, "c.csv", content, ConvertSettings(encoding="cp1252"))
    assert report.warnings == []


@pytest.mark.parametrize(
    ("content", "titles"),
    [
        ("'product_id','title'\n'a','red, mug'\n'b','it''s a \"lamp\"'\n", 'it\'s a "lamp"'),
        ("'product_id';'title'\n'a';'red, mug'\n'b';'it\\'s\nnew'\n", "it's\nnew"),
    ],
)
def test_fields_may_be_quoted_by_apostrophes(content: str, titles: str, tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "c.csv", content)
    assert rows == [
        {"product_id": "a", "title": "red, mug"},
        {"product_id": "b", "title": titles},
    ]
    assert "quoted by apostrophes" in report.read_as


def test_apostrophes_that_are_letters_quote_nothing(tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "c.csv", "'t,title,note\na,'red',b\n")
    assert rows == [{"'t": "a", "title": "'red'", "note": "b"}]
