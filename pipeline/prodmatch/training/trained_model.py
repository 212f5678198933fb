"""What a training gives: figures on its way, then a model, calibrated, with a card, reported."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prodmatch.encoders.networks.model_writer import EncoderFiles, write_model
from prodmatch.errors import StoreError, not_installed
from prodmatch.model.calibration import Calibration
from prodmatch.model.description import ModelDescription
from prodmatch.model.heads import Heads
from prodmatch.training.held_out import HeldOut

LogFigure = Callable[[str, float, int], None]  # name, value, step


@dataclass(frozen=True)
class TrainReport:
    """What a training made, and how good it is on held-out products."""

    model: str
    fingerprint: str
    #: `linear`, or `cca` where that was better; `kept`, those of the model started from, where
    #: neither found more; `encoders` where all was trained.
    heads: str
    pairs: int
    held_out: int
    val_recall_at_10: float  # held-out texts with their own picture among the ten nearest
    before: float  # the figure that decided, of the closed form or of the model started from
    after: float
    brier: float
    ece: float
    calibration: Calibration
    warnings: list[str]  # what to know of its figures and probabilities


@dataclass(frozen=True)
class Fitted:
    """The heads that a training ended with, and the figures that decided."""

    heads: Heads
    kind: str  # as `TrainReport.heads`
    loss: str
    before: float
    after: float
    figures: Sequence[float]  # one an epoch
    #: Recall@10 of texts by words, without and with residual text features, where these are kept.
    residual_texts: tuple[float, float] | None = None
    share: float = 1.0  # of the fitted heads; the rest is of the model that they started from


def ignore(name: str, value: float, step: int) -> None:
    """Logs no figure."""


@contextlib.contextmanager
def open_log(folder: Path | str | None) -> Iterator[LogFigure]:
    """What takes figures while the block runs: event files for TensorBoard, where wanted.

    Raises:
        NotInstalledError: TensorBoard is not installed.
    """
    if folder is None:
        yield ignore
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise not_installed("tensorboard", wanted_by=f"log_dir={folder}") from error
    with SummaryWriter(str(folder)) as writer:
        yield writer.add_scalar


def check_new(out: Path) -> None:
    """Refuses a model directory that exists."""
    if out.exists():
        raise StoreError(f"`out={out}`: exists already; models are never overwritten.")


def write_trained(
    out: Path,
    files: EncoderFiles,
    fitted: Fitted,
    held_out: HeldOut,
    pairs: int,
    shown: Mapping[str, object] | None = None,
) -> TrainReport:
    """Writes a model and its card; the probability of a match is fitted on held-out products.

    Args:
        files: the encoders, and the weights of the signals where they are not the usual ones.
        pairs: how many products it was fitted on.
        shown: what else the card shows.
    """
    description = ModelDescription(out.name, files.text, files.image)
    if files.weights is not None:
        description = replace(description, weights=files.weights)
    found = held_out.calibrate(fitted.heads, description.weights, files.calibration)
    description = replace(description, calibration=found.calibration)
    recall = held_out.recall(fitted.heads)
    template = "encoders_card.md" if fitted.kind == "encoders" else "heads_card.md"
    cards = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined)
    values = {"name": out.name, "fitted": fitted, "recall": recall, "pairs": pairs}
    card = cards.get_template(template).render(values, calibrated=found, **(shown or {})) + "\n"
    model = write_model(out, files, fitted.heads, description, card)
    return TrainReport(
        model=str(model.folder),
        fingerprint=model.fingerprint,
        heads=fitted.kind if fitted.share else "kept",
        pairs=pairs,
        held_out=len(held_out.text),
        val_recall_at_10=recall,
        before=fitted.before,
        after=fitted.after,
        brier=found.brier,
        ece=found.ece,
        calibration=found.calibration,
        warnings=[each for each in (held_out.warning, found.warning) if each],
    )
