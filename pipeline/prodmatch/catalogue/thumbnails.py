"""Products' pictures made small and anew: the bytes that came in are never passed on."""

import io
from collections.abc import Mapping
from functools import partial

from PIL import Image

from prodmatch.catalogue.images import PICTURE_SECONDS, UnusableImage, decode_image
from prodmatch.engines.local import IsolatedPool


def make_thumbnails(pictures: Mapping[str, bytes], side: int) -> dict[str, bytes]:
    """JPEGs of at most `side` pixels of these pictures; those that cannot be used are left out.

    They are decoded by another process, which a picture of a stranger may end.
    """
    with IsolatedPool(partial(make_thumbnail, side=side), 1, PICTURE_SECONDS) as pool:
        made = zip(pictures, pool.map(pictures.values()), strict=True)
        return {name: jpeg for name, jpeg in made if isinstance(jpeg, bytes)}


def save_jpeg(picture: Image.Image) -> bytes:
    """A picture as the bytes of a JPEG."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def make_thumbnail(data: bytes, side: int) -> bytes | None:
    """A JPEG of at most `side` pixels, decoded in this process; None if it cannot be used."""
    try:
        picture = decode_image(data)
    except UnusableImage:
        return None
    picture.thumbnail((side, side))
    return save_jpeg(picture)
