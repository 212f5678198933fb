"""A projection: the map of one modality's features into the shared space."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from prodmatch.errors import ModelError
from prodmatch.model.familiarity import Familiarity
from prodmatch.storage.vectors import Vectors


@dataclass(frozen=True)
class HiddenUnits:
    """What a projection reads besides the features: linear maps of them, above zero."""

    weight: Vectors  # (features, units)
    bias: Vectors  # (units,)

    def append(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The features with the units after them: `(n, features + units)`."""
        chosen, weight = self._map
        units = features[:, chosen] @ weight
        units += self.bias
        return np.concatenate([features, np.maximum(units, 0.0, out=units)], axis=1)

    @cached_property
    def _map(self) -> tuple[slice, npt.NDArray[np.float64]]:
        chosen = _not_zero(self.weight)
        return chosen, self.weight[chosen].astype(np.float64)


@dataclass(frozen=True)
class Projection:
    """The projection of one modality: linear, unit length, centred, rotated, unit length.

    Where there are `hidden` units, it is linear in the features and in these.

    The inner numbers may be blocks that come from different encoders: each block is centred,
    brought to unit length and scaled by the square root of its share, so that an inner product of
    two rows is the mean of the blocks' cosines, weighted by their shares. Where there is a
    `familiarity`, the shares are those of a familiar row, and a strange row has others. A second
    one tells the shares of the blocks after those of the first, which keep their proportions.

    Texts and pictures lie in two narrow cones; taking each cone's centre away lets their
    inner products be compared. The rotation is the same for both parts, and begins with the
    directions in which they agree most, so leading components alone are a smaller model.
    """

    weight: Vectors  # (features + units, inner)
    bias: Vectors  # (inner,)
    centre: Vectors  # (inner,)
    rotation: Vectors  # (inner, dim)
    blocks: tuple[int, ...] = ()  # sizes that sum to inner; none for a single block
    shares: tuple[float, ...] = (1.0,)  # of each block; they sum to 1
    familiarity: tuple[Familiarity, ...] = ()
    hidden: HiddenUnits | None = None

    def __post_init__(self) -> None:
        sizes = self.blocks or (len(self.bias),)
        whole = sum(sizes) == len(self.bias) and abs(sum(self.shares) - 1.0) < 1e-5
        if not whole or len(sizes) != len(self.shares) or min(*sizes, *self.shares) < 0:
            raise ModelError(
                f"blocks of {list(sizes)} with shares {list(self.shares)} over "
                f"{len(self.bias)} inner numbers; sizes must sum to these, and shares to 1."
            )

    @classmethod
    def linear(
        cls,
        weight: npt.NDArray[np.floating],
        bias: npt.NDArray[np.floating] | float = 0.0,
        *,
        mean: npt.NDArray[np.floating] | float = 0.0,
        gain: npt.NDArray[np.floating] | float = 1.0,
        hidden: HiddenUnits | None = None,
    ) -> Self:
        """`((x - mean) * gain) @ weight + bias`, folded into one map; neither centred nor rotated.

        Hidden units read the features as they are.

        Args:
            weight: `(features, inner)`, with hidden units `(features + units, inner)`.
            bias: `(inner,)`.
            mean: `(features,)`, of the standardisation.
            gain: `(features,)`, of the standardisation.
        """
        inner, count = weight.shape[1], len(weight) - (len(hidden.bias) if hidden else 0)
        folded = weight[:count] * np.broadcast_to(gain, count)[:, None]
        shift = np.broadcast_to(mean, count) @ folded
        return cls(
            np.concatenate([folded, weight[count:]], dtype=np.float32, casting="same_kind"),
            np.asarray(np.broadcast_to(bias, inner) - shift, np.float32),
            np.zeros(inner, np.float32),
            np.eye(inner, dtype=np.float32),
            hidden=hidden,
        )

    @classmethod
    def join(
        cls, parts: Sequence[tuple[slice, "Projection"]], shares: Sequence[float], features: int
    ) -> Self:
        """Projections over slices of the features as one, with all their blocks and directions.

        Args:
            parts: which features each projection reads, and the projection, of which only the
                first may have a familiarity and hidden units.
            shares: of each, which its blocks' shares are multiplied by.
        """
        if any(part.hidden or part.familiarity for _, part in parts[1:]):
            raise ValueError("only the first projection may have a familiarity and hidden units")
        inner = sum(len(part.bias) for _, part in parts)
        dim = sum(part.rotation.shape[1] for _, part in parts)
        hidden = _units_of_all(*parts[0], features)
        unit_count = len(hidden.bias) if hidden else 0
        weight, rotation = np.zeros((features + unit_count, inner)), np.zeros((inner, dim))
        row = column = 0
        for chosen, part in parts:
            rows = slice(row, row + len(part.bias))
            columns = slice(column, column + part.rotation.shape[1])
            weight[:features][chosen, rows] = part.weight[: part.features]
            if part.hidden is not None:
                weight[features:, rows] = part.weight[part.features :]
            rotation[rows, columns] = part.rotation
            row, column = rows.stop, columns.stop
        return cls(
            weight.astype(np.float32),
            np.concatenate([part.bias for _, part in parts]),
            np.concatenate([part.centre for _, part in parts]),
            rotation.astype(np.float32),
            tuple(size for _, part in parts for size in part.blocks or (len(part.bias),)),
            tuple(
                float(np.float32(share * own))  # as they are written
                for (_, part), share in zip(parts, shares, strict=True)
                for own in part.shares
            ),
            parts[0][1].familiarity,
            hidden,
        )

    @classmethod
    def stack(cls, parts: Sequence["Projection"], shares: Sequence[float]) -> Self:
        """As `join`, of projections that all read the same features."""
        return cls.join([(slice(None), part) for part in parts], shares, parts[0].features)

    def halved(self) -> "Projection":
        """The projection with weights that half precision holds, unless one is too large for it."""
        hidden = self.hidden and replace(self.hidden, weight=_halve(self.hidden.weight))
        return replace(self, weight=_halve(self.weight), hidden=hidden)

    @property
    def features(self) -> int:
        """How many features a row has."""
        return len(self.weight) - (len(self.hidden.bias) if self.hidden else 0)

    def __call__(self, features: Vectors) -> Vectors:
        """Unit rows `(n, dim)` of `(n, features)`.

        In double precision: a product of matrices rounds by its shape, and a row must come out
        the same, to the bit, whichever rows it is projected with.
        """
        sizes = self.blocks or (len(self.bias),)
        edges, read = np.cumsum(sizes)[:-1], self._read(features)
        units = [self._unit_block(read, position) for position in range(len(sizes))]
        shares = self._shares(units)  # (n or 1, blocks)
        for position, (unit, centre) in enumerate(
            zip(units, np.split(self.centre, edges), strict=True)
        ):
            unit -= centre
            unit *= np.sqrt(shares[:, position, None]) / _lengths(unit)
        rotated = np.concatenate(units, axis=1) @ self._rotation  # (n, dim)
        return np.asarray(rotated / _lengths(rotated), dtype=np.float32)

    def familiarities(self, features: Vectors) -> npt.NDArray[np.float64]:
        """How familiar rows `(n, features)` are, `(n,)` from 0 to 1; 1 where none is strange."""
        found = [known(self.block(features, int(known.block[0]))) for known in self.familiarity]
        return np.max(found, axis=0)[:, 0] if found else np.ones(len(features))

    def block(self, features: Vectors, position: int) -> npt.NDArray[np.float64]:
        """Unit rows `(n, size)` of a block by itself, neither centred nor rotated."""
        return self._unit_block(self._read(features), position)

    def _unit_block(self, read: npt.NDArray[np.float64], position: int) -> npt.NDArray[np.float64]:
        chosen, weight, bias = self._maps[position]
        rows = read[:, chosen] @ weight
        rows += bias
        rows /= _lengths(rows)
        return np.asarray(rows)

    def _read(self, features: Vectors) -> npt.NDArray[np.float64]:
        """What the linear map is of: `(n, features + units)`."""
        exact = features.astype(np.float64)
        return self.hidden.append(exact) if self.hidden else exact

    def _shares(self, units: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        usual = np.asarray(self.shares, np.float64)[None]
        shares = np.ones((1, 0))
        for known in self.familiarity:
            count, familiar = len(known.shares), known(units[int(known.block[0])])
            of_familiar, of_strange = (
                _append_shares(shares, row[:, :count] / row[:, :count].sum())
                for row in (usual, known.shares.astype(np.float64)[None])
            )
            shares = familiar * of_familiar + (1 - familiar) * of_strange
        return np.asarray(shares if self.familiarity else usual)

    @cached_property
    def _maps(self) -> list[tuple[slice, npt.NDArray[np.float64], Vectors]]:
        """Of each block the features and units that it reads, and its map of these."""
        edges = np.cumsum(self.blocks or (len(self.bias),))[:-1]
        maps = []
        for weight, bias in zip(
            np.split(self.weight, edges, axis=1), np.split(self.bias, edges), strict=True
        ):
            chosen = _not_zero(weight)
            maps.append((chosen, weight[chosen].astype(np.float64), bias))
        return maps

    @cached_property
    def _rotation(self) -> npt.NDArray[np.float64]:
        return self.rotation.astype(np.float64)


def _not_zero(weight: Vectors) -> slice:
    """From the first to the last row of `(features, inner)` that is not zero."""
    rows = np.flatnonzero(weight.any(axis=1))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)


def _halve(array: Vectors) -> Vectors:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16).astype(np.float32)
    return half if np.isfinite(half).all() else array


def _units_of_all(chosen: slice, part: Projection, features: int) -> HiddenUnits | None:
    """The hidden units of a projection of some of the features, as units of all of them."""
    if part.hidden is None:
        return None
    weight = np.zeros((features, len(part.hidden.bias)), np.float32)
    weight[chosen] = part.hidden.weight
    return HiddenUnits(weight, part.hidden.bias)


def _append_shares(
    first: npt.NDArray[np.float64], every: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Shares `(n, blocks)`: the later ones of `(1, blocks)`, what they leave for `(n, k)` first."""
    later = np.repeat(every[:, first.shape[1] :], len(first), axis=0)
    return np.concatenate([first * (1 - later.sum(axis=1, keepdims=True)), later], axis=1)


def _lengths(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`(n, 1)`: the length of each row, 1 for a row of zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 0, lengths, 1.0)
