"""Pictures and paths made to do harm: bounded, named, and nothing but the picture is opened."""

import io
import os
import random
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Counting
from PIL import Image, ImageFile
from small import draw

from prodmatch.catalogue.pictures.image_files import read_image_file, read_image_text
from prodmatch.catalogue.pictures.images import UnusableImage, decode_image


def save(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *more: bytes, depth: int = 8, kind: int = 2) -> bytes:
    """A PNG of that size in its header, with chunks put before its few pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(99)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + pixels + chunk(b"IEND", b"")


def progressive(extra: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = save(Image.fromarray(noise), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * extra + data[-2:]


def animation(form: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    return save(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)


GREY = Image.fromarray(np.linspace(0, 65520, 256).astype(np.uint16).reshape(16, 16))
BOMB = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000)))
JPEG = draw((200, 10, 10), 3, form="JPEG", side=64)
AVIF = draw((200, 10, 10), 3, form="AVIF", side=64)
SIZE = b"ispe" + bytes(4) + struct.pack(">II", 64, 64)
HUGE = bytes(4) + struct.pack(">II", 16_000, 16_000)
EXIF = b"\xff\xe1" + struct.pack(">H", 40) + b"Exif\0\0MM\0*" + b"\xff" * 28

TURNED = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63" + bytes(7)

NAMED = {"BMP": "bmp", "TIFF": "tiff", "ICO": "ico"}
HARMFUL: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "text": (b"<html>", "html_page"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
    "pdf": (b"%PDF-1.7\n", "pdf"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "postscript"),
    "a pickle": (b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.", "not_an_image"),
    "zeros": (bytes(1000), "empty"),
    "a zip": (b"PK\x03\x04" + bytes(100), "zip"),
    **{
        form: (save(Image.new("RGB", (8, 8)), form), NAMED.get(form, "not_an_image"))
        for form in ("BMP", "TIFF", "PPM", "ICO", "TGA", "DDS", "PCX", "SGI")
    },
    "huge png": (png(65535, 65535), "too_many_pixels"),
    "51 million pixels": (png(7200, 7200), "too_many_pixels"),
    "100 million pixels": (png(10_000, 10_000), "too_many_pixels"),
    "one row of very many": (png(2_000_000_000, 1), "too_many_pixels"),
    "huge gif": (b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0), "*"),
    "no width": (png(0, 5), "*"),
    "21 megabytes": (JPEG + bytes(21 << 20), "too_many_bytes"),
    "101 scans": (progressive(101), "too_many_scans"),
    "2,000 scans": (progressive(2000), "too_many_scans"),
    "text bomb": (png(4, 4, BOMB), "*"),
    "profile bomb": (png(4, 4, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000)))), "*"),
    "cut jpeg": (JPEG[: len(JPEG) // 2], "broken"),
    "cut webp": (save(Image.new("RGB", (64, 64), "red"), "WEBP")[:-20], "*"),
    "cut avif": (AVIF[:-20], "broken"),
    "avif header alone": (AVIF[:40], "broken"),
    "huge avif": (AVIF.replace(SIZE, SIZE[:4] + HUGE), "*"),
    "avif of no size": (AVIF.replace(SIZE, SIZE[:4] + bytes(12)), "broken"),
    "cut png": (draw((1, 2, 3), 1)[:-200], "broken"),
    "wrong checksum": (draw((1, 2, 3), 1).replace(b"IDAT", b"IDAX"), "*"),
    "jpeg header alone": (JPEG[:20], "*"),
}

USABLE: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "trailing bytes": (JPEG + b"\0" * 100_000, (200, 10, 10)),
    "50 scans": (progressive(30), (127, 127, 127)),
    "16-bit grey scaled, not clipped": (save(GREY, "PNG"), (127, 127, 127)),
    "an animated gif, first frame": (animation("GIF"), (255, 0, 0)),
    "an animated webp, first frame": (animation("WEBP"), (255, 0, 0)),
    "an animated avif, first frame": (animation("AVIF"), (255, 0, 0)),
    "an animated png, first frame": (animation("PNG"), (255, 0, 0)),
    "exif of garbage": (JPEG[:2] + EXIF + JPEG[2:], (200, 10, 10)),
    "an exif turn beyond 8": (
        save(Image.new("RGB", (16, 16), "blue"), "JPEG", exif=TURNED),
        (0, 0, 254),
    ),
    "one pixel": (save(Image.new("RGB", (1, 1), "lime"), "PNG"), (0, 255, 0)),
    "very long": (save(Image.new("RGB", (20_000, 1), "red"), "PNG"), (255, 0, 0)),
    "inverted cmyk": (save(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), (254, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_picture_is_refused_for_its_reason(name: str, count_cases: Counting) -> None:
    data, reason = HARMFUL[name]
    with pytest.raises(UnusableImage) as fault:
        decode_image(data)
    assert reason in ("*", fault.value.reason)
    assert len(str(fault.value)) <= 200
    count_cases("hostile pictures", 1)


@pytest.mark.parametrize("name", USABLE)
def test_an_odd_picture_gives_its_documented_pixels(name: str, count_cases: Counting) -> None:
    data, expected = USABLE[name]
    found = np.asarray(decode_image(data))
    assert np.abs(found.reshape(-1, 3).mean(axis=0) - expected).max() < 4
    count_cases("hostile pictures", 1)


def test_no_flip_of_a_picture_raises_anything_but_a_fault(count_cases: Counting) -> None:
    rng, count = random.Random(0), 0
    for form in ("JPEG", "PNG", "WEBP", "GIF", "AVIF"):
        data = draw((200, 10, 10), 3, form=form, side=24)
        for _ in range(60):
            changed = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(len(data))] = rng.randrange(256)
            try:
                size = decode_image(bytes(changed)).size
                assert size[0] * size[1] <= 50_000_000
            except UnusableImage:
                pass
            count += 1
    count_cases("flipped pictures", count)


def test_half_a_picture_is_never_taken_for_a_whole_one() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_harmful_pictures_take_little_memory() -> None:
    program = (
        "import resource, sys; sys.path[:0] = sys.argv[1:]\n"
        "import test_hostile_pictures as t\n"
        "from prodmatch.catalogue.pictures.images import UnusableImage, decode_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for name, (data, _) in t.HARMFUL.items():\n"
        "    try: decode_image(data)\n"
        "    except UnusableImage: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *sys.path],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    assert int(done.stdout) < 100 << 10  # kilobytes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of pictures with what a stranger might put there, and a secret beside it."""
    folder = tmp_path / "root"
    (folder / "below").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root-two").mkdir()
    (tmp_path / "root-two" / "a.png").write_bytes(b"secret")
    (folder / "a.png").write_bytes(b"fine")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 1 << 40)
    return folder


