"""Prose: words that descriptions say and titles do not, and how little each tells in a query."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["prose_weights"]


@functools.cache
def prose_weights() -> Mapping[str, float]:
    """The weight of a word in a long query, for those that weigh less than 1.

    Counted by `recipes/compact/low_information_terms.py` in English titles and descriptions; words
    of other languages are not among them, and weigh 1.
    """
    weights: dict[str, float] = json.loads(
        Path(__file__).with_name("low_information_terms.json").read_bytes()
    )
    return weights
