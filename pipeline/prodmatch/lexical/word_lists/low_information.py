"""Low-information terms: words that descriptions say and titles do not."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path


@functools.cache
def low_information_weights() -> Mapping[str, float]:
    """The weight of a word in a long query, for those that weigh less than 1.

    Counted by `recipes/compact/low_information_terms.py` in English titles and descriptions; words
    of other languages are not among them, and weigh 1.
    """
    weights: dict[str, float] = json.loads(
        Path(__file__).with_name("low_information_terms.json").read_bytes()
    )
    return weights
