"""Exchanged pictures, categories of other products and copies are found, and little else."""

import numpy as np

from prodmatch.maps.outliers import (
    doubt_wrong_pictures,
    near_duplicates,
    wrong_categories,
    wrong_pictures,
)
from prodmatch.storage.vectors import normalise


def test_exchanged_pictures_are_found() -> None:
    rng = np.random.default_rng(0)
    text = normalise(rng.normal(size=(400, 16)))
    image = normalise(text + rng.normal(0, 0.15, text.shape))
    image[[3, 50, 77]] = image[[50, 77, 3]]
    image[9], text[11] = 0, 0
    assert {each.position for each in wrong_pictures(text, image)} == {3, 50, 77}


def test_a_list_of_many_pictures_is_doubted() -> None:
    rng = np.random.default_rng(1)
    text, image = (normalise(rng.normal(size=(400, 16))) for _ in range(2))
    image[:100] = 0
    wrong = len(wrong_pictures(text, image))
    (warning,) = doubt_wrong_pictures(wrong, text, image)
    assert warning.startswith(f"wrong_picture: {wrong} of 300 products are listed.")
    assert doubt_wrong_pictures(15, text, image) == []
    assert doubt_wrong_pictures(16, text, image)


def test_a_category_that_no_neighbour_has_is_found() -> None:
    codes = np.array([0] * 10 + [1, 1, -1])
    neighbours = np.array([[other for other in range(10) if other != row][:9] for row in range(13)])
    cosines = np.full(neighbours.shape, 0.9, np.float32)
    found = wrong_categories(codes, ("shirt", "lamp"), neighbours, cosines)
    assert [each.position for each in found] == [10, 11]
    assert found[0].detail == "lamp; 9 of 9 neighbours are shirt"
    assert wrong_categories(codes, ("shirt", "lamp"), neighbours, np.zeros_like(cosines)) == []


def test_each_pair_of_copies_is_listed_once() -> None:
    neighbours = np.array([[1, 2], [0, 2], [0, 1]])
    cosines = np.array([[0.99, 0.2], [0.99, 0.1], [0.2, 0.1]], np.float32)
    (found,) = near_duplicates(neighbours, cosines)
    assert (found.position, found.other) == (0, 1)
