"""Model cards: what a model was made from and what it can do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from prodmatch.model.description import Model
from prodmatch.pretraining.job import ScratchSettings
from prodmatch.training.metrics import Calibrated

HEADS = """\
# {name}

Heads over frozen encoders, fitted on {pairs} products of a catalogue by {how}. Recall@10 from a
held-out text to its own picture: {recall}.

On what was held out, the figure that decided was {before:.4f} for canonical correlation and, epoch
by epoch, {figures} for gradients. {texts}{probability}
"""

TEXTS = """\
The features of texts are concatenated, centred: the figure is {after:.4f} with them, and
recall@10 from a few words of a held-out text to it {with_them:.4f} ({without:.4f} without). """

PROBABILITY = """\
The probability of a hit, sigmoid({scale} * cosine {bias:+}), has a Brier score of {brier} \
({base} for always saying the share that matches) and an expected calibration error of {ece} \
on queries of held-out products."""

ENCODERS = """\
# {name}

{beginning} on {pairs} products by `prodmatch train`. Recall@10 from a held-out title to its own
picture: {recall:.4f}. {probability}

| setting | value |
|---|---|
{settings}

| epoch | loss | seconds | recall@10 on held-out titles |
|---|---|---|---|
{epochs}

Then a token embedding bag and the heads, over the finished encoders: {fitted_heads} (epoch by
epoch, run after run); as an ensemble, kept where that is no less than the encoders' own heads
reach, {before:.4f}.
"""


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


def heads_card(
    name: str, fitted: Fitted, *, pairs: int, recall: float, calibrated: Calibrated
) -> str:
    """The card of heads fitted on a catalogue."""
    how = "canonical correlation" if fitted.heads == "cca" else f"gradients of {fitted.loss}"
    figures = ", ".join(f"{figure:.4f}" for figure in fitted.figures)
    texts = ""
    if fitted.residual_texts is not None:
        without, with_them = fitted.residual_texts
        texts = TEXTS.format(after=fitted.after, with_them=with_them, without=without)
    return HEADS.format(
        name=name,
        pairs=pairs,
        how=how,
        recall=recall,
        before=fitted.before,
        figures=figures,
        texts=texts,
        probability=_describe_probability(calibrated),
    )


def _describe_probability(found: Calibrated) -> str:
    scale, bias = found.calibration.scale, found.calibration.bias
    return PROBABILITY.format(
        scale=scale, bias=bias, brier=found.brier, base=found.base, ece=found.ece
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
        reports: figures of the dual_encoder' epochs, and of the words and heads over them.
        start: the model they were trained further from.
        pairs: products trained on.
        calibrated: the probability, and how good it is.
    """
    report, fitted = reports
    if start is None:
        beginning = f"A small BERT and a {settings.shape.resnet} trained from scratch"
        shown = {**settings.shape.as_dict(), "masked_epochs": settings.masked_epochs}
    else:
        beginning = f"The encoders of {start.label}, trained further"
        shown = {}
    shown |= {"kept_dim": settings.kept_dim, **settings.contrast.as_dict()}
    shown |= {f"heads_{name}": value for name, value in asdict(settings.head_fitting).items()}
    return ENCODERS.format(
        name=name,
        beginning=beginning,
        pairs=pairs,
        probability=_describe_probability(calibrated),
        recall=fitted.after,
        before=fitted.before,
        fitted_heads=", ".join(f"{figure:.4f}" for figure in fitted.figures),
        settings="\n".join(f"| {setting} | {value} |" for setting, value in shown.items()),
        epochs="\n".join(
            f"| {row['epoch']:.0f} | {row['loss']:.3f} | {row['seconds']:.0f} "
            f"| {row['val_recall_at_10']:.4f} |"
            for row in report
        ),
    )
