"""Whatever a catalogue says of a picture is read, or refused under its name."""

import base64
import io
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from PIL import Image
from small import draw

from prodmatch.catalogue.pictures.images import UnusableImage, decode_image
from prodmatch.catalogue.reader import Batch, CatalogueOptions, open_catalogue
from prodmatch.errors import CatalogueError

RED = draw((200, 0, 0), 0)
PHOTO = draw((200, 0, 0), 0, form="JPEG", side=64)
NAMES = {form: draw((200, 0, 0), 0, form=form) for form in ("PNG", "JPEG", "GIF", "WEBP", "AVIF")}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read(folder: Path, cell: object) -> Batch:
    """The row of a catalogue with this picture, and with a root that holds `café/a b.png`."""
    root = folder / "pictures"
    for form in ("NFC", "NFD"):
        path = root / unicodedata.normalize(form, f"{form}-é") / "a b.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(RED)
    (root / "9j").mkdir(exist_ok=True)
    (root / "9j" / "x.jpg").write_bytes(RED)
    (folder / "secret.png").write_bytes(RED)
    columns = {"product_id": ["a"], "title": ["mug"], "image": [cell]}
    pq.write_table(pa.table(columns), folder / "c.parquet")
    opened = open_catalogue(folder / "c.parquet", CatalogueOptions(image_root=root))
    (batch,) = opened.batches()
    return batch


Cell = Callable[[Path], object]  # of the root
COMPOSED, APART = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))

