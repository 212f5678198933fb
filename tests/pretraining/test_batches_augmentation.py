"""Augmented texts and pictures."""

import numpy as np
import torch

from prodmatch.pretraining.batches import TextAugmentation, augment_pictures
from prodmatch.pretraining.data import TrainingProduct


def test_short_texts_are_made_of_what_is_said_of_the_product() -> None:
    product = TrainingProduct(
        "Acme Crew Neck Top", "", {"colour": "red", "type": "t-shirt|tee", "gender": "men"}
    )
    augmentation = TextAugmentation(np.random.default_rng(0))
    said = {augmentation.short(product) for _ in range(300)}
    assert {"red t-shirt", "red tee"} <= said
    assert not any("|" in text or "{" in text for text in said)


def test_augmented_pictures_keep_the_hue() -> None:
    pixels = torch.zeros(64, 40, 40, 3, dtype=torch.uint8)
    pixels[..., 0] = 200  # red
    torch.manual_seed(0)
    augmented = augment_pictures(pixels, 32)
    assert augmented.shape == (64, 32, 32, 3)
    assert 0 <= augmented.min() < augmented.max() <= 255
    red, green, blue = augmented.mean(dim=(1, 2)).T
    assert (red > green).all()
    torch.testing.assert_close(green, blue, atol=1e-3, rtol=0)


def test_half_of_augmented_pictures_are_mirrored_and_a_quarter_have_a_grey_rectangle() -> None:
    pixels = torch.zeros(800, 32, 32, 3, dtype=torch.uint8)
    pixels[:, :, :16, 0] = 200  # red on the left, blue on the right
    pixels[:, :, 16:, 2] = 200
    torch.manual_seed(0)
    augmented = augment_pictures(pixels, 32)
    left = augmented[:, :, :4].mean(dim=(1, 2))
    assert 340 < (left[:, 2] > left[:, 0]).sum() < 460
    grey = (augmented.amax(dim=3) - augmented.amin(dim=3) < 1).float().mean(dim=(1, 2))
    assert 140 < (grey > 0.01).sum() < 260
    torch.manual_seed(0)
    torch.testing.assert_close(augment_pictures(pixels, 32), augmented)
