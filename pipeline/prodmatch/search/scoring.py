"""One score out of three signals: words, text vectors, picture vectors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from prodmatch.errors import QueryError, require_type
from prodmatch.model.calibration import Calibration
from prodmatch.search.exclusion import Limit
from prodmatch.storage.vectors import Mask

SIGNALS = ("lexical", "text", "image")
LEXICAL, TEXT, IMAGE = range(3)
MIN_COMPLETE = 10  # candidates with both parts, to estimate the deviation of a part
LEAST_DEVIATION = 1e-6  # of candidates that are not all variants of one product
IMPUTED_IMAGE = 0.65  # of a product's z-score by its text, for a picture it lacks
IMPUTED_TEXT = 0.85  # of its z-score by its picture, for words and text
FIRST_HITS = 5  # of a signal, that stand out from its other candidates
FEWEST_CANDIDATES = 8  # that they can stand out from
USUAL_SHARPNESS = {"text": 1.1, "image": 0.95}  # at which a signal has its usual weight
SHARPNESS_POWER = {"text": 1.5, "image": 4.0}  # that its weight grows with
SHARPNESS_FACTOR = (0.3, 3.0)  # the least and the most that a weight is multiplied by
STRANGE_IMAGE = 0.3  # of the pictures' weight for a query that is like no text learnt from
WHOLE_FACTOR = 0.4  # that the words' weight grows by where a product contains the whole query
WHOLE_POWER = 4  # that this growth falls with where products contain a part of it
UNSAID_FACTOR = 2.0  # that pictures' weight grows by where no product contains a word of the query
MOVED_TO_WORDS = 0.8  # of what vectors lose by that, and by a code
CODE_FACTOR = 0.1  # of the vectors, where a code names few products
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Signals:
    """What each signal gives the candidates of one query; all arrays are `(candidates,)`."""

    lexical: Floats  # BM25 in units of `bm25_scale`, 0 where no word matches
    text: Floats  # cosine in [-1, 1] to the text part, 0 where there is none
    image: Floats  # cosine in [-1, 1] to the image part, 0 where there is none
    has_text: Mask
    has_image: Mask
    has_words: bool  # whether the query has words at all
    has_rare_code: bool = False  # whether one of them is a code that few products say

    def take(self, chosen: Mask) -> "Signals":
        """Those of some candidates."""
        return Signals(
            self.lexical[chosen],
            self.text[chosen],
            self.image[chosen],
            self.has_text[chosen],
            self.has_image[chosen],
            self.has_words,
            self.has_rare_code,
        )


@dataclass(frozen=True)
class Imputation:
    """The weighted signals of candidates that have both parts, `(3,)` each."""

    means: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Learnt:
    """What the first candidates of a query tell; later ones are scored by it, and so alike."""

    weights: Mapping[str, float]  # of the signals
    imputation: Imputation | None  # None where too few have both parts
    limits: tuple[Limit, ...] = ()  # of what shows what the query excludes


@dataclass(frozen=True)
class Ranked:
    """Candidates with their score and its exact split; all arrays are `(candidates,)`."""

    rows: npt.NDArray[np.int64]
    score: Floats  # higher is better
    lexical: Floats
    text: Floats
    image: Floats
    probability: Floats
    boost: Floats  # what numeric columns add; zeros until `score` has it
    learnt: Learnt | None  # that they are scored by; None where there are none

    def take(self, positions: npt.NDArray[np.int64] | slice) -> "Ranked":
        """The candidates at these positions, in their order."""
        return Ranked(
            self.rows[positions],
            self.score[positions],
            self.lexical[positions],
            self.text[positions],
            self.image[positions],
            self.probability[positions],
            self.boost[positions],
            self.learnt,
        )

    def followed_by(self, other: "Ranked") -> "Ranked":
        """These candidates and behind them others of the same query."""
        return Ranked(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.score, other.score]),
            np.concatenate([self.lexical, other.lexical]),
            np.concatenate([self.text, other.text]),
            np.concatenate([self.image, other.image]),
            np.concatenate([self.probability, other.probability]),
            np.concatenate([self.boost, other.boost]),
            self.learnt or other.learnt,
        )


def no_candidates() -> Ranked:
    """What is ranked where nothing is found."""
    none = np.zeros(0, np.float32)
    return Ranked(np.zeros(0, np.int64), none, none, none, none, none, none, None)


def bm25_scale(product_count: int) -> float:
    """The BM25 score that counts as much as a cosine of 1: about that of two rare words found.

    It grows with the catalogue as a rare word's weight does, and not with the length of a query.
    """
    return 1.5 * math.log(product_count + 1.0)


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of every signal, 0 where it was left out.

    Raises:
        QueryError: a name is no signal's, or the weights are negative or all zero.
    """
    remedy = 'Give a dictionary: {"text": 0.3, "image": 0.7}.'
    require_type(weights, Mapping, "`weights`", remedy, QueryError)
    unknown = sorted(set(map(str, weights)) - set(SIGNALS))
    if unknown:
        raise QueryError(
            f"`weights`: {', '.join(unknown)} is no signal; there are {', '.join(SIGNALS)}."
        )
    for name, value in weights.items():
        require_type(value, int | float | np.number, f"`weights`: {name}", remedy, QueryError)
    values = {signal: float(weights.get(signal, 0.0)) for signal in SIGNALS}
    if not min(values.values()) >= 0 or not 0 < sum(values.values()) < float("inf"):
        given = ", ".join(f"{signal}={value:g}" for signal, value in values.items())
        raise QueryError(f"`weights`: {given} must not be negative, nor all be zero.")
    return values


