"""Model cards: what a model was made from and what it can do; the texts are template files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prodmatch.model.description import Model
from prodmatch.pretraining.job import ScratchSettings
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


def encoders_card(
    name: str,
    settings: ScratchSettings,
    reports: tuple[Sequence[Mapping[str, float]], Fitted],
    *,
    start: Model | None,
    pairs: int,
    calibrated: Calibrated,
) -> str:
    """The card of trained encoders: where they began, settings, and a row an epoch.

    Args:
        name: of the model.
        settings: of all stages.
        reports: figures of the epochs of the encoders, and of the heads over them.
        start: the model that was fine-tuned.
        pairs: products trained on.
        calibrated: the probability, and how good it is.
    """
    report, fitted = reports
    shown = {} if start else {**asdict(settings.shape), "masked_epochs": settings.masked_epochs}
    shown |= {"kept_dim": settings.kept_dim, **asdict(settings.contrast)}
    shown |= {f"heads_{name}": value for name, value in asdict(settings.head_fitting).items()}
    return _render(
        "encoders_card.md",
        name=name,
        settings=settings,
        start=start,
        pairs=pairs,
        calibrated=calibrated,
        report=report,
        fitted=fitted,
        shown=shown,
    )


def _render(template: str, **values: object) -> str:
    loader = FileSystemLoader(Path(__file__).parent)
    cards = Environment(loader=loader, undefined=StrictUndefined)
    return cards.get_template(template).render(values) + "\n"
