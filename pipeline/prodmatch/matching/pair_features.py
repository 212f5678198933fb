"""Features of pairs of listings: numbers that are the same whichever listing comes first.

A feature is NaN where one of the two lacks what it compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.attributes import ATTRIBUTES, EXACT, PARTS
from prodmatch.matching.listings.numbered_listings import Floats, Ints, Listings, Sets

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
GRAM_SPACE = 1 << 24
# At most, of a photograph and a copy that is scaled, cropped and encoded anew.
ONE_PHOTOGRAPH = {
    "pictures_apart": 0.05,
    "pictures_worst": 0.18,
    "pictures_colour": 10.0,
    "pictures_most": 27.0,
}
EQUAL_FILES = {"pictures_apart": 0.004, "pictures_most": 5.0}  # likewise, encoded alike
FITTING, ONE_LOOK = 0.006, 0.97  # pictures_apart at most; the image cosine of one, at least
RECOLOURED = {"apart": 0.12, "colour": 20.0}  # of one photograph in two: at most, at least
LEAST_SHARED = 0.54  # of the words of two that say much the same, weighted
LEAST_IN_BOTH = 0.5  # of what either of two listings says, weighted
DOUBT = 0.5  # probability at most, of pairs that are in doubt inside one catalogue
NAMES = (
    *("text_cosine", "image_cosine", "cosine"),
    *("terms_jaccard", "terms_weighted", "terms_least", "terms_most"),
    *("rarest_least", "rarest_most", "apart_least", "apart_most"),
    *("grams_jaccard", "grams_least", "grams_most"),
    *("words_jaccard", "words_most"),
    *("codes_shared", "codes_apart", "codes_jaccard", "codes_in_other"),
    *("quantities_shared", "quantities_conflict"),
    *("numbers_shared", "numbers_least", "numbers_most"),
    *("colours_shared", "colours_conflict", "sizes_shared", "sizes_conflict"),
    *("packs_shared", "packs_conflict"),
    *("first_shared", "brand_equal", "price_ratio"),
    *("length_ratio", "length_least"),
    *("margin_least", "margin_most"),
    *("pictures_apart", "pictures_worst", "pictures_colour", "pictures_most"),
    *("columns_shared", "columns_conflict"),
    *("weight_shared", "repeats_least", "repeats_most"),
    *("terms_alone_least", "terms_alone_most"),
    *("colours_alone", "sizes_alone", "numbers_alone"),
)

CONFLICTS = (
    *("codes_apart", "quantities_conflict", "packs_conflict"),
    *("colours_conflict", "sizes_conflict"),
)


@dataclass(frozen=True)
class Overlap:
    """What the sets of each pair share, and what each has alone; all arrays are `(pairs,)`."""

    shared: Values
    left: Values  # alone
    right: Values

    @property
    def alone(self) -> tuple[Values, Values]:
        """What either has alone: the lower and the higher."""
        return _least_and_most(self.left, self.right)

    @property
    def both(self) -> npt.NDArray[np.bool_]:
        """Whether both have any."""
        return ((self.shared + self.left) > 0) & ((self.shared + self.right) > 0)

    @property
    def jaccard(self) -> Values:
        """Shared of all; NaN where one has none."""
        total = self.shared + self.left + self.right
        return _where(self.both, self.shared / np.maximum(total, 1e-9))

    def contained(self) -> tuple[Values, Values]:
        """Shared of what the one has, and of what the other has: the lower and the higher."""
        shares = (
            self.shared / np.maximum(self.shared + alone, 1e-9) for alone in (self.left, self.right)
        )
        least, most = _least_and_most(*shares)
        return _where(self.both, least), _where(self.both, most)


@dataclass(frozen=True)
class PairCosines:
    """Cosines of pairs: of texts, of pictures, and of the two together; NaN where one lacks it."""

    text: Values
    image: Values


@dataclass(frozen=True)
class Margins:
    """By how much pairs are more alike than the best other one of their sides; NaN: not known."""

    least: Values
    most: Values


@dataclass(frozen=True)
class PictureDifferences:
    """What differs in the pictures of pairs, laid over each other; NaN: they are not compared.

    Attributes:
        apart: the difference of their details (edges, patterns) as a share of these, both squared.
        worst: likewise of the part of the picture, of 16, in which most differs.
        colour: the largest difference of colour, besides brightness, of any place, of 255.
        most: the largest difference of any place, blurred, of 255.
    """

    apart: Values
    worst: Values
    colour: Values
    most: Values

    @property
    def recoloured(self) -> npt.NDArray[np.bool_]:
        """Which pairs have one photograph in two colours."""
        return (self.apart <= RECOLOURED["apart"]) & (self.colour >= RECOLOURED["colour"])

    def take(self, part: slice) -> "PictureDifferences":
        """Those of a run of pairs."""
        return PictureDifferences(*(getattr(self, each.name)[part] for each in fields(self)))


class PairFeatures:
    """Computes features of pairs of rows of two catalogues, which may be one and the same."""

    def __init__(self, left: Listings, right: Listings, weights: Floats) -> None:
        """Takes the catalogues, and the weights of the words of the vocabulary."""
        self._left, self._right, self._weights = left, right, weights

    def compute(
        self,
        rows: Ints,
        others: Ints,
        cosines: PairCosines,
        margins: Margins | None = None,
        pictures: PictureDifferences | None = None,
    ) -> Floats:
        """The features `(pairs, len(NAMES))` of pairs of rows."""
        columns = {
            **_by_name("pictures", PictureDifferences, pictures, len(rows)),
            **_by_name("margin", Margins, margins, len(rows)),
            **self._vectors(cosines),
            **self._terms(rows, others),
            **self._grams(rows, others),
            **self._named(rows, others),
            **self._attributes(rows, others),
            **self._columns(rows, others),
            **self._repeats(rows, others),
        }
        return np.stack([columns[name] for name in NAMES], axis=1).astype(np.float32)

    def overlap(self, kind: str, rows: Ints, others: Ints, weights: Floats | None) -> Overlap:
        """How the sets of a kind overlap, each number counting its weight, or 1."""
        return overlap(self._left.sets[kind], self._right.sets[kind], (rows, others), weights)

    def _vectors(self, cosines: PairCosines) -> dict[str, Values]:
        there = np.stack([cosines.text, cosines.image])
        count = np.maximum((~np.isnan(there)).sum(axis=0), 1)
        known = ~np.isnan(there).all(axis=0)
        both = _where(known, np.nansum(there, axis=0) / count)
        return {"text_cosine": cosines.text, "image_cosine": cosines.image, "cosine": both}

    def _terms(self, rows: Ints, others: Ints) -> dict[str, Values]:
        plain = self.overlap("terms", rows, others, None)
        weighted = self.overlap("terms", rows, others, self._weights)
        words = self.overlap("words", rows, others, self._weights)
        shortest, longest = _least_and_most(plain.shared + plain.left, plain.shared + plain.right)
        return {
            "terms_jaccard": plain.jaccard,
            "terms_weighted": weighted.jaccard,
            **_pair("terms", weighted.contained()),
            **_pair("rarest", self._rarest_alone(rows, others)),
            **_pair("apart", weighted.alone),
            "weight_shared": weighted.shared,
            **_pair("terms_alone", plain.alone),
            "words_jaccard": words.jaccard,
            "words_most": words.contained()[1],
            "length_ratio": shortest / np.maximum(longest, 1),
            "length_least": shortest,
        }

    def _rarest_alone(self, rows: Ints, others: Ints) -> tuple[Values, Values]:
        """The weight of the rarest term that each has alone."""
        merged = _merge(self._left.sets["terms"], self._right.sets["terms"], (rows, others))
        found = []
        for side in (~merged.second, merged.second):
            alone = side & ~merged.shared
            most = np.zeros(len(rows))
            weights = self._weights[merged.numbers[alone]]
            np.maximum.at(most, merged.positions[alone], weights)
            found.append(most)
        return _least_and_most(found[0], found[1])

    def _grams(self, rows: Ints, others: Ints) -> dict[str, Values]:
        grams = self.overlap("grams", rows, others, None)
        return {"grams_jaccard": grams.jaccard, **_pair("grams", grams.contained())}

    def _named(self, rows: Ints, others: Ints) -> dict[str, Values]:
        codes = self.overlap("codes", rows, others, self._weights)
        count = self.overlap("codes", rows, others, None)
        brands = self._left.brand[rows], self._right.brand[others]
        known = (brands[0] >= 0) & (brands[1] >= 0)
        prices = np.stack([self._left.price[rows], self._right.price[others]])
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = prices.min(axis=0) / prices.max(axis=0)
        return {
            "codes_shared": _where(codes.both, codes.shared),
            "codes_apart": _where(codes.both, count.alone[0]),
            "codes_jaccard": codes.jaccard,
            "codes_in_other": codes.contained()[1],
            "first_shared": self._first_shared(rows, others),
            "brand_equal": _where(known, (brands[0] == brands[1]).astype(np.float64)),
            "price_ratio": _where((prices > 0).all(axis=0), ratio),
        }

    def _repeats(self, rows: Ints, others: Ints) -> dict[str, Values]:
        """How many listings of the two catalogues say the same as each: as a logarithm."""
        sides = (self._left, rows), (self._right, others)
        return _pair("repeats", _least_and_most(*(np.log2(s.repeats[own]) for s, own in sides)))

    def _first_shared(self, rows: Ints, others: Ints) -> Values:
        """Whether the first word of each is in the other: 0, 0.5 or 1."""
        found = np.zeros(len(rows))
        for first, sets, its in (
            (self._left.first[rows], self._right.sets["words"], others),
            (self._right.first[others], self._left.sets["words"], rows),
        ):
            numbers, positions = sets.take(its)
            same = numbers == first[positions]
            found += 0.5 * (np.bincount(positions[same], minlength=len(rows)) > 0)
        return found

    def _attributes(self, rows: Ints, others: Ints) -> dict[str, Values]:
        numbers = self.overlap("numbers", rows, others, None)
        quantities = self.overlap("quantities", rows, others, None)
        units = self.overlap("units", rows, others, None)
        columns = {
            "numbers_shared": _where(numbers.both, numbers.shared),
            **_pair("numbers", numbers.contained()),
            "quantities_shared": _where(units.shared > 0, quantities.shared),
            "quantities_conflict": _where(
                units.shared > 0, np.minimum(quantities.alone[0], units.shared)
            ),
        }
        for kind in ("colours", "sizes", "packs"):
            found = self.overlap(kind, rows, others, None)
            columns[f"{kind}_shared"] = _where(found.both, found.shared)
            columns[f"{kind}_conflict"] = _where(found.both, found.alone[0])
            columns[f"{kind}_alone"] = found.alone[1]
        columns["packs_conflict"] = columns.pop("packs_alone")  # each says how many pieces, or one
        return columns | {"numbers_alone": numbers.alone[1]}

    def conflicts(self, rows: Ints, others: Ints) -> Values:
        """In how many columns the two have other values, whatever else they share."""
        return np.nan_to_num(self._columns(rows, others)["columns_conflict"])

    def _columns(self, rows: Ints, others: Ints) -> dict[str, Values]:
        shared, conflict, known = (np.zeros(len(rows)) for _ in range(3))
        for name in ATTRIBUTES:
            is_known, is_shared, is_apart = self._compare(name, rows, others)
            known += is_known
            shared += is_shared & ~is_apart
            conflict += is_apart
        return {
            "columns_shared": _where(known > 0, shared),
            "columns_conflict": _where(known > 0, conflict),
        }

    def _compare(self, attribute: str, rows: Ints, others: Ints) -> tuple[Flags, Flags, Flags]:
        """Where both have it, where they share of it, and where one denies the other's."""
        known, shared, apart, words = np.zeros((4, len(rows)), np.bool_)
        for part in PARTS:
            name = f"{attribute} {part}"
            if not (len(self._left.sets[name].numbers) and len(self._right.sets[name].numbers)):
                continue
            found = self.overlap(name, rows, others, None)
            known |= found.both
            shared |= found.both & (found.shared > 0)
            is_none = found.both & (found.shared == 0)
            if part == "words":
                words = is_none
            else:
                apart |= found.alone[0] > 0 if part in EXACT else is_none
        return known, shared, apart | (words & ~shared)


