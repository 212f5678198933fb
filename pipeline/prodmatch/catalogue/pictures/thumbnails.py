"""Products' pictures made small and anew: the bytes that came in are never passed on."""

import base64
import io
from collections.abc import Mapping
from functools import partial

from PIL import Image

from prodmatch.catalogue.pictures.images import PICTURE_SECONDS, UnusableImage, decode_image
from prodmatch.engines.local import IsolatedPool

MEDIA_TYPE = "image/webp"
QUALITY = 75


def make_thumbnails(pictures: Mapping[str, bytes], side: int) -> dict[str, bytes]:
    """WebPs of at most `side` pixels of these pictures; those that cannot be used are left out.

    They are decoded by another process, which a picture of a stranger may end.
    """
    with IsolatedPool(partial(make_thumbnail, side=side), 1, PICTURE_SECONDS) as pool:
        made = zip(pictures, pool.map(pictures.values()), strict=True)
        return {name: webp for name, webp in made if isinstance(webp, bytes)}


def make_thumbnail(data: bytes, side: int) -> bytes | None:
    """A WebP of at most `side` pixels, decoded in this process; None if it cannot be used."""
    try:
        picture = decode_image(data)
    except UnusableImage:
        return None
    picture.thumbnail((side, side))
    return save_webp(picture)


def save_webp(picture: Image.Image) -> bytes:
    """A picture as the bytes of a WebP."""
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def data_address(webp: bytes) -> str:
    """An address that holds a picture."""
    return f"data:{MEDIA_TYPE};base64,{base64.b64encode(webp).decode()}"
