"""Training of the scorer: gradient boosting by scikit-learn, cross-fitted and calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from prodmatch.errors import QueryError
from prodmatch.matching.listings.numbered_listings import Floats, Ints
from prodmatch.matching.scoring.boosted_trees import BoostedTrees
from prodmatch.matching.scoring.pair_scorer import HeldOut, PairScorer, Probabilities
from prodmatch.model.calibration import Calibration, fit_calibration

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

FEWEST_PAIRS = 50
FEWEST_OF_A_CLASS = 10
FOLDS = 4
LEAST_SCALE = 1e-3  # of log-odds: a higher one is never less likely to match


@dataclass(frozen=True)
class BoostingSettings:
    """Of the gradient boosting."""

    trees: int = 150
    leaves: int = 15
    learning_rate: float = 0.06
    depth: int = 8  # more costs time for every pair, and finds no more
    smallest_leaf: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Labels:
    """Labelled pairs.

    Attributes:
        features: `(pairs, features)`.
        match: whether each is one product.
        groups: pairs of one number are held out together, such as those of one listing.
    """

    features: Floats
    match: npt.NDArray[np.bool_]
    groups: Ints


def check_labels(match: npt.NDArray[np.bool_]) -> None:
    """Checks that there are enough of both classes.

    Raises:
        QueryError: there are not; says how many there are.
    """
    positive = int(match.sum())
    negative = len(match) - positive
    if len(match) < FEWEST_PAIRS:
        raise QueryError(
            f"`pairs`: {len(match)} labelled pairs are too few to learn from. Give {FEWEST_PAIRS} "
            "or more, or leave it out for the shipped scorer."
        )
    if min(positive, negative) < FEWEST_OF_A_CLASS:
        raise QueryError(
            f"`pairs`: {positive} match and {negative} do not. Give {FEWEST_OF_A_CLASS} or more "
            "of each; pairs that look alike and do not match teach most."
        )


def train_scorer(
    labels: Labels, origin: str, settings: BoostingSettings | None = None
) -> PairScorer:
    """A scorer whose trees are the mean of one ensemble for each part of the pairs held out.

    Each ensemble scores the part that it did not learn from: these probabilities calibrate the
    scorer and choose its thresholds.

    Raises:
        QueryError: there are too few pairs of a class.
    """
    check_labels(labels.match)
    settings = settings or BoostingSettings()
    features = _without_empty(labels.features)
    part = _parts(labels.groups, settings.seed)
    log_odds = np.zeros(len(part))
    fitted: list[BoostedTrees] = []
    for number in range(FOLDS):
        held = part == number
        if labels.match[~held].all() or not labels.match[~held].any():
            raise QueryError(
                "`pairs`: nearly all pairs of a class are of one listing. Label more listings."
            )
        trees = _fit(features[~held], labels.match[~held], settings, number)
        log_odds[held] = trees.log_odds(features[held])
        fitted.append(trees)
    return PairScorer(_join(fitted), *calibrate_scorer(log_odds, labels.match), origin)


def calibrate_scorer(
    log_odds: Probabilities, match: npt.NDArray[np.bool_]
) -> tuple[float, float, HeldOut]:
    """The scale and bias of the log-odds of pairs, and what these give to the pairs."""
    found = fit_calibration(log_odds, match, prior=(1.0, 0.0), pull=1.0)
    found = Calibration(max(found.scale, LEAST_SCALE), found.bias)
    return found.scale, found.bias, HeldOut(found.probability(log_odds), match)


def _parts(groups: Ints, seed: int) -> Ints:
    """The part that each pair is held out with; those of one group are in one."""
    different, numbers = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(different))
    return np.asarray(order[numbers] % FOLDS)


def _without_empty(features: Floats) -> Floats:
    """Columns that are NaN everywhere as zeros: the library cannot bin them."""
    empty = np.isnan(features).all(axis=0)
    return np.where(empty, np.float32(0), features)


def _fit(
    features: Floats, match: npt.NDArray[np.bool_], settings: BoostingSettings, number: int
) -> BoostedTrees:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        learning_rate=settings.learning_rate,
        max_iter=settings.trees,
        max_leaf_nodes=settings.leaves,
        max_depth=settings.depth,
        min_samples_leaf=min(settings.smallest_leaf, max(2, len(match) // 20)),
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=settings.seed + number,
    )
    with threadpool_limits(1, "openmp"):  # several threads wait for one another, by minutes
        model.fit(_without_empty(features), match)
    return _read_trees(model)


def _read_trees(model: "HistGradientBoostingClassifier") -> BoostedTrees:
    """The trees as arrays; scikit-learn has no public name for them."""
    trees = [each[0].nodes for each in model._predictors]
    starts = np.cumsum([0, *map(len, trees)])
    nodes = np.concatenate(trees)
    offsets = np.repeat(starts[:-1], np.diff(starts))
    leaf = nodes["is_leaf"].astype(bool)
    own = np.arange(len(nodes))
    children = [np.where(leaf, own, nodes[side] + offsets) for side in ("right", "left")]
    return BoostedTrees(
        roots=starts[:-1].astype(np.int32),
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
        threshold=_round_down(np.where(leaf, 0.0, nodes["num_threshold"])),
        missing_left=nodes["missing_go_to_left"].astype(np.bool_) & ~leaf,
        children=np.stack(children, axis=1).astype(np.int32),
        value=np.where(leaf, nodes["value"], 0.0).astype(np.float32),
        base=float(np.ravel(model._baseline_prediction)[0]),
        ensembles=1,
        depth=int(nodes["depth"].max(initial=0)),
    )


def _round_down(thresholds: npt.NDArray[np.float64]) -> Floats:
    """The largest float32 that is not above: what was left of a threshold stays left."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _join(ensembles: Sequence[BoostedTrees]) -> BoostedTrees:
    """Ensembles as one, whose log-odds are the mean of theirs."""
    starts = np.cumsum([0, *(len(each.value) for each in ensembles)])[:-1].astype(np.int32)
    pairs = list(zip(ensembles, starts, strict=True))
    return BoostedTrees(
        np.concatenate([each.roots + start for each, start in pairs]),
        np.concatenate([each.feature for each in ensembles]),
        np.concatenate([each.threshold for each in ensembles]),
        np.concatenate([each.missing_left for each in ensembles]),
        np.concatenate([each.children + start for each, start in pairs]),
        np.concatenate([each.value for each in ensembles]),
        float(np.mean([each.base for each in ensembles])),
        len(ensembles),
        max(each.depth for each in ensembles),
    )
