"""Heads that do not forget: fitted ones together with those of the model that they started from.

What lies outside of a shop's own products only the model knows, and no measure on held-out
products tells what is lost there. So the fitted directions have their share in texts that are like
the shop's own, and next to none in others: figures in docs/experiments.md.
"""

from dataclasses import replace

import numpy as np

from prodmatch.model.heads import Heads, Projection, add_residual_texts
from prodmatch.model.hubness import QueryBank
from prodmatch.storage.vectors import Vectors
from prodmatch.training.examples import Examples
from prodmatch.training.heads.query_bank import add_query_bank, find_familiarity
from prodmatch.training.held_out import Measure
from prodmatch.training.trained_model import Fitted

SHARES = (0.0, 0.5, 0.75, 0.95)  # of the fitted directions, in a text like the shop's
PICTURE_SHARE = 0.5  # of the same in a picture
ADDED = 128  # directions of the fitted heads, where both are kept
MOST_CENTRED = 20_000  # products that the centre and the rotation of residual texts are taken from


def leave_where_it_pays(
    start: Heads, fitted: Heads, measure: Measure, text: Vectors, slack: float
) -> tuple[Heads, float]:
    """Heads of both, and the share of the fitted ones in texts like the shop's.

    Args:
        measure: a figure on products that neither was fitted on.
        text: `(n, text features)` of the products that `fitted` was fitted on.
        slack: by how much a figure must be above that of `start`, as chance lets it.
    """
    joined = [(share, join_heads(start, fitted, share, text)) for share in SHARES]
    figures = [measure(heads) for _, heads in joined]
    best = int(np.argmax(figures))
    share, heads = joined[best if figures[best] > figures[0] + slack else 0]
    return heads, share


def join_heads(start: Heads, fitted: Heads, share: float, text: Vectors) -> Heads:
    """The directions of both, concatenated: an inner product of which is their weighted mean.

    The query bank is that of `start`, which says nothing of the directions that are added.
    """
    if share == 0.0:
        return start
    texts = Projection.stack([start.text, _leading(fitted.text)], (1 - share, share))
    images = Projection.stack(
        [start.image, _leading(fitted.image)], (1 - PICTURE_SHARE, PICTURE_SHARE)
    )
    own = len(start.text.shares)
    strange = np.array([*start.text.shares, *[0.0] * (len(texts.shares) - own)], np.float32)
    block = int(start.text.familiarity[0].block[0]) if start.text.familiarity else 0
    known = find_familiarity(texts, text, block, strange)
    texts = replace(texts, familiarity=(*texts.familiarity, known))
    return Heads(texts, images, start.bank and _widen(start.bank, images.rotation.shape[1]))


def _leading(projection: Projection) -> Projection:
    return replace(projection, rotation=projection.rotation[:, :ADDED])


def _widen(bank: QueryBank, dim: int) -> QueryBank:
    """The bank over the first of `dim` directions, in pictures that have less of their length."""
    codes = np.pad(bank.codes, ((0, 0), (0, dim - bank.codes.shape[1])))
    scales = bank.scales / np.float32(np.sqrt(1 - PICTURE_SHARE))
    return replace(bank, codes=codes, scales=scales)


def keep_texts(
    heads: Heads, fitted: Fitted, pairs: Examples, measures: tuple[Measure, Measure], slack: float
) -> tuple[Heads, Fitted]:
    """The heads with a query bank, and with residual text features unless these find less.

    Args:
        measures: what decided over the heads, and that of words.
        slack: how far a figure may fall, as chance lets it.
    """
    chosen = slice(None, None, -(-len(pairs.text) // MOST_CENTRED))
    residual = add_residual_texts(heads, pairs.text[chosen], pairs.image[chosen])
    heads, residual = (add_query_bank(each, pairs.text, pairs.image) for each in (heads, residual))
    without, with_them = ([measure(each) for measure in measures] for each in (heads, residual))
    worse = any(now < was - slack for was, now in zip(without, with_them, strict=True))
    if worse or with_them[0] < fitted.before:
        return heads, fitted
    return residual, replace(fitted, after=with_them[0], residual_texts=(without[1], with_them[1]))