def query_weights(
    weights: Mapping[str, float],
    signals: Signals,
    familiarity: float = 1.0,
    contained: float = 1.0,
) -> dict[str, float]:
    """The weights of a query of words alone, from how sharply each signal tells its first hits.

    Cosines whose first hits stand out from the other candidates know what is searched for, others
    do not, and count for less. Pictures also lose weight as the query is strange to the model
    (`familiarity` below 1), which then knows their class at most; most of that goes to the words.
    Where a product contains the whole query (`contained` is 1) its words count for more; where none
    does, pictures show what no text says, and count for more as far as the query is familiar. A
    code that few products say is no matter of likeness: vectors then only order what is equal by
    words.
    """
    if not signals.has_words:
        return dict(weights)
    of_code = CODE_FACTOR if signals.has_rare_code else 1.0
    of_strange = STRANGE_IMAGE + (1 - STRANGE_IMAGE) * familiarity
    changed = dict(weights)
    for name, cosines, known in (
        ("text", signals.text[signals.has_text], of_code),
        ("image", signals.image[signals.has_image], of_code * of_strange),
    ):
        sharp = 1.0 if signals.has_rare_code else _sharpness_factor(name, cosines)
        changed[name] *= known * sharp
        changed["lexical"] += MOVED_TO_WORDS * (1 - known) * weights[name]
    if not signals.has_rare_code:
        changed["lexical"] *= 1 + WHOLE_FACTOR * contained**WHOLE_POWER
        changed["image"] *= 1 + UNSAID_FACTOR * (1 - contained) * familiarity
    return changed


def _sharpness_factor(name: str, cosines: Floats) -> float:
    """What a signal's weight is multiplied by; 1 where too few have a part that could stand out."""
    if len(cosines) < FEWEST_CANDIDATES or cosines.std() < LEAST_DEVIATION:
        return 1.0
    relative = max(0.0, sharpness(cosines)) / USUAL_SHARPNESS[name]
    return float(np.clip(relative ** SHARPNESS_POWER[name], *SHARPNESS_FACTOR))


