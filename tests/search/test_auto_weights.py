"""How well a model knows a catalogue, and what that does to the weights of its signals."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.search.auto_weights import measure_alignment, weights_for
from prodmatch.storage.embeddings import Embeddings, vector_array, write_embeddings
from prodmatch.storage.vectors import Vectors, join_parts, normalise

WEIGHTS = {"lexical": 0.2, "text": 0.3, "image": 0.5}


def random_parts(count: int, seed: int) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=(count, 32)))


def embed(
    folder: Path, text: Vectors, image: Vectors, texts: list[str] | None = None
) -> Embeddings:
    count = len(text)
    table = pa.table(
        {
            "vector": vector_array(join_parts(text, image)),
            "text": texts or [f"product {row}" for row in range(count)],
            "has_text": text.any(axis=1),
            "has_image": image.any(axis=1),
        }
    )
    facts = {"rows": count, "embedded": count, "rejected": 0, "dim": 2 * text.shape[1]}
    facts |= {"model": "random", "model_fingerprint": "", "catalogue": ""}
    facts |= {"features": [], "images_unusable": {}}
    return write_embeddings(folder, "ab", [table], facts)


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 1.0, 1.0), (0.3, 0.5, 0.99)])
def test_parts_that_belong_together_agree(
    tmp_path: Path, noise: float, low: float, high: float
) -> None:
    text = random_parts(5000, 0)
    image = normalise(text + noise * np.random.default_rng(1).normal(size=text.shape))
    found = measure_alignment(embed(tmp_path, text, image))
    assert found is not None
    assert low <= found <= high


def test_parts_of_other_products_agree_by_chance(tmp_path: Path) -> None:
    found = measure_alignment(embed(tmp_path, random_parts(3000, 0), random_parts(3000, 1)))
    assert found == pytest.approx(0.0, abs=0.05)


def test_the_few_products_with_pictures_tell_where_most_have_none(tmp_path: Path) -> None:
    text, image = random_parts(20_000, 0), random_parts(20_000, 1)
    pictured = np.arange(20_000) % 100 == 7
    image[~pictured] = 0.0
    found = measure_alignment(embed(tmp_path, text, image))
    assert found == pytest.approx(0.0, abs=0.1)


def test_kinds_of_products_that_take_turns_all_count(tmp_path: Path) -> None:
    text, image = random_parts(6000, 0), random_parts(6000, 1)
    image[::3] = text[::3]
    found = measure_alignment(embed(tmp_path, text, image))
    assert found == pytest.approx(1 / 3, abs=0.05)


def test_pictures_that_are_all_one_tell_nothing(tmp_path: Path) -> None:
    image = np.repeat(random_parts(1, 1), 200, axis=0)
    assert measure_alignment(embed(tmp_path, random_parts(200, 0), image)) == pytest.approx(
        0.0, abs=0.05
    )


def test_too_few_products_tell_nothing(tmp_path: Path) -> None:
    text = random_parts(200, 0)
    image = text.copy()
    image[40:] = 0.0
    assert measure_alignment(embed(tmp_path / "pictures", text, image)) is None
    same = ["red shirt"] * 200
    assert measure_alignment(embed(tmp_path / "texts", text, text, same)) is None


def test_vectors_count_as_far_as_the_catalogue_is_known() -> None:
    assert weights_for(WEIGHTS, None) == WEIGHTS
    assert weights_for(WEIGHTS, 0.5) == {"lexical": 0.2, "text": 0.15, "image": 0.125}
    assert weights_for(WEIGHTS, -0.3) == {"lexical": 0.2, "text": 0.015, "image": 0.025}


def test_hubs_among_pictures_are_taken_into_account(tmp_path: Path) -> None:
    """Pictures that lean to where all texts lie tell less, until that is taken off."""
    rng = np.random.default_rng(0)
    text, lean = rng.normal(size=(600, 32)) + 0.5, np.zeros((600, 1))
    image = text + 3.0 * rng.normal(size=text.shape)
    lean[::3] = 3.0
    image += lean
    text[:, 0] = image[:, 0] = 0.0
    text, image = normalise(text), normalise(image)
    found = []
    for first in (0.5, -0.5):
        image[::3, 0] = first
        alignment = measure_alignment(embed(tmp_path / str(first), text, normalise(image)))
        assert alignment is not None
        found.append(alignment)
    assert found[1] > found[0] + 0.02
