"""A model put together after a training: calibrated, described on a card, written, reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prodmatch.encoders.networks.model_writer import EncoderFiles, write_model
from prodmatch.errors import StoreError
from prodmatch.model.description import Calibration, ModelDescription
from prodmatch.model.heads import Heads
from prodmatch.training.held_out import HeldOut


@dataclass(frozen=True)
class TrainReport:
    """What a training made, and how good it is on held-out products."""

    model: str
    fingerprint: str
    heads: str  # `linear`, or `cca` where that was better; `encoders` where all was trained
    pairs: int
    held_out: int
    val_recall_at_10: float  # held-out texts with their own picture among the ten nearest
    before: float  # the figure that decided, of the closed form or of the model started from
    after: float
    brier: float
    ece: float
    calibration: Calibration


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


def check_new(out: Path) -> None:
    """Refuses a model directory that exists."""
    if out.exists():
        raise StoreError(f"`out={out}`: exists already; models are never overwritten.")


def write_trained(
    out: Path,
    files: EncoderFiles,
    heads: Heads,
    fitted: Fitted,
    held_out: HeldOut,
    shown: Mapping[str, object],
) -> TrainReport:
    """Writes a model and its card; the probability of a match is fitted on held-out products.

    Args:
        files: the encoders, and the weights of the signals where they are not the usual ones.
        shown: the number of `pairs` that they were fitted on, and what else the card shows.
    """
    description = ModelDescription(out.name, files.text, files.image)
    if files.weights is not None:
        description = replace(description, weights=files.weights)
    found = held_out.calibrate(heads, description.weights)
    description = replace(description, calibration=found.calibration)
    recall = held_out.recall(heads)
    template = "encoders_card.md" if fitted.heads == "encoders" else "heads_card.md"
    cards = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined)
    values = {"name": out.name, "fitted": fitted, "recall": recall, "calibrated": found, **shown}
    card = cards.get_template(template).render(values) + "\n"
    model = write_model(out, files, heads, description, card)
    return TrainReport(
        model=str(model.folder),
        fingerprint=model.fingerprint,
        heads=fitted.heads,
        pairs=int(str(shown["pairs"])),
        held_out=len(held_out.text),
        val_recall_at_10=recall,
        before=fitted.before,
        after=fitted.after,
        brier=found.brier,
        ece=found.ece,
        calibration=found.calibration,
    )
