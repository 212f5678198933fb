"""Features to parts: only those in use are projected, each row gets its own."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.embedding.fuse import project_modality
from prodmatch.errors import StoreError
from prodmatch.storage.features import KEY, FeatureStore, content_key
from prodmatch.storage.vectors import Vectors, normalise


def keys_of(*names: str | None) -> pa.Array:
    return pa.array([None if name is None else content_key(name.encode()) for name in names], KEY)


def test_only_features_in_use_are_projected_and_rows_get_their_own(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 4)).astype(np.float16).astype(np.float32)
    for names, rows in (("abc", slice(0, 3)), ("xyz", slice(3, 6))):
        faults = ["broken" if name == "b" else None for name in names]
        store.append(keys_of(*names).to_pylist(), vectors[rows], faults)
    projected: list[int] = []

    def project(features: Vectors) -> Vectors:
        projected.append(len(features))
        return normalise(features)

    keys = keys_of("c", None, "b", "a", "c")
    found = project_modality(store, project, 4, keys, tmp_path / "map.f32")
    assert projected == [3]  # the second shard is of no use, and not even a row of it is projected
    assert found.vectors.shape == (3, 4)  # c, b, a
    assert found.present.tolist() == [True, False, False, True, True]
    expected = normalise(vectors)[[2, 0, 2]]
    np.testing.assert_array_equal(found.take(np.array([0, 3, 4])), expected)
    assert not found.take(np.array([1, 2])).any()
    assert list(found.errors.values()) == ["broken"]


def test_a_catalogue_without_contents_gives_no_parts(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    keys = keys_of(None, None)
    found = project_modality(store, normalise, 4, keys, tmp_path / "map.f32")
    assert found.present.tolist() == [False, False]
    assert not found.take(np.array([0, 1])).any()


def test_a_feature_that_is_gone_meanwhile_is_an_error(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    store.append(keys_of("a").to_pylist(), np.ones((1, 4), np.float32), [None])
    with pytest.raises(StoreError, match="lacks the features of 1 of 2 contents"):
        project_modality(store, normalise, 4, keys_of("a", "gone"), tmp_path / "map.f32")
