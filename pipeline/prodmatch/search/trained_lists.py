"""Lists of the index published last whose centroids serve tonight's vectors as well."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.search.index_builder import Kind, Trained, count_lists
from prodmatch.search.vector_index import AnnIndex
from prodmatch.storage.atomic import check_files
from prodmatch.storage.embeddings import Embeddings
from prodmatch.storage.generations import Generation, open_generation

logger = logging.getLogger(__name__)

NAMES = {"ivf": ",Flat ", "codes": ",SQ8,"}  # in the type of an index
MOST_GROWTH = 1.5  # of the number of lists that the rows call for, either way
KEPT_BREADTH = 2.0  # times the lists that a query looked at when they were trained


@dataclass(frozen=True)
class EarlierLists:
    """Centroids with what their manifest says: the rows, and the `nprobe`, of their training."""

    trained: Trained
    lists: Mapping[str, int]


def find_trained(store: Path, embeddings: Embeddings, kind: Kind) -> EarlierLists | None:
    """The lists of the published index, where it is of that kind, of this model and as large."""
    if kind not in NAMES:
        return None
    try:
        generation = open_generation(store)
        lists = generation.manifest.get("trained")
        if not isinstance(lists, dict) or not _fits(generation, embeddings, kind):
            return None
        files = {name: generation.files[name] for name in ("index.faiss", "products.parquet")}
        check_files(generation.folder, files, digests=True)
        count, dim = generation.product_count, int(str(generation.manifest["dim"]))
        index = AnnIndex.open(generation.folder / "index.faiss", row_count=count, dim=dim)
    except (DamagedError, MismatchError, StoreError) as error:
        logger.debug("no lists are taken over: %s", error)
        return None
    if index.lists is None or not _is_about(index.lists.nlist, count_lists(embeddings.row_count)):
        return None
    ids = pq.read_table(generation.folder / "products.parquet", columns=["product_id"])
    names = pa.chunked_array([batch["product_id"] for batch in embeddings.batches(["product_id"])])
    found = pc.index_in(names, value_set=ids["product_id"])
    rows = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return EarlierLists(Trained(index, rows), cast(Mapping[str, int], lists))


def _fits(generation: Generation, embeddings: Embeddings, kind: Kind) -> bool:
    manifest, same = generation.manifest, embeddings.manifest
    return (
        NAMES[kind] in str(manifest["type"])
        and manifest["dim"] == same["dim"]
        and manifest["model_fingerprint"] == same["model_fingerprint"]
    )


def _is_about(one: int, other: int) -> bool:
    return other / MOST_GROWTH <= one <= other * MOST_GROWTH


def is_drifted(index: AnnIndex, earlier: EarlierLists) -> bool:
    """Whether a query must look at so many more of the lists now that new ones pay."""
    return index.breadth > KEPT_BREADTH * earlier.lists["nprobe"]