def _by_name(
    prefix: str, kind: type[PictureDifferences | Margins], found: object, count: int
) -> dict[str, Values]:
    """The fields of what was measured of pairs, by the names of features; NaN where nothing was."""
    nothing = np.full(count, np.nan)
    return {f"{prefix}_{each.name}": getattr(found, each.name, nothing) for each in fields(kind)}


def is_doubtful(features: Floats) -> npt.NDArray[np.bool_]:
    """Which pairs of one catalogue are in doubt, whatever else they share.

    Their pictures are two photographs, and either has a word that the other lacks; or the two files
    are not all but equal, and one says more alone than both say, or several listings say the same,
    give or take a word: plain goods look alike. Or the pictures fit, yet the model sees two: a
    small part has another colour. Or one says a size that the other does not say, or the two say
    other numbers, codes, colours or packs.
    `(pairs, len(NAMES))` to `(pairs,)`.
    """
    of = dict(zip(NAMES, features.T, strict=True))
    known = ~np.isnan(of["pictures_apart"])
    two = known & ~has_one_photograph(features)
    repeated = (of["repeats_most"] > 0) & (of["terms_alone_most"] <= 1)
    generic = (of["repeats_least"] > 0) | repeated | (of["terms_least"] < LEAST_IN_BOTH)
    other_files = known & ~_within(features, EQUAL_FILES)
    plain = (two & (of["terms_alone_least"] > 0)) | (other_files & generic)
    recoloured = (of["pictures_apart"] < FITTING) & (of["image_cosine"] < ONE_LOOK)
    return np.asarray(plain | recoloured | (of["sizes_alone"] > 0) | has_conflict(features))


