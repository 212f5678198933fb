"""What heads are trained on: queries and products that belong together, as frozen features."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.records import read_records
from prodmatch.embedding.plan import FeaturePlan
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import ModelError, QueryError
from prodmatch.histories.texts import cell_text
from prodmatch.storage.arrow import as_mask, as_rows, find_rows
from prodmatch.storage.vectors import Vectors, draw_rows

FEWEST_PAIRS = 50
MOST_PAIRS = 50_000
FEWEST_LABELS = 50  # above 0
LARGEST_RATIO = 1000  # of labels: those above 0 below a thousandth of the highest count nothing
MOST_BELOW = 0.1  # share of the labels above 0 that may be so
FEWEST_QUERIES = 10  # with such labels, one in ten of which is held out

Numbers = npt.NDArray[np.int64]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examples:
    """Queries and products that belong together row by row, as frozen features.

    Without labels the query is the product's own text and only the picture answers:
    `text_share` is 0. Equal numbers in a group mark what must not be each other's negative.
    """

    query: Vectors  # (n, text features)
    text: Vectors  # (n, text features)
    image: Vectors  # (n, image features)
    labels: npt.NDArray[np.float32]  # (n,) in 0..1
    query_groups: Numbers  # (n,)
    product_groups: Numbers  # (n,)
    text_share: float = 0.0  # of the score; the rest is the picture's

    @classmethod
    def of_pairs(
        cls, text: Vectors, image: Vectors, text_groups: Numbers, image_groups: Numbers
    ) -> "Examples":
        """Each text as a query for its own picture."""
        return cls(text, text, image, np.ones(len(text), np.float32), text_groups, image_groups)

    def __len__(self) -> int:
        return len(self.labels)

    def distinct_queries(self) -> Vectors:
        """One row for each query."""
        return self.query[np.unique(self.query_groups, return_index=True)[1]]

    def take(self, rows: Numbers | npt.NDArray[np.bool_]) -> "Examples":
        """Some of the rows."""
        text, groups = self.text[rows], (self.query_groups[rows], self.product_groups[rows])
        query = text if self.query is self.text else self.query[rows]
        image, labels = self.image[rows], self.labels[rows]
        return Examples(query, text, image, labels, *groups, self.text_share)


def shared_groups(*groups: Numbers) -> npt.NDArray[np.bool_]:
    """`(n, n)`: pairs of rows, the diagonal apart, equal in one of the groups `(n,)`.

    They are false negatives: each may as well answer for the other.
    """
    shared = np.any([group[:, None] == group for group in groups], axis=0)
    np.fill_diagonal(shared, False)
    return np.asarray(shared)


def join_groups(*groups: Numbers) -> Numbers:
    """`(n,)`: equal where rows are equal in one of the groups `(n,)`, or joined by others that are.

    The number of joined rows is the least that they have in the first of the groups.
    """
    joined = groups[0]
    while True:
        before = joined
        for group in groups:
            _, inverse = np.unique(group, return_inverse=True)
            least = np.full(len(joined), np.iinfo(np.int64).max)
            np.minimum.at(least, inverse, joined)
            joined = least[inverse]
        if np.array_equal(joined, before):
            return joined


@dataclass(frozen=True, slots=True)
class Label:
    """How well a product fits a query."""

    query: str
    product_id: str
    label: float  # in 0..1; grades are divided by the highest


def read_labels(path: Path) -> list[Label]:
    """The labels in a Parquet, CSV or JSON lines file with `query`, `product_id` and `label`.

    A label is a truth value or a number from 0 up, higher for a better fit.

    Raises:
        ModelError: a field is missing or of another kind, fewer than fifty labels are above 0, or
            the highest makes others count nothing.
    """
    try:
        rows = read_records(path, "`labels`", numbers=["label"])
    except QueryError as error:
        raise ModelError(str(error)) from error
    found = [_read_row(row, f"`labels` {path}: row {n}") for n, row in enumerate(rows, start=1)]
    highest = max(label.label for label in found)
    positive = sum(label.label > 0 for label in found)
    if positive < FEWEST_LABELS:
        raise ModelError(
            f"`labels` {path}: {positive} of {len(found)} labels are above 0; heads need at least "
            f"{FEWEST_LABELS} products that fit. Give more, or train without labels."
        )
    below = sum(0 < label.label < highest / LARGEST_RATIO for label in found)
    if below > MOST_BELOW * positive:
        row = next(n for n, label in enumerate(found, start=1) if label.label == highest)
        raise ModelError(
            f"`labels` {path}: row {row}: the label is {highest!r}, {LARGEST_RATIO} times as high "
            f"as {below} of the {positive} labels above 0, which count next to nothing then. "
            "Correct it, or give grades such as 0 to 3, or true and false, in place of counts."
        )
    return [Label(label.query, label.product_id, label.label / highest) for label in found]


def merge_labels(labelled: Examples, path: Path) -> Examples:
    """One row for each query and product, with the mean of their labels, in order.

    A warning says how many have a label of 0 and one above it; it names the file of labels.
    """
    pairs = np.stack([labelled.query_groups, labelled.product_groups], axis=1)
    _, firsts, numbers = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    counts, sums = np.bincount(numbers), np.bincount(numbers, labelled.labels)
    positive = np.bincount(numbers, labelled.labels > 0)
    if contrary := int(((positive > 0) & (positive < counts)).sum()):
        logger.warning(
            "%s: %d pairs of a query and a product have labels of 0 and above; their mean counts",
            path,
            contrary,
        )
    order = np.argsort(firsts)
    means = (sums / counts)[order].astype(np.float32)
    return replace(labelled.take(firsts[order]), labels=means)


def _read_row(row: Mapping[str, object], name: str) -> Label:
    query, product_id = cell_text(row.get("query")), cell_text(row.get("product_id"))
    label = row.get("label")
    if query is None or not query.strip() or product_id is None or "label" not in row:
        raise ModelError(
            f"{name} needs query, product_id and label; "
            f"found {', '.join(row)} with {query!r} and {product_id!r}."
        )
    if not isinstance(label, bool | int | float) or not 0 <= label < np.inf:
        raise ModelError(
            f"{name}: the label is {label!r}; labels are true or false, or numbers from 0 up."
        )
    return Label(query, product_id, float(label))


def read_pairs_dataset(plan: FeaturePlan, name: str) -> tuple[Numbers, Examples]:
    """Up to 50,000 products with text and picture, drawn from the catalogue, and their rows.

    Raises:
        ModelError: fewer than fifty distinct texts have a picture, or fewer pictures than that a
            text; names the catalogue.
    """
    scan = plan.scan
    both = np.flatnonzero(as_mask(scan.text_keys.is_valid()) & as_mask(scan.image_keys.is_valid()))
    rows = both[draw_rows(len(both), MOST_PAIRS)]
    keys = [column.take(pa.array(rows)) for column in (scan.text_keys, scan.image_keys)]
    (text, text_fine), (image, image_fine) = plan.texts.take(keys[0]), plan.images.take(keys[1])
    pairs = Examples.of_pairs(text, image, *map(_groups, keys))
    fine = text_fine & image_fine
    for groups, kind in (
        (pairs.query_groups, "products have both text and picture"),
        (pairs.product_groups, "pictures are of products with text"),
    ):
        if (distinct := len(np.unique(groups[fine]))) < FEWEST_PAIRS:
            raise ModelError(
                f"{name}: only {distinct} distinct {kind}; heads need at least {FEWEST_PAIRS}. "
                "Give a larger catalogue, or one with pictures and texts."
            )
    return rows[fine], pairs.take(fine)


def read_labelled_dataset(
    plan: FeaturePlan, labels: Sequence[Label], encoder: TextEncoder, text_share: float, path: Path
) -> Examples:
    """Labels with the features of their queries and products, merged by `merge_labels`.

    Labels of products that the catalogue does not have, or that lack a part, are left out. Queries
    that differ in case and spaces are one.

    Raises:
        ModelError: fewer than fifty labels above 0 are left, or they are of fewer than ten queries;
            names the file of labels.
    """
    products = find_rows(pa.array([label.product_id for label in labels]), plan.scan.product_ids)
    known = pa.array(products, mask=products < 0)
    text, text_fine = plan.texts.take(plan.scan.text_keys.take(known))
    image, image_fine = plan.images.take(plan.scan.image_keys.take(known))
    fine = text_fine & image_fine & (products >= 0)
    values = np.array([label.label for label in labels], np.float32)
    if (positive := int((values[fine] > 0).sum())) < FEWEST_LABELS:
        raise ModelError(
            f"{path}: only {positive} labels above 0 are of products "
            f"of the catalogue with text and picture; {FEWEST_LABELS} are needed. Compare the ids."
        )
    if lost := int((~fine).sum()):
        logger.warning(
            "%s: %d of %d labels are left out, as no product of the catalogue with text and "
            "picture has their ids, such as %r",
            path,
            lost,
            len(fine),
            labels[int(np.argmin(fine))].product_id,
        )
    queries = pa.array([label.query for label in labels]).dictionary_encode()
    query = encoder.encode(queries.dictionary.to_pylist(), query=True)[as_rows(queries.indices)]
    groups = _equal_queries(labels)
    if (several := len(np.unique(groups[fine & (values > 0)]))) < FEWEST_QUERIES:
        raise ModelError(
            f"{path}: the labels above 0 are of {several} queries; {FEWEST_QUERIES} are needed, as "
            "some are held out. Give labels of more queries, or train without."
        )
    labelled = Examples(query, text, image, values, groups, products, text_share).take(fine)
    return merge_labels(labelled, path)


def _equal_queries(labels: Sequence[Label]) -> Numbers:
    """One number a label, equal where queries differ in case and spaces at most."""
    plain = pa.array([" ".join(label.query.casefold().split()) for label in labels])
    return as_rows(plain.dictionary_encode().indices)


def _groups(keys: pa.FixedSizeBinaryArray) -> Numbers:
    """One number a key, equal for equal keys."""
    return np.array([int.from_bytes(key[:7], "little") for key in keys.to_pylist()], np.int64)
