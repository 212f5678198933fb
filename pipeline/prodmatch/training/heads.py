"""What fitted heads are put together with: a query bank, residual texts, the heads before them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from prodmatch.model.familiarity import Familiarity
from prodmatch.model.heads import Heads, add_residual_texts, project_heads
from prodmatch.model.hubness import SHARPNESS, QueryBank
from prodmatch.model.projection import Projection
from prodmatch.storage.vectors import Vectors, draw_rows, nearest_centres, normalise
from prodmatch.training.dataset import Examples
from prodmatch.training.held_out import Measure
from prodmatch.training.trained_model import Fitted

MOST_TEXTS = 1024  # centres of a query bank
TEXTS_PER_CENTRE = 20  # that a centre represents, at least
MOST_GROUPED = 100 * MOST_TEXTS
ROUNDS = 12
STEPS = 127  # of a code, on either side of 0
CENTRES = 256  # of groups that texts are familiar by
LEAST_FAMILIAR = 0.05  # share of the training texts that lie beyond the threshold
MOST_CENTRED = 20_000  # products that the centre and the rotation of residual texts are taken from

# Figures of the shares and the dimensions: docs/experiments.md.
SHARES = (0.0, 0.25, 0.5)  # of the fitted directions, in a text like the shop's; texts lose by more
PICTURE_SHARE = 0.5  # of the same in a picture
ADDED = 128  # directions of the fitted heads, where both are kept
OWN_SHARES = (0.2, 0.99)  # of the encoder's own block, in a familiar text and in a strange one
OWN_PICTURE_SHARE = 0.05  # of the same in a picture
LEAST_VARIANCE = 0.01  # of a direction of the own block, in units of the mean
WHITENING = 0.25  # power of a direction's variance that it is divided by, in the own block


def add_query_bank(heads: Heads, text: Vectors, image: Vectors) -> Heads:
    """The heads with a query bank and the mean similarity of pictures to it.

    The bank is of centres of groups of texts `(n, text features)`, by k-means; a group counts as
    if its texts lay about its centre as in a normal distribution.
    """
    rows = heads.text(text[draw_rows(len(text), MOST_GROUPED)])
    centres, nearest = _group_rows(rows, MOST_TEXTS)
    sizes = np.bincount(nearest, minlength=len(centres))
    squares = np.bincount(nearest, ((rows - centres[nearest]) ** 2).sum(axis=1), len(centres))
    variances = squares / np.maximum(sizes, 1) / rows.shape[1]
    logits = np.log(np.maximum(sizes, 1) / len(rows)) + SHARPNESS**2 * variances / 2
    codes, scales = _code_rows(centres)
    used = sizes > 0
    parts = codes[used], scales[used].astype(np.float32), logits[used].astype(np.float32)
    bank = QueryBank(*parts, np.zeros(1, np.float32))
    mean = bank.similarity(heads.image(image)).mean(keepdims=True)
    return replace(heads, bank=replace(bank, usual=mean.astype(np.float32)))


def _find_familiarity(
    texts: Projection, text: Vectors, block: int, shares: Vectors, queries: Vectors | None = None
) -> Familiarity:
    """How familiar a text is in a block of a projection, from `(n, text features)` of products.

    Args:
        shares: `(blocks,)`, of a text that is like none of these.
        queries: `(m, text features)` that labels were given for, each familiar itself.
    """
    rows = texts.block(text, block).astype(np.float32)
    centres, _ = _group_rows(rows, CENTRES)
    codes, scales = _code_rows(normalise(centres))
    nearest = (rows @ (codes * scales[:, None]).T).max(axis=1)
    threshold = np.quantile(nearest, [LEAST_FAMILIAR]).astype(np.float32)
    if queries is not None:
        drawn = texts.block(queries[draw_rows(len(queries), MOST_TEXTS)], block)
        own, own_scales = _code_rows(drawn.astype(np.float32))
        codes, scales = np.concatenate([codes, own]), np.concatenate([scales, own_scales])
    return Familiarity(codes, scales.astype(np.float32), threshold, np.array([block]), shares)


def _code_rows(rows: Vectors) -> tuple[npt.NDArray[np.int8], Vectors]:
    """Rows `(n, dim)` in bytes, each by a scale `(n,)` of its own: their product is nearly they."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-12) / STEPS
    return np.rint(rows / scales[:, None]).astype(np.int8), scales


