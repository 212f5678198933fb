"""Which products have the vector that they had last night."""

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.embedding.last_vectors import LastVectors
from prodmatch.embedding.nights.columns.night_columns import Night
from prodmatch.errors import DamagedError
from prodmatch.scanning.scan import Scan
from prodmatch.storage.arrow import as_mask, find_rows
from prodmatch.storage.atomic import check_files
from prodmatch.storage.embeddings import Embeddings

logger = logging.getLogger(__name__)


def find_last_vectors(
    embeddings: Embeddings | None,
    last: Night | None,
    scan: Scan,
    made_from: Mapping[str, object],
) -> LastVectors | None:
    """Where the vectors of tonight's products lie in last night's embeddings, if any do.

    A product keeps the part of its text and that of its picture where these are the same ones, or
    it has none still; one with a list of pictures is made again.

    Args:
        embeddings: of last night; None where there are none to be read.
        made_from: entries of a manifest; embeddings with others are of no use.
    """
    if embeddings is None or last is None or last.row_digests is None:
        return None
    if any(embeddings.manifest.get(name) != value for name, value in made_from.items()):
        return None
    rows = find_rows(scan.product_ids, last.product_ids).copy()
    rows[scan.others.indices] = -1
    stayed = np.flatnonzero(rows >= 0)
    before, after = pa.array(rows[stayed]), pa.array(stayed)
    kept = []
    for old, new in ((last.text_keys, scan.text_keys), (last.image_keys, scan.image_keys)):
        mask = np.zeros(len(rows), np.bool_)
        mask[stayed] = _equal(old.take(before), new.take(after))
        kept.append(mask)
    texts, images = kept
    if embeddings.manifest.get("picture_lists") is not False:  # those after the first may differ
        images[stayed] &= _equal(last.row_digests.take(before), scan.row_digests.take(after))
    rows[~(texts | images)] = -1
    vectors = LastVectors(embeddings, rows, texts, images)
    if not (rows >= 0).any() or not vectors.is_near:
        return None
    try:
        check_files(embeddings.folder, embeddings.files, digests=True)
    except DamagedError as error:
        logger.warning("%s Its vectors are made again.", error)
        return None
    return vectors


def _equal(one: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
    """Where two columns of keys are the same, or both have none."""
    return as_mask(pc.equal(one, other)) | as_mask(pc.and_(pc.is_null(one), pc.is_null(other)))
