"""The nearest labelled products of others."""

import faiss
import numpy as np
import pytest

from prodmatch.attributes.evidence import find_evidence
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import join_parts


def test_the_hubness_of_a_products_own_picture_is_no_likeness() -> None:
    """Two hubs have a large first number; a product like the first has none."""
    pictures = np.array([[-0.6, 0.8, 0, 0], [-0.6, 0.6, 0.53, 0], [0.6, 0.8, 0, 0]], np.float32)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    for text in (np.zeros_like(pictures), np.eye(1, 4, 3, dtype=np.float32).repeat(3, axis=0)):
        index = faiss.IndexFlatIP(8)
        index.add(join_parts(text, pictures))
        labels = np.array([-1, 0, 0])
        found = find_evidence(AnnIndex(index), np.array([0]), np.array([0]), labels)
        assert found.rows[0].tolist() == [2, 1]
        share = 0.5 if text.any() else 1.0  # of the picture in the vector
        assert found.similarity[0] == pytest.approx(0.8 * share + 1 - share)
