"""Augmented texts and pictures."""

import numpy as np
import torch

from prodmatch.pretraining.augment import ImageAugmentation, TextAugmentation, mirror_and_crop
from prodmatch.training.pairs import TrainingProduct


def test_half_of_other_views_are_mirrored_and_all_are_larger() -> None:
    picture = np.full((20, 20, 3), 255, np.uint8)
    picture[:, :10] = (200, 0, 0)
    picture[[0, -1]] = picture[:, [0, -1]] = (0, 0, 200)  # a frame
    views = mirror_and_crop(np.stack([picture] * 400), 16, np.random.default_rng(0))
    assert views.shape == (400, 16, 16, 3)
    mirrored = views[:, 8, 3, 1] > views[:, 8, 12, 1]  # white is left
    assert 160 < mirrored.sum() < 240
    preprocessed = [(views[:, 8, place, 2] > views[:, 8, place, 0]).mean() for place in (0, -1)]
    assert max(preprocessed) < 0.9
    again = mirror_and_crop(np.stack([picture] * 400), 16, np.random.default_rng(0))
    np.testing.assert_array_equal(again, views)


def test_short_texts_are_made_of_what_is_said_of_the_product() -> None:
    product = TrainingProduct(
        "Acme Crew Neck Top", "", {"colour": "red", "type": "t-shirt|tee", "gender": "men"}
    )
    views = TextAugmentation(np.random.default_rng(0))
    said = {views.short(product) for _ in range(300)}
    assert {"red t-shirt", "red tee"} <= said
    assert not any("|" in text or "{" in text for text in said)


def test_picture_views_keep_the_hue() -> None:
    pictures = np.zeros((64, 40, 40, 3), np.uint8)
    pictures[..., 0] = 200  # red
    views = ImageAugmentation(np.random.default_rng(0), side=32).draw(pictures)
    assert views.shape == (64, 3, 32, 32)
    red, green, blue = views.mean(dim=(2, 3)).T
    assert (red > green).all()
    assert torch.allclose(green, blue, atol=1e-5)
