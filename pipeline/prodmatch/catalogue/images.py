"""One untrusted picture to RGB, and one untrusted path to bytes."""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from prodmatch.errors import ProdmatchError

__all__ = ["ImageFault", "decode_image", "read_image_file", "read_trusted_file"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")  # of a GIF the first frame; EPS would run a program
MOST_BYTES = 20 << 20
MOST_PIXELS = 50_000_000
MOST_SCANS = 100  # of a JPEG: forty bytes a scan cost the decoder milliseconds
START_OF_SCAN = b"\xff\xda"


class ImageFault(ProdmatchError):
    """A picture that cannot be used.

    Attributes:
        reason: one word, for counting.
        detail: what was found, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}"[:200])
        self.reason = reason
        self.detail = detail[:200]


def decode_image(data: bytes) -> Image.Image:
    """The picture in `data` as RGB: upright, on white where it is transparent.

    Raises:
        ImageFault: `empty`, `too_many_bytes`, `too_many_scans`, `not_an_image`,
            `too_many_pixels` or `broken`; a truncated picture is broken, never half grey.
    """
    if not data:
        raise ImageFault("empty", "no bytes")
    if len(data) > MOST_BYTES:
        raise ImageFault("too_many_bytes", f"{len(data)} bytes, at most {MOST_BYTES}")
    if data.startswith(b"\xff\xd8") and data.count(START_OF_SCAN) > MOST_SCANS:
        scans = data.count(START_OF_SCAN)
        raise ImageFault("too_many_scans", f"{scans} JPEG scans, at most {MOST_SCANS}")
    try:
        with _silence(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                found = f"{width} x {height} pixels, at most {MOST_PIXELS}"
                raise ImageFault("too_many_pixels", found)
            return _to_rgb(picture)
    except ImageFault:
        raise
    except UnidentifiedImageError as error:
        raise ImageFault("not_an_image", f"starts with {data[:8]!r}") from error
    except Image.DecompressionBombError as error:
        raise ImageFault("too_many_pixels", str(error)) from error
    except Exception as error:  # decoders raise what they like on hostile bytes
        raise ImageFault("broken", f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps Pillow from warning of what is refused below, or does no harm, such as a bad EXIF."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return _narrow(picture)
    upright = ImageOps.exif_transpose(picture)
    if "A" in upright.getbands() or "transparency" in upright.info:
        layers = upright.convert("RGBA")
        white = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(white, layers).convert("RGB")
    return upright.convert("RGB")


def _narrow(picture: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit: scaled, where Pillow's own conversion clips."""
    values = np.asarray(picture, dtype=np.float64)
    eight = np.clip(np.rint(values / 257.0), 0, 255).astype(np.uint8)
    return ImageOps.exif_transpose(Image.fromarray(eight)).convert("RGB")


def read_image_file(path: str, root: Path) -> bytes:
    """The bytes of a picture below `root`, named by a path relative to it.

    Nothing but a regular file below `root` is opened, links out of it are not followed, and no
    network is ever reached: a URL is a name like any other.

    Raises:
        ImageFault: `bad_path`, `outside_root`, `missing`, `not_a_file` or `too_many_bytes`.
    """
    try:
        base = root.resolve()
        target = (base / path).resolve()
        inside = not Path(path).is_absolute() and target.is_relative_to(base)
    except (ValueError, OSError, RuntimeError) as error:
        raise ImageFault("bad_path", f"{path!r}: {error}") from error
    if not inside or "://" in path:
        raise ImageFault("outside_root", repr(path))
    return _read_regular(target, path, os.O_NOFOLLOW)


def read_trusted_file(path: Path) -> bytes:
    """The bytes of a picture that the person who asks has named, wherever it lies.

    Raises:
        ImageFault: as `read_image_file`; a pipe or a device is not waited for.
    """
    return _read_regular(path, str(path), 0)


def _read_regular(target: Path, name: str, flags: int) -> bytes:
    """Opens without waiting, and reads what is a regular file and not too large."""
    try:
        flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(target, flags)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageFault("missing", repr(name)) from error
    except (OSError, ValueError) as error:
        raise ImageFault("bad_path", f"{name!r}: {error}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ImageFault("not_a_file", repr(name))
        if found.st_size > MOST_BYTES:
            raise ImageFault("too_many_bytes", f"{name!r}: {found.st_size} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ImageFault("unreadable", f"{name!r}: {error.strerror}") from error
    finally:
        os.close(descriptor)
