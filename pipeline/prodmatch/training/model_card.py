"""Model cards: what a model was made from and what it can do; the texts are template files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prodmatch.model.description import Model
from prodmatch.training.metrics import Calibrated


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


def heads_card(
    name: str, fitted: Fitted, *, pairs: int, recall: float, calibrated: Calibrated
) -> str:
    """The card of heads fitted on a catalogue."""
    return _render(
        "heads_card.md",
        name=name,
        fitted=fitted,
        pairs=pairs,
        recall=recall,
        calibrated=calibrated,
    )


def encoders_card(  # noqa: PLR0913  # all that a card says
    name: str,
    settings: Mapping[str, object],
    report: Sequence[Mapping[str, float]],
    fitted: Fitted,
    *,
    start: Model | None,
    pairs: int,
    calibrated: Calibrated,
) -> str:
    """The card of trained encoders: where they began, settings, and a row an epoch.

    Args:
        name: of the model.
        settings: by name.
        report: figures of the epochs of every run.
        fitted: the figures of the model.
        start: the model that was fine-tuned.
        pairs: products trained on.
        calibrated: the probability, and how good it is.
    """
    return _render(
        "encoders_card.md",
        name=name,
        settings=settings,
        report=report,
        fitted=fitted,
        start=start,
        pairs=pairs,
        calibrated=calibrated,
    )


def _render(template: str, **values: object) -> str:
    loader = FileSystemLoader(Path(__file__).parent)
    cards = Environment(loader=loader, undefined=StrictUndefined)
    return cards.get_template(template).render(values) + "\n"
