"""Neighbours are true ones, and products that are alike lie together."""

import numpy as np
import pytest

from prodmatch.maps.layout import NEIGHBOURS, find_neighbours, main_axes, make_layout
from prodmatch.storage.vectors import Vectors, normalise


def blobs(count: int, groups: int = 4) -> tuple[Vectors, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = np.arange(count) % groups
    return normalise(np.eye(groups, 24)[codes] + rng.normal(0, 0.1, (count, 24))), codes


def test_neighbours_are_those_of_numpy() -> None:
    vectors, _ = blobs(90)
    found, cosines = find_neighbours(vectors)
    truth = vectors @ vectors.T
    np.fill_diagonal(truth, -2)
    assert np.allclose(cosines, -np.sort(-truth, axis=1)[:, :NEIGHBOURS], atol=1e-5)
    assert np.allclose(np.take_along_axis(truth, found, 1), cosines, atol=1e-5)


def test_of_many_rows_nearly_the_nearest_are_found() -> None:
    vectors, _ = blobs(1_000)
    truth, _ = find_neighbours(vectors)
    found, _ = find_neighbours(vectors, exact_rows=500)
    shared = [len(set(one) & set(other)) for one, other in zip(found, truth, strict=True)]
    assert np.mean(shared) > 0.8 * NEIGHBOURS


def test_places_without_a_neighbour_have_the_row_itself() -> None:
    found, cosines = find_neighbours(blobs(3)[0])
    assert (found[:, 2:] == np.arange(3)[:, None]).all()
    assert (cosines[:, 2:] == 0).all()


def test_axes_are_those_of_the_widest_variation() -> None:
    rng = np.random.default_rng(1)
    vectors = (rng.normal(size=(400, 5)) * [1, 9, 1, 4, 1]).astype(np.float32)
    found = main_axes(vectors)
    assert abs(np.corrcoef(found[:, 0], vectors[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(found[:, 1], vectors[:, 3])[0, 1]) > 0.99


@pytest.mark.parametrize("library", [False, True])
def test_groups_lie_apart(library: bool) -> None:
    if library:
        pytest.importorskip("openTSNE")
    vectors, codes = blobs(240, 3)
    found = make_layout(vectors, find_neighbours(vectors)[0], with_tsne=library)
    assert np.abs(found).max() <= 1.05
    centres = np.stack([found[codes == code].mean(axis=0) for code in range(3)])
    nearest = ((found[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == codes).mean() > 0.97
