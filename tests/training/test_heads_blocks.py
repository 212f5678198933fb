"""Heads of two blocks: what is learnt, what the encoders knew, and which of them a text trusts."""

import numpy as np

from prodmatch.model.heads import fit_cca
from prodmatch.model.projection import Projection
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.heads import block_heads
from prodmatch.training.held_out import recall_of_pairs

WIDTH, OTHERS = 24, 16
RNG = np.random.default_rng(0)
LEARNABLE = RNG.normal(size=(WIDTH, OTHERS)).astype(np.float32)


def world(first: int, count: int, *, named: float) -> tuple[Vectors, Vectors]:
    """Texts about eight of the causes, and pictures: learnable features, then a class vector.

    Args:
        first: of the causes, which are directions of the texts' space.
        count: of products.
        named: how far the classes tell what the pictures show.
    """
    causes = np.zeros((count, WIDTH), np.float32)
    causes[:, first : first + 8] = RNG.normal(size=(count, 8)) + 1.5
    noise = RNG.normal(size=(3, count, WIDTH)).astype(np.float32)
    learnable = (causes + 0.2 * noise[0]) @ LEARNABLE
    classes = normalise(named * causes + 0.6 * noise[1])
    return normalise(causes + 0.05 * noise[2]), np.hstack([learnable, classes])


def test_familiar_texts_use_what_was_learnt_and_strange_ones_the_classes() -> None:
    text, image = world(0, 600, named=0.2)
    fitted = fit_cca(text, image[:, :OTHERS], 13)
    weight = np.pad(fitted.image.weight, ((0, WIDTH), (0, 0)))
    learned = fitted.text, Projection.linear(weight, fitted.image.bias)
    general = normalise(RNG.normal(size=(500, WIDTH)).astype(np.float32))
    heads = block_heads(learned, text, image, general, width=WIDTH, dim=31)
    assert heads.dim == 31

    at_home, elsewhere = world(0, 200, named=0.2), world(12, 200, named=1.0)
    assert np.median(heads.text.familiarities(at_home[0])) > 0.8
    assert np.median(heads.text.familiarities(elsewhere[0])) < 0.2

    def recall(pair: tuple[Vectors, Vectors], text: Projection, image: Projection) -> float:
        return recall_of_pairs(text(pair[0]), image(pair[1]), np.arange(200))

    chance = 10 / 200
    for pair in (at_home, elsewhere):
        assert recall(pair, heads.text, heads.image) > 4 * chance
    assert recall(elsewhere, *learned) < recall(elsewhere, heads.text, heads.image) / 2


def test_directions_in_which_no_text_varies_do_not_outvote_the_others() -> None:
    text, image = world(0, 600, named=0.2)
    learned = Projection.linear(np.eye(WIDTH)), Projection.linear(np.eye(OTHERS + WIDTH, WIDTH))
    general = RNG.normal(size=(5, WIDTH)).astype(np.float32)
    heads = block_heads(learned, text, image, general, width=WIDTH, dim=1 + WIDTH)
    lengths = np.linalg.norm(heads.text.rotation[WIDTH:, -15:], axis=0)
    assert lengths.max() < 10 * lengths.min()


def test_directions_of_the_own_block_count_by_the_fourth_root_of_their_variance() -> None:
    text, image = world(0, 600, named=0.2)
    learned = Projection.linear(np.eye(WIDTH)), Projection.linear(np.eye(OTHERS + WIDTH, WIDTH))
    spread = np.geomspace(4, 0.25, WIDTH).astype(np.float32)
    general = 9 + spread * RNG.normal(size=(4000, WIDTH)).astype(np.float32)
    heads = block_heads(learned, text, image, general, width=WIDTH, dim=1 + WIDTH)
    own = heads.text.rotation[WIDTH:, -15:]
    centred = normalise(general) - heads.text.centre[WIDTH:]
    raw = np.var(normalise(general) @ (own / np.linalg.norm(own, axis=0)), axis=0)
    counted = np.log(np.linalg.norm(own, axis=0))
    slope = np.polyfit(np.log(raw), counted, 1)[0]
    np.testing.assert_allclose(slope, -0.25, atol=0.02)
    lengths = np.linalg.norm(normalise(centred) @ own, axis=1)
    np.testing.assert_allclose(lengths.mean(), 1.0, atol=1e-3)