def says_the_same(features: Floats) -> npt.NDArray[np.bool_]:
    """Which pairs share most of their words, and say nothing that tells variants apart."""
    shared = features[:, NAMES.index("terms_weighted")] >= LEAST_SHARED
    return np.asarray(shared & ~has_conflict(features))


def has_conflict(features: Floats) -> npt.NDArray[np.bool_]:
    """Which pairs say other numbers, codes, sizes, colours or packs; to `(pairs,)`."""
    apart = np.nan_to_num(features[:, [NAMES.index(name) for name in CONFLICTS]]) > 0
    return np.asarray(apart.any(axis=1) | (features[:, NAMES.index("numbers_most")] < 1))


def has_one_photograph(features: Floats) -> npt.NDArray[np.bool_]:
    """Which pairs are known to have one photograph; `(pairs, len(NAMES))` to `(pairs,)`."""
    return _within(features, ONE_PHOTOGRAPH)


def _within(features: Floats, limits: Mapping[str, float]) -> npt.NDArray[np.bool_]:
    """Which pairs have no feature that is above its limit, or unknown."""
    within = [features[:, NAMES.index(name)] <= most for name, most in limits.items()]
    return np.asarray(np.all(within, axis=0))


def overlap(left: Sets, right: Sets, pairs: tuple[Ints, Ints], weights: Floats | None) -> Overlap:
    """How the sets of pairs of rows overlap, each number counting its weight, or 1."""
    merged = _merge(left, right, pairs)
    values = None if weights is None else weights[merged.numbers].astype(np.float64)

    def total(chosen: npt.NDArray[np.bool_]) -> Values:
        own = None if values is None else values[chosen]
        return np.bincount(merged.positions[chosen], own, len(pairs[0])).astype(np.float64)

    first = ~merged.second
    alone = ~merged.shared
    return Overlap(total(merged.shared & first), total(alone & first), total(alone & merged.second))


