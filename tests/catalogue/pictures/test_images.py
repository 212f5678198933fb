"""Untrusted pictures and paths: right colours, or a reason."""

import functools
import io
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from small import draw

from prodmatch.catalogue.pictures.image_files import read_image_file, read_image_text
from prodmatch.catalogue.pictures.images import UnusableImage, decode_image, remedy_of
from prodmatch.model.preprocessing import ImageSpec, least_size, preprocess_image, resize_image


def save(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("picture", "form", "expected"),
    [
        (Image.new("RGB", (4, 4), (200, 30, 40)), "PNG", (200, 30, 40)),
        (Image.new("RGBA", (4, 4), (200, 30, 40, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG", (127, 127, 127)),
        (Image.new("LA", (4, 4), (10, 255)), "PNG", (10, 10, 10)),
        (Image.new("L", (4, 4), 90), "PNG", (90, 90, 90)),
        (Image.new("1", (4, 4), 1), "PNG", (255, 255, 255)),
        (Image.fromarray(np.full((4, 4), 257 * 80, np.uint16)), "PNG", (80, 80, 80)),
        (Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG", (255, 255, 255)),
        (Image.new("RGB", (16, 16), (0, 0, 255)), "WEBP", (0, 0, 255)),
    ],
)
def test_pictures_of_every_mode_become_rgb(
    picture: Image.Image, form: str, expected: tuple[int, int, int]
) -> None:
    found = np.asarray(decode_image(save(picture, form)))
    assert found.shape == (*picture.size[::-1], 3)
    assert np.abs(found.mean(axis=(0, 1)) - expected).max() <= 2


def test_a_palette_keeps_its_transparency() -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([9, 9, 9, 200, 0, 0])
    data = save(picture, "PNG", transparency=0)
    assert np.asarray(decode_image(data)).min() == 255


@pytest.mark.parametrize(
    ("fit", "side", "decoded"),
    [
        ("pad", 24, (38, 19)),
        ("pad", 26, (75, 38)),
        ("pad", 60, (150, 75)),
        ("pad", 100, (150, 75)),
        ("pad", 101, (300, 150)),
        ("crop", 30, (150, 75)),
        ("crop", 14, (75, 38)),
    ],
)
def test_a_jpeg_is_decoded_no_larger_than_three_times_what_is_seen(
    fit: Literal["pad", "crop"], side: int, decoded: tuple[int, int]
) -> None:
    waves = np.sin(np.arange(300) / 12)[None, :, None] * np.cos(np.arange(150) / 9)[:, None, None]
    pixels = (127 + 120 * waves * np.array([1.0, 0.5, -1.0])).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    spec = ImageSpec(fit=fit, resize_pixels=side, crop_pixels=side)
    found = decode_image(out.getvalue(), functools.partial(least_size, spec=spec))
    assert found.size == decoded
    exact = preprocess_image(decode_image(out.getvalue()), spec).astype(float)
    assert np.abs(preprocess_image(found, spec) - exact).mean() < 5


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    data = save(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    assert decode_image(data).size == (20, 40)


def huge_png() -> bytes:
    """A picture of a few bytes that claims thirteen gigabytes of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99)))


BROKEN = {
    "empty": b"",
    "not_an_image": b"\x93NUMPY\1\0",
    "text": b"not found",
    "too_many_pixels": huge_png(),
    "too_many_bytes": b"\x89PNG" + bytes(21 << 20),
    "too_many_scans": b"\xff\xd8" + b"\xff\xda\x00\x00" * 101,
    "broken": draw((1, 2, 3), 1, form="JPEG", side=64)[:700],
}


@pytest.mark.parametrize("reason", sorted(BROKEN))
def test_a_picture_that_cannot_be_used_has_a_reason(reason: str) -> None:
    with pytest.raises(UnusableImage) as fault:
        decode_image(BROKEN[reason])
    assert fault.value.reason == reason
    smaller = remedy_of(reason) == "Give a smaller one."
    assert smaller == reason.startswith("too_many")


@pytest.mark.parametrize(
    ("form", "reason"),
    [("BMP", "bmp"), ("TIFF", "tiff"), ("PPM", "not_an_image"), ("ICO", "ico")],
)
def test_formats_of_no_shop_are_not_opened(form: str, reason: str) -> None:
    with pytest.raises(UnusableImage, match=reason):
        decode_image(save(Image.new("RGB", (8, 8)), form))


@pytest.mark.parametrize("cut", range(1, 60, 3))
def test_no_truncation_of_a_jpeg_gives_half_a_picture(cut: int) -> None:
    data = draw((200, 10, 10), 3, form="JPEG", side=64)
    with pytest.raises(UnusableImage):
        decode_image(data[: len(data) * cut // 60])


def test_reads_a_file_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(b"bytes")
    assert read_image_file("a/b.png", tmp_path) == b"bytes"
    assert read_image_file("a/../a/b.png", tmp_path) == b"bytes"


def test_rejects_paths_outside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").mkdir()
    for path, reason in {
        "../secret": "outside_root",
        str(tmp_path / "secret"): "outside_root",
        (tmp_path / "secret").as_uri(): "outside_root",
        "link": "outside_root",
        "https://example.org/a.png": "address",
        "nothing.png": "missing",
        "link/below": "outside_root",
        "folder": "not_a_file",
        "a\0b": "bad_path",
        "x" * 300: "bad_path",
    }.items():
        with pytest.raises(UnusableImage) as fault:
            read_image_text(path, root)
        assert fault.value.reason == reason, path


def test_padding_shows_the_whole_picture_on_white() -> None:
    spec = ImageSpec(resize_pixels=20, crop_pixels=20)
    preprocessed = preprocess_image(Image.new("RGB", (40, 20), (0, 0, 0)), spec)
    assert preprocessed.shape == (20, 20, 3)
    assert preprocessed[:5].min() == 255
    assert preprocessed[6:14].max() == 0


def test_cropping_keeps_the_middle() -> None:
    spec = ImageSpec(fit="crop", resize_pixels=20, crop_pixels=10)
    picture = Image.new("RGB", (60, 20), (255, 0, 0))
    picture.paste((0, 0, 255), (20, 0, 40, 20))
    preprocessed = preprocess_image(picture, spec)
    assert preprocessed.shape == (10, 10, 3)
    assert (preprocessed == (0, 0, 255)).all()


@pytest.mark.parametrize("size", [(500, 500), (301, 640), (640, 301), (40, 90), (256, 300)])
@pytest.mark.parametrize("side", [224, 225])
def test_the_middle_alone_is_what_is_cut_out_of_the_resized_picture(
    size: tuple[int, int], side: int
) -> None:
    across, down = np.arange(size[0]) / 17, np.arange(size[1]) / 11
    waves = np.sin(across)[None, :, None] * np.cos(down)[:, None, None]
    pixels = (127 + 120 * waves * np.array([1.0, 0.5, -1.0])).astype(np.uint8)
    picture = Image.fromarray(pixels)
    spec = ImageSpec(fit="crop", resize_pixels=256, crop_pixels=side)
    resized = resize_image(picture, spec)
    left, top = ((length - side + 1) // 2 for length in resized.size)
    cut = resized.crop((left, top, left + side, top + side))
    difference = np.abs(np.asarray(cut, int) - preprocess_image(picture, spec))
    assert difference.max() <= 2  # roundings to whole numbers, in another order
    assert difference.mean() < 0.1
