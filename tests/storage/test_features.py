"""Features are found by their key; a shard whose bytes changed is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.errors import DamagedError
from prodmatch.storage.features import FeatureStore, content_key


def test_features_come_back_by_their_key(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    vectors = np.arange(24, dtype=np.float32).reshape(6, 4)
    keys = [content_key(bytes([number])) for number in range(6)]
    store.append(keys[:2], vectors[:2], [None, None])
    store.append(keys[2:], vectors[2:], [None, "broken", None, None])
    asked = pa.array([keys[5], keys[0], content_key(b"unknown"), keys[3], keys[5]], pa.binary(16))
    found, usable = store.take(asked)
    assert usable.tolist() == [True, True, False, False, True]
    np.testing.assert_array_equal(found[usable], vectors[[5, 0, 5]])
    assert store.keys().to_pylist() == keys


def test_a_shard_whose_bytes_changed_is_refused(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features")
    name = store.append([content_key(b"a")], np.ones((1, 4), np.float32), [None])
    content = bytearray((store.folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (store.folder / name).write_bytes(content)
    with pytest.raises(DamagedError, match="its bytes changed"):
        list(store.shards())
