"""Lists of the index published last whose centroids serve tonight's vectors as well."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.search.vectors.code_lists import CodeLists
from prodmatch.search.vectors.index_builder import Kind
from prodmatch.search.vectors.list_builder import count_lists
from prodmatch.search.vectors.list_pieces import Trained
from prodmatch.search.vectors.part_lists import PARTS
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.atomic import check_files
from prodmatch.storage.embeddings import Embeddings
from prodmatch.storage.generations import Generation, open_generation
from prodmatch.storage.product_file import PRODUCT_FILE, read_column

logger = logging.getLogger(__name__)

MOST_GROWTH = 1.5  # of the number of lists that the rows call for, either way
KEPT_BREADTH = 2.0  # times the lists that a query looked at when they were trained


def find_trained(store: Path, embeddings: Embeddings, kind: Kind) -> Trained | None:
    """The lists of the published index, where it is of that kind, of this model and as large."""
    if kind != "codes":
        return None
    try:
        generation = open_generation(store)
        lists = generation.manifest.get("trained")
        if not isinstance(lists, dict) or not _fits(generation, embeddings):
            return None
        files = {
            name: entry
            for name, entry in generation.files.items()
            if name.startswith(("index.", PRODUCT_FILE))
        }
        check_files(generation.folder, files, digests=True)
        index = AnnIndex.of(generation)
    except (DamagedError, MismatchError, StoreError) as error:
        logger.debug("no lists are taken over: %s", error)
        return None
    if index.lists is None or not _serves(index.lists, embeddings):
        return None
    ids = read_column(generation.folder, "product_id")
    names = pa.chunked_array([batch["product_id"] for batch in embeddings.batches(["product_id"])])
    found = pc.index_in(names, value_set=ids)
    rows = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return Trained(index, rows, cast(Mapping[str, int], lists))


def _fits(generation: Generation, embeddings: Embeddings) -> bool:
    manifest, same = generation.manifest, embeddings.manifest
    return (
        manifest["dim"] == same["dim"]
        and manifest["model_fingerprint"] == same["model_fingerprint"]
    )


def _serves(parts: Sequence[CodeLists], embeddings: Embeddings) -> bool:
    """Whether there are about as many lists of each part as the rows that have it call for."""
    for name, lists in zip(PARTS, parts, strict=True):
        column = f"has_{name}"
        masks = [batch[column] for batch in embeddings.batches([column])]
        rows = sum(int(pc.sum(mask).as_py() or 0) for mask in masks)
        wanted = count_lists(rows) if rows else 0
        if not wanted / MOST_GROWTH <= lists.quantizer.list_count <= wanted * MOST_GROWTH:
            return False
    return True


def is_drifted(index: AnnIndex, earlier: Trained) -> bool:
    """Whether a query must look at so many more of the lists now that new ones pay."""
    before = [earlier.described[name] for name in PARTS]
    pairs = zip(index.breadths, before, strict=True)
    return any(now > KEPT_BREADTH * then for now, then in pairs)