PATHS: dict[str, str] = {
    "../secret": "outside_root",
    "below/../../secret": "outside_root",
    "../root-two/a.png": "outside_root",
    "/etc/passwd": "outside_root",
    "//etc/passwd": "outside_root",
    "/proc/self/environ": "outside_root",
    "/dev/zero": "outside_root",
    "out": "outside_root",
    "up/secret": "outside_root",
    "loop": "bad_path",
    "https://example.org/a.png": "address",
    "file:///etc/passwd": "outside_root",
    "ftp://example.org/a": "address",
    "data:image/png;base64,A": "bad_base64",
    "data:image/png": "bad_base64",
    "\\\\host\\share\\a.png": "windows_path",
    "~/a.png": "missing",
    "$HOME/a.png": "missing",
    "|true": "missing",
    "a\0.png": "bad_path",
    "\ud800": "bad_path",
    "x" * 300: "bad_path",
    "d/" * 3000: "bad_path",
    "below": "not_a_file",
    ".": "not_a_file",
    "pipe": "not_a_file",
    "sparse": "too_many_bytes",
    "a.png/b": "missing",
}


def test_a_path_reaches_nothing_outside_its_root(
    root: Path, monkeypatch: pytest.MonkeyPatch, count_cases: Counting
) -> None:
    opened: list[str] = []
    real: Callable[..., int] = os.open

    def watched(path: object, *rest: object, **named: object) -> int:
        opened.append(str(path))
        return real(path, *rest, **named)

    def never(*arguments: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(socket, "socket", never)
    for path, reason in PATHS.items():
        with pytest.raises(UnusableImage) as fault:
            read_image_text(path, root)
        assert fault.value.reason == reason, path
    assert read_image_file("below/../a.png", root) == b"fine"
    assert [path for path in opened if not Path(path).is_relative_to(root)] == []
    count_cases("hostile paths", len(PATHS))
