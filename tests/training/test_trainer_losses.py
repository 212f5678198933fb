"""The losses of heads."""

import numpy as np
import pytest
import torch

from prodmatch.storage.vectors import normalise
from prodmatch.training.trainer import info_nce_of


def test_the_loss_agrees_with_its_definition_and_leaves_equals_out() -> None:
    rng = np.random.default_rng(0)
    left, right = (torch.from_numpy(normalise(rng.normal(size=(5, 4)))) for _ in range(2))
    scale = torch.tensor(7.0)
    logits = (7.0 * left @ right.T).numpy()
    ignored = np.zeros((5, 5), dtype=bool)
    ignored[0, 1] = True
    kept = np.where(ignored, -np.inf, logits)
    rows = np.log(np.exp(kept).sum(axis=1)) - np.diag(logits)
    columns = np.log(np.exp(kept).sum(axis=0)) - np.diag(logits)
    found = info_nce_of(left @ right.T, torch.from_numpy(ignored), scale)
    assert found.item() == pytest.approx((rows.mean() + columns.mean()) / 2, rel=1e-5)
