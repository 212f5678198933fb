"""The scorer of pairs: trees, a calibration, and what thresholds are chosen by; one file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from prodmatch.errors import MismatchError, ModelError, QueryError
from prodmatch.matching.listings.numbered_listings import Floats
from prodmatch.matching.pair_features import NAMES
from prodmatch.matching.scoring.boosted_trees import BoostedTrees, tree_arrays
from prodmatch.model.calibration import Calibration
from prodmatch.storage.atomic import new_file

FORMAT = 1
SHIPPED = Path(__file__).parent / "default_scorer.safetensors"
FEWEST_ABOVE = 20  # held-out pairs above a threshold, for its precision to be known
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Probabilities of pairs by trees that did not learn from them, and whether they match."""

    probability: Probabilities
    match: npt.NDArray[np.bool_]

    def threshold(self, precision: float) -> float:
        """The lowest probability above which the precision is held at every higher one, too.

        Raises:
            QueryError: no threshold has that precision; says the highest that there is.
        """
        order = np.argsort(-self.probability, kind="stable")
        probability, match = self.probability[order], self.match[order]
        counts = np.arange(1, len(match) + 1)
        shares = np.cumsum(match) / counts
        ends = np.append(np.diff(probability) < 0, True)  # equal ones are taken together
        usable = ends & (counts >= min(FEWEST_ABOVE, int(match.sum())))
        good = np.flatnonzero(usable & (shares >= precision))
        if not len(good):
            most = float(shares[usable].max(initial=0.0))
            raise QueryError(
                f"`precision={precision:g}`: no threshold has it; the highest measured on held-out "
                f"pairs is {most:.3f}. Give a lower one, or more labelled pairs."
            )
        return float(probability[good[-1]])

    def recall(self, threshold: float) -> float:
        """Share of the matching pairs at or above a threshold."""
        return float((self.probability >= threshold)[self.match].mean())

    def precision(self, threshold: float) -> float:
        """Share of the pairs at or above a threshold that match."""
        above = self.probability >= threshold
        return float(self.match[above].mean()) if above.any() else 1.0


@dataclass(frozen=True)
class PairScorer:
    """Gives the probability that two listings are one product.

    Attributes:
        trees: over the features of `pair_features.NAMES`.
        scale: of the log-odds, for the calibrated ones.
        bias: added to them.
        held_out: what thresholds are chosen by.
        origin: what it was trained on, for a person.
        held_out_inside: likewise for pairs inside one catalogue, where few match; None where they
            were not held out apart.
    """

    trees: BoostedTrees
    scale: float
    bias: float
    held_out: HeldOut
    origin: str
    held_out_inside: HeldOut | None = None

    def held_out_of(self, *, is_one: bool) -> HeldOut:
        """What thresholds are chosen by, for pairs inside one catalogue or of two."""
        return self.held_out_inside if is_one and self.held_out_inside else self.held_out

    def probabilities(self, features: Floats) -> Probabilities:
        """The probability `(pairs,)` of rows `(pairs, features)`, calibrated."""
        calibration = Calibration(self.scale, self.bias)
        return calibration.probability(self.trees.log_odds(features))

    def digest(self) -> str:
        """Of all that its probabilities depend on."""
        digest = hashlib.sha256(json.dumps([*self._settings().values()]).encode())
        for name, values in tree_arrays(self.trees).items():
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def _settings(self) -> dict[str, object]:
        trees = {name: getattr(self.trees, name) for name in ("base", "ensembles", "depth")}
        return {"features": NAMES, **trees, "scale": self.scale, "bias": self.bias}

    def save(self, path: Path) -> None:
        """Writes it as one file, complete or not at all."""
        content = {
            **tree_arrays(self.trees),
            "held_out": self.held_out.probability.astype(np.float32),
            "matches": self.held_out.match,
        }
        if self.held_out_inside is not None:
            content["held_out_inside"] = self.held_out_inside.probability.astype(np.float32)
            content["matches_inside"] = self.held_out_inside.match
        own = {"format": FORMAT, **self._settings(), "origin": self.origin}
        metadata = {"scorer": json.dumps(own)}  # one entry: several come in any order
        with new_file(path) as file:
            file.write(save({k: np.ascontiguousarray(v) for k, v in content.items()}, metadata))


def open_scorer(path: Path | None = None) -> PairScorer:
    """The scorer of a file, or the one that is shipped.

    Raises:
        ModelError: there is no such file, or it is no scorer.
        MismatchError: it was trained on other features than this version computes.
    """
    path = path or SHIPPED
    if not path.is_file():
        raise ModelError(f"`scorer` {path}: there is no such file. Train one with `pairs`.")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            own = json.loads(metadata["scorer"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        trees = BoostedTrees(
            *(arrays[name] for name in ("roots", "feature", "threshold", "missing_left")),
            *(arrays[name] for name in ("children", "value")),
            *(own[name] for name in ("base", "ensembles", "depth")),
        )
        held_out = HeldOut(arrays["held_out"].astype(np.float64), arrays["matches"])
        inside = None
        if "held_out_inside" in arrays:
            probability = arrays["held_out_inside"].astype(np.float64)
            inside = HeldOut(probability, arrays["matches_inside"])
        scorer = PairScorer(trees, own["scale"], own["bias"], held_out, own["origin"], inside)
        version, features = own["format"], own["features"]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"`scorer` {path}: is no scorer of pairs ({error}).") from error
    if version != FORMAT or tuple(features) != NAMES:
        raise MismatchError(
            f"`scorer` {path}: was trained by another version of prodmatch. Train it again with "
            "`pairs`."
        )
    return scorer