FOUND: dict[str, Cell] = {
    "a path": lambda root: f"NFC-{COMPOSED}/a b.png",
    "a path below dots": lambda root: f"./9j/../NFC-{COMPOSED}/a b.png",
    "an absolute path": lambda root: str(root / "9j" / "x.jpg"),
    "an absolute path with links": lambda root: str(root / ".." / "pictures" / "9j" / "x.jpg"),
    "a file address": lambda root: (root / "9j" / "x.jpg").as_uri(),
    "a file address, escaped": lambda root: (root / f"NFC-{COMPOSED}" / "a b.png").as_uri(),
    "a file address, not escaped": lambda root: f"file://{root}/NFC-{COMPOSED}/a b.png",
    "a file address with a host": lambda root: f"file://localhost{root}/9j/x.jpg",
    "a file address of one slash": lambda root: f"file:{root}/9j/x.jpg",
    "a file address in capitals": lambda root: f"FILE://{root}/9j/x.jpg",
    "a relative file address": lambda root: "file://9j/x.jpg",
    "composed for apart": lambda root: f"NFD-{COMPOSED}/a b.png",
    "apart for composed": lambda root: f"NFC-{APART}/a b.png",
    "backslashes": lambda root: "9j\\x.jpg",
    "an escaped path": lambda root: quote(f"NFC-{COMPOSED}/a b.png"),
    "blanks around it": lambda root: " 9j/x.jpg\n",
    "a path that starts as base64 does": lambda root: "9j/x.jpg",
    "a data address": lambda root: f"data:image/png;base64,{text(RED)}",
    "a data address in capitals": lambda root: f"DATA:IMAGE/PNG;BASE64,{text(RED)}",
    "a data address with more": lambda root: f"data:image/png;name=a.png;base64,{text(RED)}",
    "a data address without a type": lambda root: f"data:;base64,{text(RED)}",
    "a data address, escaped": lambda root: f"data:image/png,{quote_from_bytes(RED)}",
    "a data address, escaped base64": lambda root: f"data:image/png;base64,{quote(text(RED))}",
    "a data address in lines": lambda root: "data:image/png;base64,\n"
    + base64.encodebytes(RED).decode(),
    "a data address as bytes": lambda root: f"data:image/png;base64,{text(RED)}".encode(),
    "base64": lambda root: text(RED),
    "base64 as bytes": lambda root: text(RED).encode(),
    "base64 in lines": lambda root: base64.encodebytes(RED).decode(),
    "base64 without padding": lambda root: text(RED).rstrip("="),
    "base64 for addresses": lambda root: base64.urlsafe_b64encode(RED).decode(),
    "from the root of a shop": lambda root: "/9j/x.jpg",
    "hexadecimal digits": lambda root: RED.hex(),
    "hexadecimal digits of a database": lambda root: f"\\x{RED.hex()}",
    "hexadecimal digits in capitals": lambda root: f"0x{RED.hex().upper()}",
    "hexadecimal digits as bytes": lambda root: f"\\x{RED.hex()}".encode(),
    "hexadecimal digits, as Python shows bytes": lambda root: str(f"\\x{RED.hex()}".encode()),
    "bytes as Python shows them": lambda root: str(RED),
    "base64 as Python shows bytes": lambda root: str(text(RED).encode()),
    "a path as Python shows bytes": lambda root: str(b"9j/x.jpg"),
    "a path as bytes": lambda root: b"9j/x.jpg",
    "a path with an accent as bytes": lambda root: f"NFC-{COMPOSED}/a b.png".encode(),
    "base64 in lines that were escaped": lambda root: text(RED)[:60] + "\\n" + text(RED)[60:],
    "a data address without its beginning": lambda root: f"image/png;base64,{text(RED)}",
    "base64 with its name": lambda root: f"base64,{text(RED)}",
    "the version of an address": lambda root: "9j/x.jpg?v=17&w=2",
    "a suffix in capitals": lambda root: "9j/x.JPG",
    "another case": lambda root: "9J/X.JPG",
    **{
        f"written as {text}": lambda root, text=text: text  # type: ignore[misc]
        for text in (
            "\ufeff9j/x.jpg", "\u200b9j/x.jpg", "`9j/x.jpg`", "<9j/x.jpg>", '="9j/x.jpg"',
            "'9j/x.jpg", "9j/x.jpg#1", "9j/x.jpg#main?v=2", "9j\\X.jpg?w=3", "NFC-\u00e9/a+b.png",
            "nfc-%C3%A9/a+b.png",
        )
    },
    "another case of a folder, with accents": lambda root: f"nfc-{APART.upper()}/A b.PNG",
    "another case from the root of a shop": lambda root: "/9J/X.jpg",
    "another case, escaped": lambda root: quote(f"nfd-{COMPOSED}/A B.png"),
    "a drive of Windows": lambda root: "C:\\9j\\x.jpg",
    "a drive of Windows in another case": lambda root: "d:\\9J\\X.jpg",
    "a drive of Windows with slashes": lambda root: "C:/9j/x.jpg",
    "a file address of Windows": lambda root: "file:///C:/9j/x.jpg",
    "a share of Windows": lambda root: "\\\\9j\\x.jpg",
    "escaped, accents apart": lambda root: quote(f"NFC-{APART}/a b.png"),
    "escaped, with backslashes": lambda root: quote(f"NFC-{APART}/a b.png").replace("/", "\\"),
    "from the root of a shop, escaped": lambda root: quote(f"/NFC-{COMPOSED}/a b.png"),
    "a file address, accents apart": lambda root: "file:" + quote(f"{root}/NFC-{APART}/a b.png"),
    "a struct of a data address": lambda root: {
        "bytes": None, "path": f"data:image/png;base64,{text(RED)}"
    },
    "a struct of a file address": lambda root: {"path": (root / "9j" / "x.jpg").as_uri()},
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_picture_is_read_however_it_is_given(
    name: str, tmp_path: Path, count_cases: Counting
) -> None:
    assert read(tmp_path, FOUND[name](tmp_path / "pictures")).images == [RED]
    count_cases("pictures given", 1)


@pytest.mark.parametrize("form", NAMES)
def test_base64_of_every_format_is_read(form: str, tmp_path: Path, count_cases: Counting) -> None:
    assert read(tmp_path, text(NAMES[form])).images == [NAMES[form]]
    count_cases("pictures given", 1)


def _link(root: Path, name: str) -> str:
    (root / "9j").mkdir(parents=True)
    (root / "9j" / "out.png").symlink_to(root.parent / "secret.png")
    return name


def _both_cases(root: Path, name: str) -> str:
    (root / "9j").mkdir(parents=True)
    for other in (name.lower(), name.upper().replace("9J", "9j")):
        (root / other).write_bytes(RED)
    return name


LOST: dict[str, tuple[Cell, str]] = {
    "https": (lambda root: "https://shop.example/a.png", "address"),
    "http in capitals": (lambda root: "HTTP://shop.example/a.png", "address"),
    "ftp": (lambda root: "ftp://shop.example/a.png", "address"),
    "a bucket": (lambda root: "s3://bucket/a.png", "address"),
    "www": (lambda root: "www.shop.example/a.png", "address"),
    "an address in a struct": (lambda root: {"path": "https://shop.example/a.png"}, "address"),
    "an address as bytes": (lambda root: b"https://shop.example/a.png", "address"),
    "an address that was taken for a path": (lambda root: "https:/shop.example/a.png", "address"),
    "an address of a program": (lambda root: "wix:image://v1/a.png", "address"),
    "bytes of an address, as Python shows them": (lambda root: "b'https://a.example/b'", "address"),
    "an escape above the root": (lambda root: "9j/%2E%2E/%2E%2E/secret.png", "missing"),
    "above the root as bytes": (lambda root: b"../secret.png", "outside_root"),
    "above the root, from the root of a shop": (lambda root: "/%2E%2E/secret.png", "outside_root"),
    "above the root": (lambda root: "../secret.png", "outside_root"),
    "backslashes above the root": (lambda root: "..\\secret.png", "missing"),
    "escaped above the root": (lambda root: "..%2Fsecret.png", "missing"),
    "absolute above the root": (lambda root: str(root.parent / "secret.png"), "outside_root"),
    "a file address above": (lambda root: (root.parent / "secret.png").as_uri(), "outside_root"),
    "a relative file address above": (lambda root: "file://../secret.png", "outside_root"),
    "another host": (lambda root: f"file://host{root}/9j/x.jpg", "missing"),
    "nothing there": (lambda root: "9j/y.jpg", "missing"),
    "a folder": (lambda root: "file:9j", "not_a_file"),
    "a drive of Windows": (lambda root: "C:\\pics\\x.jpg", "windows_path"),
    "a share of Windows": (lambda root: "\\\\server\\pics\\x.jpg", "windows_path"),
    "a file address of Windows": (lambda root: "file:///C:/pics/x.jpg", "windows_path"),
    "a drive of Windows, above the root": (lambda root: "C:\\..\\secret.png", "windows_path"),
    "another case above the root": (lambda root: "../SECRET.png", "outside_root"),
    "another case of a link out of the root": (lambda root: _link(root, "9J/OUT.png"), "missing"),
    "one of two cases": (lambda root: _both_cases(root, "9j/Ab.jpg"), "missing"),
    "a data address without data": (lambda root: "data:image/png;base64", "bad_base64"),
    "a data address of rubbish": (lambda root: "data:image/png;base64,!!!", "bad_base64"),
    "hexadecimal digits cut short": (lambda root: RED.hex()[:99], "bad_hex"),
    "from a root, and not there": (lambda root: "/9j/y.jpg", "outside_root"),
    "from a root, above it": (lambda root: "/../secret.png", "outside_root"),
    "base64 cut short": (lambda root: text(PHOTO)[:1001].rstrip("="), "bad_base64"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_picture_out_of_reach_has_its_reason(
    name: str, tmp_path: Path, count_cases: Counting
) -> None:
    cell, reason = LOST[name]
    batch = read(tmp_path, cell(tmp_path / "pictures"))
    assert batch.images == [None]
    (fault,) = batch.image_rejects
    assert fault is not None
    assert fault.reason == f"image_{reason}"
    count_cases("pictures given", 1)


@pytest.mark.parametrize(
    "cell",
    [
        "nan",
        "NULL",
        " None ",
        "N/A",
        "-",
        "\\N",
        b"",
        "undefined",
        "#N/A",
        "<NA>",
        b"NULL",
        "no image",
        "False",
    ],
)
def test_what_stands_for_no_picture_is_none(cell: object, tmp_path: Path) -> None:
    batch = read(tmp_path, cell)
    assert batch.images == [None]
    assert batch.image_rejects == [None]


def container(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(100)


NAMED: dict[str, tuple[bytes, str]] = {
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git_lfs_pointer"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "html_page"),
    "html in small letters": (b"\n <html lang=en>", "html_page"),
    "html after a comment": (b"<!-- a --><!-- b -->\n<html>", "html_page"),
    "xhtml": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC ""><html>', "html_page"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
    "svg after a prologue": (b'<?xml version="1.0"?><!-- x --><svg width="1">', "svg"),
    "heic": (container(b"heic"), "heic"),
    "heix": (container(b"heix"), "heic"),
    "heif": (container(b"mif1"), "heic"),
    "tiff, little": (b"II*\0" + bytes(100), "tiff"),
    "tiff, big": (b"MM\0*" + bytes(100), "tiff"),
    "bmp": (b"BM\x36\x03\0\0\0\0\0\0\x36\0\0\0", "bmp"),
    "pdf": (b"%PDF-1.7\n", "pdf"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(50), "gzip"),
    "jpeg xl": (b"\xff\x0a" + bytes(50), "jpeg_xl"),
    "jpeg xl in a box": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "jpeg_xl"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "jpeg_2000"),
    "a broken avif": (container(b"avif"), "broken"),
    "a broken jpeg": (b"\xff\xd8\xff\xe0", "broken"),
    "a broken png": (b"\x89PNG\r\n\x1a\n", "broken"),
    "a broken webp": (b"RIFF\0\0\0\0WEBP", "broken"),
    "json": (b'{"error": "not found"}', "json"),
    "html after a mark of bytes": (b"\xef\xbb\xbf<html>", "html_page"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "xml"),
    "mp4": (container(b"mp42"), "video"),
    "quicktime": (container(b"qt  "), "video"),
    "photoshop": (b"8BPS\0\1" + bytes(50), "psd"),
    "an icon": (b"\0\0\1\0\1\0" + bytes(50), "ico"),
    "a zip": (b"PK\3\4" + bytes(50), "zip"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0", "postscript"),
    "text": (b"404 Not Found\n", "text"),
    "json, a list": (b'[{"error": 1}]', "json"),
    "xml without a prologue": (b"<Error><Code>AccessDenied</Code></Error>", "xml"),
    "a part of a page": (b"<br />\n<b>Warning</b>: fopen()", "html_page"),
    "a heading": (b"<h1>Not found</h1>", "html_page"),
    "svg after a mark of bytes": (b"\xef\xbb\xbf<svg/>", "svg"),
    "pdf after a line": (b"\n%PDF-1.7\n", "pdf"),
    "git annex": (b"../.git/annex/objects/aB/SHA256E-s5--0f", "git_annex_pointer"),
    "zero bytes": (bytes(100), "empty"),
    "a png as utf-8": (RED.decode("latin-1").encode(), "damaged_as_text"),
    "a jpeg as utf-8": (PHOTO.decode("latin-1").encode(), "damaged_as_text"),
    "a png replaced": (RED.decode("utf-8", "replace").encode(), "damaged_as_text"),
    "a jpeg replaced": (PHOTO.decode("utf-8", "replace").encode(), "damaged_as_text"),
    "an archive": (b"Rar!\x1a\7\0" + bytes(50), "not_an_image"),
    "a letter B": (b"BMW 320 advertisement", "text"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_what_is_no_picture_is_called_what_it_is(name: str, count_cases: Counting) -> None:
    data, reason = NAMED[name]
    with pytest.raises(UnusableImage) as fault:
        decode_image(data)
    assert fault.value.reason == reason
    count_cases("pictures given", 1)


def test_comments_before_a_page_cost_no_time() -> None:
    with pytest.raises(UnusableImage, match="text"):
        decode_image(b"<!---->" * 150)


@pytest.mark.parametrize(
    "name", ["html", "svg", "xhtml", "pdf", "tiff, little", "tiff, big", "bmp", "gzip"]
)
def test_base64_of_what_is_no_picture_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    data, _ = NAMED[name]
    assert read(tmp_path, text(data.ljust(40))).images == [data.ljust(40)]


def avif(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "AVIF", quality=100, **options)
    return out.getvalue()


def test_an_avif_is_upright_on_white_and_of_its_first_frame(count_cases: Counting) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    wide = Image.new("RGB", (40, 20), "red")
    assert decode_image(avif(wide, exif=exif)).size == (20, 40)
    lime = Image.new("RGB", (40, 20), "lime")
    clear = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    for data, expected in [
        (avif(wide, save_all=True, append_images=[lime, lime]), (255, 0, 0)),
        (avif(clear), (255, 255, 255)),
    ]:
        found = np.asarray(decode_image(data), np.float64).mean(axis=(0, 1))
        assert np.abs(found - expected).max() < 6
    count_cases("pictures given", 3)


@pytest.mark.parametrize("cells", [["a.png"], [None, "", "a.png"], ["file:///a.png"]])
def test_paths_without_a_root_are_refused_at_once(cells: list[str | None], tmp_path: Path) -> None:
    rows = list(map(str, range(len(cells))))
    table = pa.table({"product_id": rows, "title": rows, "image": cells})
    pq.write_table(table, tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match=r"'image' holds paths of pictures.*`image_root`"):
        open_catalogue(tmp_path / "c.parquet")


def test_pictures_that_are_no_paths_need_no_root(tmp_path: Path) -> None:
    cells = [None, text(RED), f"data:image/png;base64,{text(RED)}", "https://shop.example/a.png"]
    table = pa.table({"product_id": list("abcd"), "title": list("abcd"), "image": cells})
    pq.write_table(table, tmp_path / "c.parquet")
    (batch,) = open_catalogue(tmp_path / "c.parquet").batches()
    assert batch.images == [None, RED, RED, None]
