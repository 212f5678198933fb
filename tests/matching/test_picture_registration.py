"""Pictures of pairs: what was cropped and encoded anew fits, another colour or print does not."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from prodmatch.matching.pair_features import NAMES, PictureDifferences, has_one_photograph
from prodmatch.matching.pair_pictures import shrink
from prodmatch.matching.picture_registration import SIDE, compare_pictures


def draw(colour: str, print_colour: str = "white", *, stripes: bool = False) -> Image.Image:
    """A shirt with a print."""
    picture = Image.new("RGB", (180, 240), "white")
    pen = ImageDraw.Draw(picture)
    pen.polygon(
        [(20, 60), (60, 30), (120, 30), (160, 60), (140, 90), (140, 210), (40, 210)], colour
    )
    if stripes:
        for y in range(50, 200, 24):
            pen.rectangle((45, y, 135, y + 10), print_colour)
    else:
        pen.ellipse((65, 80, 115, 130), print_colour)
    return picture


def encode(picture: Image.Image, quality: int = 90) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def small(picture: Image.Image, quality: int = 90) -> npt.NDArray[np.uint8]:
    data = shrink(encode(picture, quality), SIDE)
    assert data is not None
    return np.frombuffer(data, np.uint8).reshape(1, SIDE, SIDE, 3)


def differences(one: Image.Image, other: Image.Image) -> PictureDifferences:
    return compare_pictures(small(one), small(other, 60))


def is_one_photograph(found: PictureDifferences) -> bool:
    values = np.full((1, len(NAMES)), np.nan, np.float32)
    for name in ("apart", "worst", "colour", "most"):
        values[0, NAMES.index(f"pictures_{name}")] = getattr(found, name)[0]
    return bool(has_one_photograph(values)[0])


def test_a_picture_cropped_and_encoded_anew_fits() -> None:
    shirt = draw("navy")
    found = differences(shirt, shirt.crop((10, 3, 172, 235)).resize((120, 160)))
    assert is_one_photograph(found)
    assert found.apart[0] < 0.02
    assert found.worst[0] < 0.06
    assert found.colour[0] < 5
    assert not found.recoloured[0]


@pytest.mark.parametrize(
    ("other", "recoloured"),
    [
        (draw("darkred"), True),
        (draw("navy", "gold"), True),
        (draw("navy", stripes=True), False),
    ],
    ids=["colour", "print", "pattern"],
)
def test_another_product_does_not_fit(other: Image.Image, recoloured: bool) -> None:
    found = differences(draw("navy"), other)
    assert not is_one_photograph(found)
    assert found.recoloured[0] == recoloured


def test_a_part_of_another_brightness_is_still_one_photograph_in_two_colours() -> None:
    found = PictureDifferences(*(np.array([each]) for each in (0.02, 0.6, 34.0, 50.0)))
    assert found.recoloured.tolist() == [True]


def test_a_small_print_elsewhere_does_not_fit() -> None:
    other = draw("navy")
    ImageDraw.Draw(other).rectangle((70, 170, 95, 190), "white")
    found = differences(draw("navy"), other)
    assert found.apart[0] < 0.2
    assert found.worst[0] > 0.4
    assert not is_one_photograph(found)


def test_the_order_of_the_two_does_not_matter() -> None:
    one, other = small(draw("navy")), small(draw("navy", stripes=True))
    both = compare_pictures(np.concatenate([one, other]), np.concatenate([other, one]))
    for values in (both.apart, both.worst, both.colour, both.most):
        assert values[0] == values[1]


def test_what_shows_nothing_is_compared() -> None:
    blank = small(Image.new("RGB", (50, 50), "white"))
    found = compare_pictures(blank, blank)
    assert (found.apart[0], found.worst[0], found.colour[0]) == (0, 0, 0)
    assert compare_pictures(blank[:0], blank[:0]).apart.tolist() == []


def test_what_is_no_picture_is_none() -> None:
    assert shrink(b"no picture", SIDE) is None
