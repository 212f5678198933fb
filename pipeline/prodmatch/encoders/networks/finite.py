"""Weights that are numbers: what a training that diverged leaves behind is refused by name."""

from collections.abc import Mapping

import torch
from torch import Tensor

from prodmatch.errors import ModelError


def require_finite(weights: Mapping[str, Tensor], place: str) -> None:
    """Raise unless all weights are finite.

    Raises:
        ModelError: some are NaN or infinite; names the place and one of them.
    """
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise ModelError(
            f"{place}: {len(broken)} of its {len(weights)} weights hold NaN or infinity, such as "
            f"{broken[0]!r}, as a training leaves that diverged. Give weights from before that."
        )
