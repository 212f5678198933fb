"""Model cards: what a model was made from and what it can do."""

from collections.abc import Mapping, Sequence

from prodmatch.training.scratch import ScratchSettings

__all__ = ["heads_card", "scratch_card"]

HEADS = """\
# {name}

Heads fitted by regularised canonical correlation on {pairs} products of a catalogue, without
labels, over frozen encoders. Recall@10 from a held-out text to its own picture: {recall}.
"""

SCRATCH = """\
# {name}

A small BERT and a {resnet} trained from scratch by `prodmatch train --encoders scratch` on
{products} products. Recall@10 from a held-out title to its own picture: {recall}.

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


def scratch_card(
    name: str,
    settings: ScratchSettings,
    report: Sequence[Mapping[str, float]],
    products: int,
    recall: float,
) -> str:
    """The card of encoders trained from scratch: settings, and a row an epoch."""
    shown = {
        **settings.shape.as_dict(),
        "masked_epochs": settings.masked_epochs,
        "kept_dim": settings.kept_dim,
        **settings.contrast.as_dict(),
    }
    return SCRATCH.format(
        name=name,
        resnet=settings.shape.resnet,
        products=products,
        recall=recall,
        settings="\n".join(f"| {setting} | {value} |" for setting, value in shown.items()),
        epochs="\n".join(
            f"| {row['epoch']:.0f} | {row['loss']:.3f} | {row['seconds']:.0f} "
            f"| {row['val_recall_at_10']:.4f} |"
            for row in report
        ),
    )
