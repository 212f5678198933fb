"""Heads: the projections of text features and picture features into one shared space."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from prodmatch.errors import ModelError
from prodmatch.model.familiarity import Familiarity
from prodmatch.model.hubness import QueryBank
from prodmatch.model.projection import HiddenUnits, Projection
from prodmatch.storage.atomic import write_file
from prodmatch.storage.vectors import Vectors

PARTS = ("weight", "bias", "centre", "rotation")
HIDDEN_PARTS = ("weight", "bias")
RIDGE = 1e-2  # share of the mean variance that is added to every variance
TEXTS_SHARE = 0.3  # of text-text cross-covariance, added to text-image: docs/experiments.md
BANK_TENSORS = tuple(field.name for field in fields(QueryBank))
FAMILIARITY_TENSORS = tuple(field.name for field in fields(Familiarity))


@dataclass(frozen=True)
class Heads:
    """The two projections, to the same number of dimensions, and the query bank against hubness."""

    text: Projection
    image: Projection
    bank: QueryBank | None = None

    @property
    def dim(self) -> int:
        """Dimensions of one part; an embedding has twice as many."""
        return 1 + int(self.text.rotation.shape[1])

    def texts(self, features: Vectors) -> Vectors:
        """Unit parts `(n, dim)` of `(n, text features)`."""
        return _with_first(np.zeros(len(features)), self.text(features))

    def pictures(self, features: Vectors) -> Vectors:
        """Unit parts `(n, dim)` of `(n, image features)`, the hubness penalty first."""
        projected = self.image(features)
        if self.bank is None:
            return _with_first(np.zeros(len(features)), projected)
        return _with_first(self.bank.penalties(projected), projected)

    def save(self, path: Path) -> None:
        """Writes the arrays as safetensors: of the projections, each as small as it is exact."""
        arrays: dict[str, np.ndarray] = {
            f"{modality}.{part}": _smallest(getattr(projection, part))
            for modality, projection in (("text", self.text), ("image", self.image))
            for part in PARTS
        }
        for modality, projection in (("text", self.text), ("image", self.image)):
            sizes = projection.blocks or (len(projection.bias),)
            arrays[f"{modality}.blocks"] = np.array(sizes, np.int64)
            arrays[f"{modality}.shares"] = np.array(projection.shares, np.float32)
            if projection.hidden is not None:
                for part in HIDDEN_PARTS:
                    units = getattr(projection.hidden, part)
                    arrays[f"{modality}.hidden_{part}"] = _smallest(units)
            for position, known in enumerate(projection.familiarity):
                for name, tensor in zip(
                    FAMILIARITY_TENSORS, _familiarity_names(modality, position), strict=True
                ):
                    arrays[tensor] = getattr(known, name)
        if self.bank is not None:
            arrays |= {f"bank.{part}": getattr(self.bank, part) for part in BANK_TENSORS}
        write_file(path, save(arrays))

    @classmethod
    def open(cls, path: Path) -> Self:
        """The heads that `save` wrote.

        Raises:
            ModelError: the file is missing, damaged, or holds other arrays.
        """
        try:
            arrays = load(path.read_bytes())
            text, image = (_read_projection(arrays, modality) for modality in ("text", "image"))
            names = [f"bank.{part}" for part in BANK_TENSORS]
            bank = [arrays[name] for name in names] if names[0] in arrays else []
        except FileNotFoundError as error:
            raise ModelError(
                f"{path}: is missing; train heads with `train(catalogue, out=DIR)`."
            ) from error
        except (SafetensorError, KeyError, ModelError) as error:
            raise ModelError(f"{path}: does not hold heads ({error}).") from error
        return cls(text, image, QueryBank(*bank) if bank else None)


def _smallest(array: Vectors) -> npt.NDArray[np.floating]:
    """The array in half precision where that holds every number as it is, else in float32."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    exact = np.ascontiguousarray(array, np.float32)
    return np.ascontiguousarray(half) if np.array_equal(half, exact) else exact


def _read_projection(arrays: Mapping[str, np.ndarray], modality: str) -> Projection:
    weight, bias, centre, rotation = (
        arrays[f"{modality}.{part}"].astype(np.float32) for part in PARTS
    )
    blocks, shares = (arrays[f"{modality}.{part}"].tolist() for part in ("blocks", "shares"))
    familiarity: list[Familiarity] = []
    while (names := _familiarity_names(modality, len(familiarity)))[0] in arrays:
        familiarity.append(Familiarity(*map(arrays.__getitem__, names)))
    hidden = None
    if f"{modality}.hidden_weight" in arrays:
        units = (arrays[f"{modality}.hidden_{part}"].astype(np.float32) for part in HIDDEN_PARTS)
        hidden = HiddenUnits(*units)
    return Projection(
        weight, bias, centre, rotation, tuple(blocks), tuple(shares), tuple(familiarity), hidden
    )