def sharpness(scores: Floats) -> float:
    """How far the first of `(n,)` scores stand out, against the first of `n` normal numbers.

    The mean of the five highest, or of a fourth where these are fewer, less that of all, in
    standard deviations; divided by what that is for a normal distribution, as it grows with `n`.
    """
    count = min(FIRST_HITS, max(1, len(scores) // 4))
    rising = np.sort(scores.astype(np.float64))  # sums that no order of the rows changes
    normal, share = NormalDist(), count / len(scores)
    expected = normal.pdf(normal.inv_cdf(1 - share)) / share
    return float((rising[-count:].mean() - rising.mean()) / rising.std() / expected)


def learn(signals: Signals, weights: Mapping[str, float], limits: tuple[Limit, ...]) -> Learnt:
    """What these candidates tell of a query that is scored with these weights."""
    both = signals.has_text & signals.has_image
    if both.sum() < MIN_COMPLETE:
        return Learnt(weights, None, limits)
    parts = _weighted(signals, weights)[:, both].astype(np.float64)
    return Learnt(weights, Imputation(parts.mean(axis=1), parts.std(axis=1)), limits)


def rank(
    rows: npt.NDArray[np.int64], signals: Signals, learnt: Learnt, calibration: Calibration
) -> Ranked:
    """The convex combination of the signals: BM25 in units of the catalogue's, and two cosines.

    What a missing picture or text would have brought is imputed from the product's other part,
    and counted with that part: see `_impute_missing`.
    """
    parts = _weighted(signals, learnt.weights).astype(np.float64)
    if learnt.imputation is not None:
        _impute_missing(parts, signals, learnt.imputation)
    parts = parts.astype(np.float32)
    return Ranked(
        rows,
        parts.sum(axis=0),
        lexical=parts[0],
        text=parts[1],
        image=parts[2],
        probability=_probability(signals, learnt.weights, calibration),
        boost=np.zeros(len(rows), np.float32),
        learnt=learnt,
    )


def _weighted(signals: Signals, weights: Mapping[str, float]) -> Floats:
    """The share of each signal in the score, `(3, candidates)`."""
    words = weights["lexical"] if signals.has_words else 0.0
    total = max(words + weights["text"] + weights["image"], 1e-9)
    shares = (words, weights["text"], weights["image"])
    scores = (signals.lexical, signals.text, signals.image)
    return np.stack([share / total * score for share, score in zip(shares, scores, strict=True)])


def _impute_missing(parts: npt.NDArray[np.float64], signals: Signals, first: Imputation) -> None:
    """Adds to a product's only part what the part it lacks would have brought, in place.

    That is the mean of the first candidates that have both parts, moved by the product's own
    z-score among them: .65 as far for a picture, .85 for words and text. Nothing is imputed from a
    signal that the weights leave out.

    Args:
        parts: `(3, candidates)`, the weighted signals.
        signals: which parts there are.
        first: of the first candidates.
    """
    for own, lacking, present, share in (
        (TEXT, (IMAGE,), signals.has_text & ~signals.has_image, IMPUTED_IMAGE),
        (IMAGE, (LEXICAL, TEXT), signals.has_image & ~signals.has_text, IMPUTED_TEXT),
    ):
        if not first.means[own] and not first.deviations[own]:
            continue
        deviation = first.deviations[own]
        z_scores = (parts[own] - first.means[own]) / max(deviation, 1e-9)  # (candidates,)
        if deviation < LEAST_DEVIATION:
            z_scores[:] = 0.0
        for signal in lacking:
            imputed = first.means[signal] + share * first.deviations[signal] * z_scores
            parts[own] += np.where(present, imputed, 0.0)


def _probability(
    signals: Signals, weights: Mapping[str, float], calibration: Calibration
) -> Floats:
    """That of the weighted mean of the cosines a product has.

    Where all weight is on the words, both cosines count alike: it is no certainty of no match.
    """
    of_text, of_image = weights["text"], weights["image"]
    if not of_text + of_image:
        of_text = of_image = 1.0
    text, image = of_text * signals.has_text, of_image * signals.has_image
    total = np.maximum(text + image, 1e-9)
    cosine = (text * signals.text + image * signals.image) / total
    return np.asarray(calibration.probability(cosine), dtype=np.float32)
