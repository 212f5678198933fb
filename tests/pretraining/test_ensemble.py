"""Runs concatenated, and the directions that are kept."""

from dataclasses import replace

import numpy as np

from prodmatch.pretraining.ensemble import HeadRun, Sample, ensemble_runs
from prodmatch.pretraining.token_bag import (
    Texts,
    mean_rows,
)
from prodmatch.storage.vectors import Vectors


def test_joined_fits_compare_as_the_mean_of_each() -> None:
    rng = np.random.default_rng(0)
    texts = Texts([rng.integers(0, 40, 5) for _ in range(300)], rng.normal(size=(300, 3)))
    sample = Sample(texts, rng.normal(size=(300, 9)).astype(np.float32), np.arange(300))

    def draw_run(size: float) -> HeadRun:
        shapes = (40, 6), (3, 6), (6,), (9, 6), (6,)
        return HeadRun(*[size * rng.normal(size=shape).astype(np.float32) for shape in shapes])

    def cosines(fit: HeadRun) -> Vectors:
        heads = fit.project(sample, 1 + len(fit.text_bias))
        return heads.text(fit.features(texts)) @ heads.image(sample.pictures).T

    runs = [draw_run(size) for size in (0.1, 1.0, 20.0)]
    mean = np.mean([cosines(fit) for fit in runs], axis=0)
    whole = cosines(ensemble_runs(runs, sample, 18))
    assert np.corrcoef(mean.ravel(), whole.ravel())[0, 1] > 0.9
    alone = [np.corrcoef(cosines(fit).ravel(), whole.ravel())[0, 1] for fit in runs]
    assert max(alone) < 0.75, "the largest has the say of all"
    assert ensemble_runs(runs, sample, 6).words.shape == (40, 6)
    assert ensemble_runs(runs[:1], sample, 6) is runs[0]


def test_directions_are_kept_in_which_pairs_agree() -> None:
    rng = np.random.default_rng(0)
    words = np.zeros((40, 9), np.float32)  # products say the first twenty, others the rest
    words[:20, :3], words[:20, 8] = rng.normal(size=(20, 3)), rng.normal(size=20)
    words[20:30, 4:8] = 5 * rng.normal(size=(10, 4))
    words[30:] = -words[20:30]  # the contrary of each
    looks = np.eye(4, 9, dtype=np.float32)
    looks[3] *= 5  # seen more than anything, and said by no text
    fit = HeadRun(words, np.zeros((1, 9), "f4"), np.zeros(9, "f4"), looks, np.zeros(9, "f4"))
    said, other = (
        Texts(list(rng.integers(low, high, (2000, 3))), np.zeros((2000, 1), "f4"))
        for low, high in ((0, 20), (20, 30))
    )
    pictures = mean_rows(words, said.tokens)[:, :4]
    pictures[:, 3] = rng.normal(size=2000)
    sample = Sample(said, pictures, np.arange(2000))
    same, contrary = (
        replace(other, tokens=[row[::-1] + more for row in other.tokens]) for more in (0, 10)
    )

    def kept(some: Sample, count: int) -> Vectors:
        """How much of each direction is kept, 0 to 1."""
        return np.asarray(np.linalg.norm(fit.project(some, 1 + count).text.rotation, axis=1))

    products = kept(sample, 4)
    assert products[:3].min() > 0.9
    assert products[8] > 0.9, "texts are asked by texts too"
    assert products[3:8].max() < 0.3, "what varies most on one side alone is noise"
    assert kept(replace(sample, pairs=(other, same)), 8)[4:8].min() > 0.9
    assert kept(replace(sample, pairs=(other, contrary)), 5)[4:8].max() < 0.3
    # the leading directions are those that agree most, and both parts have the same
    heads = fit.project(replace(sample, pairs=(other, same)), 10)
    np.testing.assert_array_equal(heads.text.rotation, heads.image.rotation)
    agreed = (heads.text(fit.features(said)) * heads.image(pictures)).mean(axis=0)
    assert agreed.argmax() < 3
