"""One untrusted picture to RGB, or the reason why not."""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image, ImageOps, UnidentifiedImageError, features

from prodmatch.errors import ProdmatchError

# Of an animation the first frame; EPS would run a program.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", *(["AVIF"] if features.check("avif") else []))
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the workers are processes
PROLOGUE = rb"(?:\xef\xbb\xbf)?\s*(?:(?:<\?xml[^>]*>|<!--(?:(?!-->).)*-->)\s*)*"
# What is often found where a picture should be; by reason, how it starts.
OTHERS = {
    "git_lfs_pointer": rb"version https://git-lfs",
    "git_annex_pointer": rb"(?:\.\./|\.git)*/annex/objects/",
    "svg": PROLOGUE + rb"<(svg|!doctype svg)[\s/>]",
    "html_page": PROLOGUE
    + rb"<(!doctype html|html|head|body|title|meta|script|center|div|h\d|pre|p|br|b)[\s/>]",
    "pdf": rb"\s*%PDF-",
    "gzip": rb"\x1f\x8b",
    "bmp": rb"BM.{4}\0\0\0\0",
    "tiff": rb"II[*+]\0|MM\0[*+]",
    "heic": rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",
    "avif": rb"....ftypavi[fs]",
    "jpeg": rb"\xff\xd8\xff",
    "png": rb"\x89PNG",
    "gif": rb"GIF8",
    "webp": rb"RIFF....WEBP",
    "jpeg_xl": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "jpeg_2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "video": rb"....ftyp|\x1aE\xdf\xa3",
    "psd": rb"8BPS\0",
    "postscript": rb"%!PS",
    "ico": rb"\0\0\x01\0",
    "zip": rb"PK\x03\x04",
    "xml": PROLOGUE + rb"<(\?xml\s|[a-z])",
    "json": rb"\s*[\[{]\s*[\[{\"]",
    # A PNG or a JPEG that was written as text: bytes from 0x80 on as UTF-8, or replaced.
    "damaged_as_text": rb"(\xc2\x89|\xef\xbf\xbd)PNG|\xc3\xbf\xc3\x98\xc3\xbf|(\xef\xbf\xbd){3}",
    "text": rb"[\s -~]+\Z",
}
OTHER = {name: re.compile(start, re.DOTALL | re.IGNORECASE) for name, start in OTHERS.items()}
NAMED_BYTES = 1000  # of a file, to name what it is
MOST_BYTES = 20 << 20
MOST_PIXELS = 50_000_000
MOST_SIDE = 2048  # of a picture given as pixels: as a PNG it then has fewer than MOST_BYTES
PICTURE_SECONDS = 10.0  # for one picture; the largest that is let through takes about two
MOST_SCANS = 100  # of a JPEG: forty bytes a scan cost the decoder milliseconds
TOO_LARGE = ("too_many_bytes", "too_many_pixels", "too_many_scans")  # reasons
START_OF_SCAN = b"\xff\xda"


class UnusableImage(ProdmatchError):
    """A picture that cannot be used.

    Attributes:
        reason: one word, for counting.
        detail: what was found, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}"[:200])
        self.reason = reason
        self.detail = detail[:200]


def remedy_of(reason: str) -> str:
    """What to do about a picture that cannot be used for that reason."""
    if reason in TOO_LARGE:
        return "Give a smaller one."
    return "Give a JPEG, PNG, WebP or GIF."


def decode_image(
    data: bytes, least_size: Callable[[tuple[int, int]], tuple[int, int]] | None = None
) -> Image.Image:
    """The picture in `data` as RGB: upright, on white where it is transparent.

    Args:
        data: of strangers.
        least_size: of a picture's width and height, those that are enough: a JPEG is then decoded
            at a half, a quarter or an eighth of its size, where that is not less.

    Raises:
        UnusableImage: `empty`, `too_many_bytes`, `too_many_scans`, `too_many_pixels`, `broken` (a
            truncated picture is broken, never half grey), a name of OTHERS or `not_an_image`.
    """
    if not data.strip(b"\0"):
        raise UnusableImage("empty", f"{len(data)} zero bytes" if data else "no bytes")
    if len(data) > MOST_BYTES:
        raise UnusableImage("too_many_bytes", f"{len(data)} bytes, at most {MOST_BYTES}")
    if data.startswith(b"\xff\xd8") and data.count(START_OF_SCAN) > MOST_SCANS:
        scans = data.count(START_OF_SCAN)
        raise UnusableImage("too_many_scans", f"{scans} JPEG scans, at most {MOST_SCANS}")
    try:
        with _silence(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                found = f"{width} x {height} pixels, at most {MOST_PIXELS}"
                raise UnusableImage("too_many_pixels", found)
            if least_size is not None:
                picture.draft(None, least_size(picture.size))
            return _to_rgb(picture)
    except UnusableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnusableImage(_name_content(data), f"starts with {data[:16]!r}") from error
    except Image.DecompressionBombError as error:
        raise UnusableImage("too_many_pixels", str(error)) from error
    except Exception as error:  # decoders raise what they like on hostile bytes
        raise UnusableImage("broken", f"{type(error).__name__}: {error}") from error


def encode_picture(picture: Image.Image) -> bytes:
    """A picture of Pillow's as bytes that `decode_image` takes: a PNG of at most MOST_SIDE pixels.

    Raises:
        UnusableImage: it cannot be read, as its file is broken.
    """
    out = io.BytesIO()
    try:
        upright = _to_rgb(picture)
        upright.thumbnail((MOST_SIDE, MOST_SIDE))
        upright.save(out, "PNG", compress_level=1)
    except Exception as error:  # a file is decoded when its pixels are first wanted
        raise UnusableImage("broken", f"{type(error).__name__}: {error}") from error
    return out.getvalue()


def _name_content(data: bytes) -> str:
    start = data[:NAMED_BYTES]
    found = next((name for name, kind in OTHER.items() if kind.match(start)), "not_an_image")
    return "broken" if found.upper() in FORMATS else found  # of a format that is read


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps Pillow from warning of what is refused below, or does no harm, such as a bad EXIF."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return _narrow(picture)
    picture.load()
    is_turned = picture.getexif().get(ExifTags.Base.Orientation, 1) != 1
    upright = ImageOps.exif_transpose(picture) if is_turned else picture  # it would copy
    if "A" in upright.getbands() or "transparency" in upright.info:
        layers = upright.convert("RGBA")
        white = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(white, layers).convert("RGB")
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def _narrow(picture: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit: scaled, where Pillow's own conversion clips."""
    values = np.asarray(picture, dtype=np.float64)
    eight = np.clip(np.rint(values / 257.0), 0, 255).astype(np.uint8)
    return ImageOps.exif_transpose(Image.fromarray(eight)).convert("RGB")
