"""Model cards: what a model was made from and what it can do; the texts are template files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@dataclass(frozen=True)
class Fitted:
    """Which heads a training ended with, and the figures that decided."""

    heads: str
    loss: str
    before: float
    after: float
    figures: Sequence[float]  # one an epoch
    #: Recall@10 of texts by words, without and with residual text features, where these are kept.
    residual_texts: tuple[float, float] | None = None
    share: float = 1.0  # of the fitted heads; the rest is of the model that they started from


def render_card(template: str, values: Mapping[str, object]) -> str:
    """The card that a template of this folder gives, of the values that it names."""
    loader = FileSystemLoader(Path(__file__).parent)
    cards = Environment(loader=loader, undefined=StrictUndefined)
    return cards.get_template(template).render(values) + "\n"
