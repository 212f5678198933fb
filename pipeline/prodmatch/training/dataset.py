"""Features of a catalogue's products, gathered into what heads are trained and measured on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from prodmatch.embedding.plan import FeaturePlan
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import ModelError
from prodmatch.storage.arrow import as_mask, find_rows
from prodmatch.training.examples import Examples, Numbers
from prodmatch.training.labels import FEWEST_LABELS, Label

FEWEST_PAIRS = 50
MOST_PAIRS = 50_000


def read_pairs_dataset(plan: FeaturePlan, name: str) -> tuple[Numbers, Examples]:
    """Up to 50,000 products with text and picture, spread over the catalogue, and their rows.

    Raises:
        ModelError: fewer than fifty distinct texts have a picture; names the catalogue.
    """
    scan = plan.scan
    both = np.flatnonzero(as_mask(scan.text_keys.is_valid()) & as_mask(scan.image_keys.is_valid()))
    positions = both[:: max(1, -(-len(both) // MOST_PAIRS))]
    text_keys, image_keys = (
        keys.take(pa.array(positions)) for keys in (scan.text_keys, scan.image_keys)
    )
    text, text_fine = plan.texts.take(text_keys)
    image, image_fine = plan.images.take(image_keys)
    fine = text_fine & image_fine
    groups = _groups(text_keys)
    distinct = len(np.unique(groups[fine]))
    if distinct < FEWEST_PAIRS:
        raise ModelError(
            f"{name}: only {distinct} distinct products have both text and picture; heads need at "
            f"least {FEWEST_PAIRS}. Give a larger catalogue, or one with pictures and texts."
        )
    pairs = Examples.of_pairs(text, image, groups, _groups(image_keys))
    return positions[fine], pairs.take(fine)


def read_labelled_dataset(
    plan: FeaturePlan, labels: Sequence[Label], encoder: TextEncoder, text_share: float, path: Path
) -> Examples:
    """Labels with the features of their queries and products.

    Labels of products that the catalogue does not have, or that lack a half, are left out.

    Raises:
        ModelError: fewer than fifty labels above 0 are left; names the file of labels.
    """
    scan = plan.scan
    ids = pa.array([label.product_id for label in labels])
    products = find_rows(ids, scan.product_ids)
    found = pa.array(products, mask=products < 0)
    queries = list(dict.fromkeys(label.query for label in labels))
    features = encoder.encode(queries, query=True)
    number = {query: row for row, query in enumerate(queries)}
    query_rows = np.array([number[label.query] for label in labels])
    text, text_fine = plan.texts.take(scan.text_keys.take(found))
    image, image_fine = plan.images.take(scan.image_keys.take(found))
    fine = text_fine & image_fine & (products >= 0)
    values = np.array([label.label for label in labels], np.float32)
    if (values[fine] > 0).sum() < FEWEST_LABELS:
        raise ModelError(
            f"{path}: only {int((values[fine] > 0).sum())} labels above 0 are of products "
            f"of the catalogue with text and picture; {FEWEST_LABELS} are needed. Compare the ids."
        )
    examples = Examples(features[query_rows], text, image, values, query_rows, products, text_share)
    return examples.take(fine)


def _groups(keys: pa.FixedSizeBinaryArray) -> Numbers:
    """One number a key, equal for equal keys."""
    return np.array([int.from_bytes(key[:7], "little") for key in keys.to_pylist()], np.int64)