@dataclass(frozen=True)
class _Merged:
    """The numbers of both sets of all pairs, by pair and number."""

    numbers: Ints
    positions: Ints  # of the pairs
    second: npt.NDArray[np.bool_]  # whether it is of the second set
    shared: npt.NDArray[np.bool_]  # whether the other set has it, too


def _merge(left: Sets, right: Sets, pairs: tuple[Ints, Ints]) -> _Merged:
    sides = [
        (positions * GRAM_SPACE + numbers) * 2 + second
        for second, (numbers, positions) in enumerate((left.take(pairs[0]), right.take(pairs[1])))
    ]
    keys = np.concatenate(sides)
    keys.sort()
    second = (keys & 1).astype(np.bool_)
    keys >>= 1
    same = keys[1:] == keys[:-1]
    shared = np.zeros(len(keys), np.bool_)
    shared[1:] |= same
    shared[:-1] |= same
    return _Merged(keys % GRAM_SPACE, keys // GRAM_SPACE, second, shared)


def _least_and_most(one: Values, other: Values) -> tuple[Values, Values]:
    return np.minimum(one, other), np.maximum(one, other)


def _pair(name: str, values: tuple[Values, Values]) -> dict[str, Values]:
    return {f"{name}_least": values[0], f"{name}_most": values[1]}


def _where(there: npt.NDArray[np.bool_] | np.bool_, values: Values) -> Values:
    return np.where(there, values, np.nan)