def _familiarity_names(modality: str, position: int) -> list[str]:
    """The names of the tensors of one familiarity; only those after the first have a number."""
    prefix = f"{modality}.familiarity" + (f".{position}" if position else "")
    return [f"{prefix}.{name}" for name in FAMILIARITY_TENSORS]


def _with_first(first: npt.NDArray[np.float64], rows: Vectors) -> Vectors:
    """Unit rows `(n, dim)` of first numbers `(n,)` and the direction of the others."""
    others = rows * np.sqrt(1.0 - first**2)[:, None]
    return np.concatenate([first[:, None], others], axis=1, dtype=np.float32, casting="same_kind")


def project_heads(
    text: Projection, image: Projection, parts: tuple[Vectors, Vectors], dim: int
) -> Heads:
    """The heads centred and projected to the `dim - 1` directions of largest cross-covariance.

    Cross-covariance is what a direction adds, on average, to the inner product of a text with its
    picture, and to those of texts. Variance alone would keep noise (figures: docs/experiments.md).

    Args:
        parts: unit rows of training texts and their pictures through these heads, row by row.
        dim: of a part; its first number is no direction.
    """
    centres = [part.mean(axis=0) for part in parts]
    texts, pictures = (part - centre for part, centre in zip(parts, centres, strict=True))
    covariance = _cross_covariance(texts, pictures)
    covariance += TEXTS_SHARE * _cross_covariance(texts, texts)
    values, directions = np.linalg.eigh(covariance)
    rotation = directions[:, np.argsort(-values)[: dim - 1]].astype(np.float32)
    projected_text, projected_image = (
        replace(head, centre=centre.astype(np.float32), rotation=rotation)
        for head, centre in zip((text, image), centres, strict=True)
    )
    return Heads(projected_text, projected_image)


def add_residual_texts(heads: Heads, text: Vectors, image: Vectors) -> Heads:
    """The heads with residual text features: the features of texts concatenated, centred.

    Heads that learn from pictures alone forget what no picture shows. The image part is zero
    there; the directions are then chosen anew, as many as before.

    Args:
        heads: as trained, without a bank.
        text: `(n, text features)` of training products.
        image: `(n, image features)` of the same.
    """
    inner, residual = heads.text.weight.shape[1], text.shape[1]
    mean = text.mean(axis=0)
    learnt = np.linalg.norm(text @ heads.text.weight + heads.text.bias, axis=1).mean()
    length = np.linalg.norm(text - mean, axis=1).mean()
    wide_text = Projection.linear(
        np.concatenate([heads.text.weight / learnt, np.eye(residual) / length], axis=1),
        np.concatenate([heads.text.bias / learnt, -mean / length]),
    )
    wide_image = Projection.linear(
        np.pad(heads.image.weight, ((0, 0), (0, residual))), np.pad(heads.image.bias, (0, residual))
    )
    found = project_heads(wide_text, wide_image, (wide_text(text), wide_image(image)), heads.dim)
    centre, rotation = found.image.centre[:inner], found.image.rotation[:inner]
    return Heads(found.text, Projection(heads.image.weight, heads.image.bias, centre, rotation))


def _cross_covariance(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    """`(dim, dim)`, symmetric: along a direction, the mean product of the two rows of a pair."""
    cross = left.astype(np.float64).T @ right.astype(np.float64) / len(left)
    return np.asarray((cross + cross.T) / 2)


def fit_cca(text: Vectors, image: Vectors, dim: int) -> Heads:
    """Heads by regularised canonical correlation of paired features, in closed form.

    Args:
        text: `(n, text features)`; row i and row i of `image` are of one product.
        image: `(n, image features)`.
        dim: of a part, whose first number is no direction; at most what both features offer is
            kept.

    Canonical directions are weighted by their correlation, so uncorrelated
    directions count for nothing.
    """
    text_mean, image_mean = text.mean(0), image.mean(0)
    left = (text - text_mean).astype(np.float64)
    right = (image - image_mean).astype(np.float64)
    whiten_text, whiten_image = _whitening(left), _whitening(right)
    cross = whiten_text.T @ (left.T @ right / len(left)) @ whiten_image
    u, correlations, vt = np.linalg.svd(cross, full_matrices=False)
    kept = min(dim - 1, len(correlations))
    scale = correlations[:kept]
    return Heads(
        Projection.linear(whiten_text @ u[:, :kept] * scale, mean=text_mean),
        Projection.linear(whiten_image @ vt[:kept].T * scale, mean=image_mean),
    )


def _whitening(centred: np.ndarray) -> np.ndarray:
    covariance = centred.T @ centred / len(centred)  # (features, features)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, directions = np.linalg.eigh(covariance)
    return np.asarray(directions / np.sqrt(values))
