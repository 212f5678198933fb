"""Texts that were decoded with a wrong encoding are named by `check` and by `embed`."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.check import check_catalogue
from prodmatch.columns.encodings import find_damage
from prodmatch.model.description import Model

RIGHT = (
    "Café noir", "L\u2019Oréal crème brûlée", "Größe Übergröße", "naïve \u2013 “quoted”",
    "Żółta łódź Ręcznik", "Škoda žluťoučký kůň", "\u0131ş\u0131k güneş", "São Paulo maçã",
    "niño España",
    "smørrebrød på Å", "VOILÀ LE PÂTÉ", "L\u2019été à l\u2019œuvre", "Ñandú y pingüino",
    "ÅNGSTRÖM lösning",
)  # fmt: skip
OTHERS = (
    "Привет мир", "Καλημέρα κόσμε", "日本語のタイトル", "한국어 제목", "🎁 Gift box",
    "Acme® Widget™",
    "20\u00a0°C ½ inch", "5 € Gutschein", "♥ love ★", "שלום עולם", "مرحبا",
)  # fmt: skip
LOOK_WRONG = (
    "LÃ®", "“IRMÃ” novela", "CASACO DE LÃ PRETO", "MAÇÃ VERDE", "”PÅ” och ”AV”", "CAFÉ®",
    "Nescafé®™", "NESTLÉ® Nesquik", "comparé à\u00a0«\u00a0X»", "ÅÄÖ", "FÄRGLÖS", "ÄÄÄÄÄH", "ÆØÅ",
    "Đặng Thị ế ắ", "\u0421\u0421\u0421\u0420", "√π", "├── tree", "PÂTÉ™ “X”",
    "Ø 20 mm", "10\u00d720\u00d730",
    "¡Hola! ¿Qué?", "voilà…”", "Pokémon™", "what? no",
)  # fmt: skip


def misread(text: str, encoding: str) -> str:
    """UTF-8 read in another encoding, as browsers do: bytes that it lacks are those of Latin-1."""
    return "".join(
        bytes([byte]).decode(encoding) if bytes([byte]).decode(encoding, "ignore") else chr(byte)
        for byte in text.encode()
    )


@pytest.mark.parametrize("text", RIGHT)
@pytest.mark.parametrize(
    ("encoding", "named"),
    [("cp1252", "Windows-1252"), ("latin-1", "Windows-1252"), ("mac_roman", "Mac Roman")],
)
def test_utf8_read_as_another_encoding_is_recognised(
    text: str, encoding: str, named: str, count_cases: Counting
) -> None:
    found = find_damage(misread(text, encoding))
    assert list(found) == [f"UTF-8 was read as {named}"]
    assert not find_damage(text)
    count_cases("texts decoded in a wrong encoding", 1)


@pytest.mark.parametrize("text", OTHERS)
def test_other_scripts_and_signs_are_recognised(text: str, count_cases: Counting) -> None:
    assert list(find_damage(misread(text, "cp1252"))) == ["UTF-8 was read as Windows-1252"]
    assert not find_damage(text)
    count_cases("texts decoded in a wrong encoding", 1)


@pytest.mark.parametrize("text", RIGHT)
@pytest.mark.parametrize("encoding", ["cp1252", "cp1254", "iso8859-15", "cp1250"])
def test_letters_that_were_lost_are_recognised(
    text: str, encoding: str, count_cases: Counting
) -> None:
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        content = "Größe Ärmel".encode(encoding)
    assert list(find_damage(content.decode("utf-8", "replace"))) == ["lost"]
    count_cases("texts decoded in a wrong encoding", 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Привет мир".encode().decode("cp1251", "replace"), "UTF-8 was read as Windows-1251"),
        ("Café noir".encode().decode("cp1251"), "UTF-8 was read as Windows-1251"),
        ("Café".encode().decode("cp850"), "UTF-8 was read as the code page of a terminal"),
        ("Привет".encode("cp1251").decode("cp1252"), "Windows-1251 was read as Windows-1252"),
        ("L\u2019Or".encode("cp1252").decode("latin-1"), "Windows-1252 was read as Latin-1"),
        (misread(misread("Café", "cp1252"), "cp1252"), "UTF-8 was read as Windows-1252"),
        (misread("Caf\ufffd", "cp1252"), "lost"),
        ("锟斤拷 noir", "lost"),
    ],
)
def test_other_mistakes_are_recognised(text: str, kind: str, count_cases: Counting) -> None:
    assert kind in find_damage(text)
    count_cases("texts decoded in a wrong encoding", 1)


@pytest.mark.parametrize("text", LOOK_WRONG)
def test_what_looks_like_it_is_right(text: str, count_cases: Counting) -> None:
    assert not find_damage(text)
    count_cases("texts decoded in a wrong encoding", 1)


def test_check_and_embed_name_column_count_products_and_cause(tiny: Model, tmp_path: Path) -> None:
    save_query_encoders(tmp_path / "store", tiny)
    wrong = misread("red Café shirt", "cp1252")
    lost = b"blue caf\xe9 mug"  # as Parquet may hold it, though it should be UTF-8
    texts = [wrong.encode()] * 6 + [lost, "Größe".encode(), b"lamp", b"boot"]
    offsets = pa.array(texts, pa.binary())
    titles = pa.Array.from_buffers(pa.string(), len(texts), offsets.buffers(), offsets.null_count)
    table = {
        "product_id": [f"p{row}" for row in range(10)],
        "title": titles,
        "brand": pa.array(
            ["Acme"] * 8 + [None, misread("L\u2019Oréal", "cp1252")]
        ).dictionary_encode(),
        "size": [f"{row} cm" for row in range(10)],
    }
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    catalogue = open_catalogue(tmp_path / "c.parquet")
    expected = [
        "title: 6 texts look wrongly decoded ('CafÃ©' for 'Café'; 'p0', 'p1', 'p2', 'p3', 'p4', "
        "...): UTF-8 was read as Windows-1252. Export the catalogue as UTF-8 again",
        "title: 1 text holds U+FFFD in place of letters that were lost ('caf\ufffd'; 'p6'): they "
        "were decoded in a wrong encoding. Export the catalogue as UTF-8 again",
        "brand: 1 text looks wrongly decoded ('Lâ€™OrÃ©al' for 'L\u2019Oréal'; 'p9'): UTF-8 was "
        "read as Windows-1252. Export the catalogue as UTF-8 again",
    ]
    for _ in range(2):  # every night
        warnings = embed_tiny(catalogue, tiny, tmp_path / "store").warnings
        assert [text for text in warnings if "Export" in text] == expected
    assert [text for text in check_catalogue(catalogue).warnings if "Export" in text] == expected
