"""Heads that do not forget: fitted ones together with those of the model that they started from."""

from dataclasses import replace

from prodmatch.model.heads import Heads, Projection
from prodmatch.training.trainer import Measure

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the fitted heads
ADDED = 64  # directions of the fitted heads, where both are kept


def leave_as_far_as_it_pays(
    start: Heads, fitted: Heads, measure: Measure, slack: float
) -> tuple[Heads, float]:
    """Heads of both, and the share of the fitted ones: the smallest that is as good as any.

    What lies outside of a shop's own products only the model knows, and no measure on held-out
    products tells what is lost there, so the model is left no further than these pay for.

    Args:
        start: the heads of the model.
        fitted: heads over the same features.
        measure: a figure on products that neither was fitted on.
        slack: how far a figure may be below the best, as chance lets it.
    """
    joined = [(share, join_heads(start, fitted, share)) for share in SHARES]
    figures = [measure(heads) for _, heads in joined]
    least = max(figures) - slack
    place = next(number for number, figure in enumerate(figures) if figure >= least)
    share, heads = joined[place]
    return heads, share


def join_heads(start: Heads, fitted: Heads, share: float) -> Heads:
    """The directions of both, concatenated: an inner product of which is their mean."""
    if share in (0.0, 1.0):
        return fitted if share else start
    both = (1 - share, share)
    return Heads(
        Projection.stack([start.text, _leading(fitted.text)], both),
        Projection.stack([start.image, _leading(fitted.image)], both),
    )


def _leading(projection: Projection) -> Projection:
    return replace(projection, rotation=projection.rotation[:, :ADDED])
