"""A catalogue's features brought up to date: scan, compare keys, encode the difference."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encode import EncodeCount, encode_pictures, encode_texts
from prodmatch.embedding.plan import Scan, count_distinct, new_contents, new_texts, scan_catalogue
from prodmatch.encoders.encoders import (
    ImageEncoder,
    TextEncoder,
    choose_device,
    image_fingerprint,
    text_fingerprint,
)
from prodmatch.model.description import EncoderPair
from prodmatch.storage.features import FeatureStore

__all__ = ["EncodeResult", "FeaturePlan", "plan_features", "update_features"]


@dataclass(frozen=True)
class FeaturePlan:
    """The decision: which contents the store lacks, as places among the scan's rows."""

    scan: Scan
    texts: FeatureStore
    images: FeatureStore
    new_texts: npt.NDArray[np.int64]
    new_images: npt.NDArray[np.int64]

    @property
    def reused(self) -> int:
        """Distinct texts and pictures of the catalogue that the store holds already."""
        distinct = count_distinct(self.scan.text_keys) + count_distinct(self.scan.image_keys)
        return distinct - len(self.new_texts) - len(self.new_images)


@dataclass(frozen=True)
class EncodeResult:
    """What was decided, and what the encoding did."""

    plan: FeaturePlan
    texts: EncodeCount
    images: EncodeCount


def plan_features(
    catalogue: Catalogue, encoders: EncoderPair, store: Path, scratch: Path
) -> FeaturePlan:
    """Scans a catalogue and decides what has to be encoded; writes to `scratch` alone."""
    text = text_fingerprint(encoders.text_folder, encoders.text)
    image = image_fingerprint(encoders.image_folder, encoders.image)
    texts = FeatureStore(store / "features" / f"text-{text[:32]}")
    images = FeatureStore(store / "features" / f"image-{image[:32]}")
    scan = scan_catalogue(catalogue, scratch)
    return FeaturePlan(
        scan,
        texts,
        images,
        new_contents(scan.text_keys, texts.keys()),
        new_contents(scan.image_keys, images.keys()),
    )


def update_features(
    catalogue: Catalogue,
    encoders: EncoderPair,
    plan: FeaturePlan,
    *,
    device: str = "auto",
    workers: int = 1,
) -> EncodeResult:
    """Encodes what was decided, shard by shard; a killed run loses one shard at most."""
    on = choose_device(device)
    scan = plan.scan
    texts, images = EncodeCount(), EncodeCount()
    if len(plan.new_texts):
        text_encoder = TextEncoder(encoders.text_folder, encoders.text, on)
        contents = new_texts(scan, plan.new_texts)
        texts = encode_texts(contents, len(plan.new_texts), text_encoder, plan.texts)
    if len(plan.new_images):
        images = encode_pictures(
            catalogue,
            scan.rows[plan.new_images],
            scan.image_keys.take(pa.array(plan.new_images)).to_pylist(),
            ImageEncoder(encoders.image_folder, encoders.image, on),
            plan.images,
            workers=workers,
        )
    return EncodeResult(plan, texts, images)
