"""Model cards: what a model was made from and what it can do."""

from collections.abc import Mapping, Sequence

from prodmatch.models import Model
from prodmatch.training.scratch import ScratchSettings

__all__ = ["encoders_card", "heads_card"]

HEADS = """\
# {name}

Heads fitted by regularised canonical correlation on {pairs} products of a catalogue, without
labels, over frozen encoders. Recall@10 from a held-out text to its own picture: {recall}.
"""

ENCODERS = """\
# {name}

{beginning} on {pairs} products by `prodmatch train`. Recall@10 from a held-out title to its own
picture: {recall:.4f}.

| setting | value |
|---|---|
{settings}

| epoch | loss | seconds | recall@10 on held-out titles |
|---|---|---|---|
{epochs}
"""


def heads_card(name: str, pairs: int, recall: float) -> str:
    """The card of heads fitted on a catalogue."""
    return HEADS.format(name=name, pairs=pairs, recall=recall)


def encoders_card(
    name: str,
    settings: ScratchSettings,
    report: Sequence[Mapping[str, float]],
    *,
    start: Model | None,
    pairs: int,
) -> str:
    """The card of trained encoders: where they began, settings, and a row an epoch."""
    if start is None:
        beginning = f"A small BERT and a {settings.shape.resnet} trained from scratch"
        shown = {**settings.shape.as_dict(), "masked_epochs": settings.masked_epochs}
    else:
        beginning = f"The encoders of {start.label}, trained further"
        shown = {}
    shown |= {"kept_dim": settings.kept_dim, **settings.contrast.as_dict()}
    return ENCODERS.format(
        name=name,
        beginning=beginning,
        pairs=pairs,
        recall=max(row["val_recall_at_10"] for row in report),
        settings="\n".join(f"| {setting} | {value} |" for setting, value in shown.items()),
        epochs="\n".join(
            f"| {row['epoch']:.0f} | {row['loss']:.3f} | {row['seconds']:.0f} "
            f"| {row['val_recall_at_10']:.4f} |"
            for row in report
        ),
    )