def _group_rows(rows: Vectors, most: int) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """Centres `(count, dim)` of groups by k-means, and the group of each row `(n,)`.

    FAISS could do it, but its threads must not be loaded together with torch's.
    """
    count = min(most, max(1, len(rows) // TEXTS_PER_CENTRE))
    centres = rows[np.random.default_rng(0).choice(len(rows), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = nearest_centres(rows, centres)
        order = np.argsort(nearest, kind="stable")
        groups, starts = np.unique(nearest[order], return_index=True)
        summed = np.add.reduceat(rows[order], starts)
        centres[groups] = summed / np.diff([*starts, len(rows)])[:, None]
    return centres, nearest_centres(rows, centres)


def keep_texts(
    fitted: Fitted, pairs: Examples, measures: tuple[Measure, Measure], slack: float
) -> Fitted:
    """The heads with a query bank, and with residual text features unless these find less.

    The measures are what decided over the heads, and that of words; by chance a figure may fall by
    the slack.
    """
    chosen = draw_rows(len(pairs.text), MOST_CENTRED)
    residual = add_residual_texts(fitted.heads, pairs.text[chosen], pairs.image[chosen])
    both = [add_query_bank(each, pairs.text, pairs.image) for each in (fitted.heads, residual)]
    without, with_them = ([measure(heads) for measure in measures] for heads in both)
    worse = any(now < was - slack for was, now in zip(without, with_them, strict=True))
    if worse or with_them[0] < fitted.before:
        return replace(fitted, heads=both[0])
    figures = without[1], with_them[1]
    return replace(fitted, heads=both[1], after=with_them[0], residual_texts=figures)


def leave_where_it_pays(
    start: Heads,
    fitted: Fitted,
    measure: Measure,
    sets: Sequence[Examples],
    slack: float,
    shares: Sequence[float] = SHARES,
) -> Fitted:
    """Heads of both, with the share of the fitted ones that finds most.

    What lies outside of a shop's own products only the heads before know, and no measure on
    held-out products tells what is lost there. So the fitted directions have their share in texts
    that are like the shop's own, or its labelled queries, and next to none in others. A figure
    must be above that of `start` by the slack, as chance lets it.

    Args:
        measure: of products that neither was fitted on.
        sets: what `fitted` was fitted on: labels if there are any, then pairs of text and picture.
        shares: of the fitted heads in a score, that are tried; the first is kept where none is
            better.
    """
    *labelled, pairs = sets
    queries = labelled[0].distinct_queries() if labelled else None
    if start.bank is None:
        start = add_query_bank(start, pairs.text, pairs.image)
    joined = [ensemble_heads(start, fitted.heads, share, pairs.text, queries) for share in shares]
    figures = [measure(heads) for heads in joined]
    best = int(np.argmax(figures))
    best = best if figures[best] > figures[0] + slack else 0
    kept = replace(fitted, heads=joined[best], share=shares[best])
    return replace(kept, before=figures[0], after=figures[best])


def ensemble_heads(
    start: Heads, fitted: Heads, share: float, text: Vectors, queries: Vectors | None = None
) -> Heads:
    """The directions of both, concatenated: an inner product of which is their weighted mean.

    The query bank is that of `start`, which says nothing of the directions that are added.
    """
    if share == 0.0:
        return start
    own = start.text
    text_part, image_part = (
        replace(part, rotation=part.rotation[:, :ADDED]) for part in (fitted.text, fitted.image)
    )
    texts = Projection.stack([own, text_part], (1 - share, share))
    images = Projection.stack([start.image, image_part], (1 - PICTURE_SHARE, PICTURE_SHARE))
    strange = np.pad(np.array(own.shares, np.float32), (0, len(texts.shares) - len(own.shares)))
    block = int(own.familiarity[0].block[0]) if own.familiarity else 0
    known = _find_familiarity(texts, text, block, strange, queries)
    texts = replace(texts, familiarity=(*texts.familiarity, known))
    return Heads(texts, images, start.bank and _widen(start.bank, images.rotation.shape[1]))


def _widen(bank: QueryBank, dim: int) -> QueryBank:
    """The bank over the first of `dim` directions, in pictures that have less of their length."""
    codes = np.pad(bank.codes, ((0, 0), (0, dim - bank.codes.shape[1])))
    scales = bank.scales / np.float32(np.sqrt(1 - PICTURE_SHARE))
    return replace(bank, codes=codes, scales=scales)


def count_learned(dim: int) -> int:
    """How many learned directions a part of heads of two blocks has."""
    return (dim - 1) * 2 // 5


def block_heads(
    learned: tuple[Projection, Projection],
    text: Vectors,
    image: Vectors,
    general: Vectors,
    *,
    width: int,
    dim: int,
) -> Heads:
    """Heads of two blocks, learned from products and the encoders' own, with a query bank.

    The second block is the text encoder's own space, in which pictures are the vectors of their
    likely classes. Which of the two a text trusts depends on how familiar it is.

    Args:
        learned: heads of texts and of pictures, over all of their features.
        text: `(n, text features)` of training products, which begin with the encoder's own vector.
        image: `(n, image features)` of the same, which end with the class vector.
        general: `(m, text features)` of class names and of texts of all kinds.
        width: of the encoder's own vector, and of a class vector.
        dim: of a part; two fifths are learned directions, and the first number is none.
    """
    directions = count_learned(dim)
    fitted = project_heads(*learned, (learned[0](text), learned[1](image)), 1 + directions)
    own = _own_heads(text, image, general, width, dim - 1 - directions)
    texts = Projection.stack([fitted.text, own.text], (1 - OWN_SHARES[0], OWN_SHARES[0]))
    pictures = Projection.stack(
        [fitted.image, own.image], (1 - OWN_PICTURE_SHARE, OWN_PICTURE_SHARE)
    )
    strange = np.array([1 - OWN_SHARES[1], OWN_SHARES[1]], np.float32)
    known = _find_familiarity(texts, text, 1, strange)
    return add_query_bank(Heads(replace(texts, familiarity=(known,)), pictures), text, image)


def _own_heads(text: Vectors, image: Vectors, general: Vectors, width: int, dim: int) -> Heads:
    """Heads of the encoder's own space without the directions of least variance.

    A direction counts by the fourth root of its variance in texts of all kinds, half-way to where
    all count alike: a few directions would outvote the others, which tell one product from the
    next. The centre of texts is that of texts of all kinds, too: those of one shop would make
    others alike.
    """
    same = Projection.linear(np.eye(width, dtype=np.float32))
    texts = Projection.join([(slice(0, width), same)], [1.0], text.shape[1])
    last = slice(image.shape[1] - width, None)
    pictures = Projection.join([(last, same)], [1.0], image.shape[1])
    vectors = normalise(general[:, :width]).astype(np.float64)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    kept = np.argsort(-values)[:dim]
    least = LEAST_VARIANCE * values.mean()  # where texts are fewer than directions
    whitened = directions[:, kept] * np.maximum(values[kept], least) ** -WHITENING

    def whiten(part: Projection, rows: Vectors) -> Projection:
        centred = replace(part, centre=part(rows).mean(axis=0))
        lengths = np.linalg.norm(centred(rows) @ whitened, axis=1)
        return replace(centred, rotation=(whitened / lengths.mean()).astype(np.float32))

    return Heads(whiten(texts, general), whiten(pictures, image))
