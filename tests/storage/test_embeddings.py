"""Vectors as columns of Arrow."""

import numpy as np
import pyarrow as pa

from prodmatch.storage.embeddings import vector_array, vectors_of


def test_no_vectors_have_their_dimensions_too() -> None:
    column = vector_array(np.zeros((3, 5), np.float32))
    assert vectors_of(column).shape == (3, 5)
    assert vectors_of(column.take(pa.array([], pa.int64()))).shape == (0, 5)
