"""A few texts and pictures that two forms of one encoder are compared over."""

import numpy as np

from prodmatch.model.preprocessing import ImageSpec, Pixels

SAMPLE_TEXTS = (
    "red t-shirt",
    "women's leather handbag, black",
    "usb-c cable 2 m",
    "Stuhl für Gäste",
)


def sample_pictures(spec: ImageSpec) -> Pixels:
    """Four pictures of noise, three of them half white, in the size that an encoder sees."""
    side = spec.crop_pixels
    pixels = np.random.default_rng(0).integers(0, 255, (4, side, side, 3), dtype=np.uint8)
    pixels[1:, : side // 2] = 255  # most products stand on plain white
    return pixels
