"""Regions are found, and named by words that are theirs."""

import numpy as np

from prodmatch.maps.clusters import find_clusters, group


def test_groups_are_the_heaps() -> None:
    rng = np.random.default_rng(0)
    true = np.arange(300) % 3
    heaps = np.array([[0, 0], [1, 0], [0, 1]])[true]
    codes = group((heaps + rng.normal(0, 0.05, heaps.shape)).astype(np.float32), 3)
    assert all(len(np.unique(codes[true == number])) == 1 for number in range(3))
    assert len(np.unique(codes)) == 3


def test_names_are_of_words_that_others_have_not() -> None:
    positions = np.repeat([[-1, 0], [1, 0]], 12, axis=0).astype(np.float32)
    texts = ["the red wool shirts"] * 6 + ["red cotton shirt"] * 6 + ["the red lamp 40"] * 12
    clusters, regions = find_clusters(positions, texts)
    left = {each.name for each in clusters if each.x < 0}
    right = {each.name for each in clusters if each.x > 0}
    assert right == {"lamp"}
    (name,) = left
    assert set(name.split()) <= {"wool", "cotton", "shirts", "shirt"}
    assert len(np.unique(regions)) == 2
