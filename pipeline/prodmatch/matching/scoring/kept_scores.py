"""Scores of pairs kept from one run for the next, which scores only what is new or changed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from prodmatch.matching.candidate_pairs import Candidates
from prodmatch.matching.listings.indexed_listings import IndexedListings
from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.matching.pair_features import Values
from prodmatch.storage.atomic import new_file

SCORES = "scores.safetensors"
FORMAT = 3
NO_ROW = -1
Sides = tuple[IndexedListings, IndexedListings]
MEASURED = ("probability", "text_cosine", "image_cosine", "recoloured")  # of `ScoredPairs`


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs with their probability and what they are like; arrays of `(pairs,)`."""

    pairs: Candidates
    probability: Values  # NaN where it is not known yet
    text_cosine: Values
    image_cosine: Values
    recoloured: Values  # 1 of one photograph in two colours, 0 of any other
    scored: int = 0  # by this run
    pictures: int = 0  # pairs of these whose pictures were compared


@dataclass(frozen=True)
class KeptScores:
    """Scores of an earlier run, of pairs that are in both catalogues still.

    Attributes:
        scored: by row and other, ascending.
        new_rows: of the left side, that were not there.
        new_others: of the right side.
        bereft: rows of both sides that lost a candidate.
    """

    scored: ScoredPairs
    new_rows: Ints
    new_others: Ints
    bereft: tuple[Ints, Ints]

    @property
    def is_changed(self) -> bool:
        """Whether any listing came, or went with a candidate."""
        return any(len(rows) for rows in (self.new_rows, self.new_others, *self.bereft))

    def look_up(self, pairs: Candidates) -> ScoredPairs:
        """What is known of pairs; NaN of those that are new."""
        width = 1 + int(max(self.scored.pairs.others.max(initial=0), pairs.others.max(initial=0)))
        kept = self.scored.pairs.rows * width + self.scored.pairs.others
        wanted = pairs.rows * width + pairs.others
        positions = np.minimum(np.searchsorted(kept, wanted), max(len(kept) - 1, 0))
        there = kept[positions] == wanted if len(kept) else np.zeros(len(wanted), np.bool_)

        def scatter(name: str) -> Values:
            own = np.full(len(wanted), np.nan)
            own[there] = getattr(self.scored, name)[positions[there]]
            return own

        probability, text, image, recoloured = map(scatter, MEASURED)
        return ScoredPairs(pairs, probability, text, image, recoloured)


def read_scores(path: Path, name: str, sides: Sides) -> KeptScores | None:
    """The scores of an earlier run of the listings of now; None where there are none of a name."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get("scores") != name:
                return None
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):  # it is but a help
        return None
    found, new = [], []
    for side, keys in zip(sides, (arrays["left"], arrays["right"]), strict=True):
        now = {bytes(side.keys[row]): row for row in side.different.tolist()}
        rows = np.array([now.pop(bytes(key), NO_ROW) for key in keys], np.int64)
        found.append(rows)
        new.append(np.sort(np.fromiter(now.values(), np.int64, len(now))))
    rows, others = found[0][arrays["rows"]], found[1][arrays["others"]]
    return _keep(rows, others, arrays, (new[0], new[1]))


def write_scores(path: Path, name: str, sides: Sides, scored: ScoredPairs) -> None:
    """Keeps the scores for the next run, by what the listings are, whatever their rows will be."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    ends = (("left", "rows", scored.pairs.rows), ("right", "others", scored.pairs.others))
    for side, (keys, pairs, rows) in zip(sides, ends, strict=True):
        arrays[keys] = side.keys[side.different]
        arrays[pairs] = np.searchsorted(side.different, rows).astype(np.int32)
    arrays |= {
        "likeness": scored.pairs.likeness,
        "probability": scored.probability,
        "text_cosine": scored.text_cosine.astype(np.float32),
        "image_cosine": scored.image_cosine.astype(np.float32),
        "recoloured": scored.recoloured > 0,
    }
    with new_file(path) as file:
        whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        file.write(save(whole, {"scores": name}))


def name_scores(*parts: object) -> str:
    """A name of all that scores depend on."""
    return hashlib.sha256(repr((FORMAT, *parts)).encode()).hexdigest()


def _keep(
    rows: Ints, others: Ints, arrays: dict[str, npt.NDArray[np.generic]], new: tuple[Ints, Ints]
) -> KeptScores:
    there = (rows != NO_ROW) & (others != NO_ROW)
    order = np.flatnonzero(there)
    order = order[np.lexsort((others[order], rows[order]))]
    likeness, probability, text, image, recoloured = (
        np.asarray(arrays[key], np.float64)[order] for key in ("likeness", *MEASURED)
    )
    bereft = [np.unique(each[(each != NO_ROW) & ~there]) for each in (rows, others)]
    pairs = Candidates(rows[order], others[order], likeness)
    scored = ScoredPairs(pairs, probability, text, image, recoloured)
    return KeptScores(scored, *new, (bereft[0], bereft[1]))
