"""Residual text features in fitted heads, kept where they find more."""

from dataclasses import replace

from prodmatch.model.heads import Heads, add_residual_texts
from prodmatch.training.examples import Examples
from prodmatch.training.heads.query_bank import add_query_bank
from prodmatch.training.held_out import Measure
from prodmatch.training.trained_model import Fitted

MOST_CENTRED = 20_000  # products that the centre and the rotation are taken from


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
