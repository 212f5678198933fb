"""The README of a generation: how another program reads it."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import cast

from prodmatch.model.familiarity import SHARPNESS
from prodmatch.model.hubness import QUERY_WEIGHT

TEMPLATE = Path(__file__).with_suffix(".md")


def generation_readme(entries: Mapping[str, object]) -> str:
    """The text of `README.md` for a generation with these manifest entries."""
    weights = cast(Mapping[str, float], entries["weights"])
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        products=entries["products"],
        model=entries["model"],
        fingerprint=str(entries["model_fingerprint"])[:12],
        type=entries["type"],
        dim=entries["dim"],
        part=int(str(entries["dim"])) // 2,
        hubness=f"{QUERY_WEIGHT:.4f}",
        sharpness=f"{SHARPNESS:.0f}",
        of_text=f"{weights['text']:g}",
        of_image=f"{weights['image']:g}",
    )
