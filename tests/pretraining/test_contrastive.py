"""Batches of the dual encoder."""

import numpy as np

from prodmatch.pretraining.contrastive import (
    draw_batches,
)


def test_a_batch_is_of_one_source_and_every_product_in_one_batch() -> None:
    sources = np.array([7] * 100 + [3] * 30 + [9] * 2)
    batches = draw_batches(sources, 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(132))
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    assert [len(batch) for batch in batches if sources[batch[0]] == 7] == [34, 33, 33]
    first = [int(sources[batch[0]]) for batch in batches]
    assert first != sorted(first), "batches of a source follow each other"
