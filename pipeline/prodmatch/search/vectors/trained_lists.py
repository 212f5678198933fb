"""Lists of the index published last whose centroids serve tonight's vectors as well."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.search.vectors.code_lists import CodeLists
from prodmatch.search.vectors.index_builder import Kind, Trained
from prodmatch.search.vectors.list_builder import count_lists
from prodmatch.search.vectors.part_lists import PARTS
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.atomic import check_files
from prodmatch.storage.embeddings import Embeddings
from prodmatch.storage.generations import Generation, open_generation

logger = logging.getLogger(__name__)

MOST_GROWTH = 1.5  # of the number of lists that the rows call for, either way
KEPT_BREADTH = 2.0  # times the lists that a query looked at when they were trained


@dataclass(frozen=True)
class EarlierLists:
    """Centroids with what their manifest says of their training: the rows, and lists looked at."""

    trained: Trained
    lists: Mapping[str, int]


def find_trained(store: Path, embeddings: Embeddings, kind: Kind) -> EarlierLists | None:
    """The lists of the published index, where it is of that kind, of this model and as large."""
    if kind != "codes":
        return None
    try:
        generation = open_generation(store)
        lists = generation.manifest.get("trained")
        if not isinstance(lists, dict) or not _fits(generation, embeddings):
            return None
        names = [
            name for name in generation.files if name.startswith(("index.", "products.parquet"))
        ]
        files = {name: generation.files[name] for name in names}
        check_files(generation.folder, files, digests=True)
        count, dim = generation.product_count, int(str(generation.manifest["dim"]))
        index = AnnIndex.open(generation.folder / "index.faiss", row_count=count, dim=dim)
    except (DamagedError, MismatchError, StoreError) as error:
        logger.debug("no lists are taken over: %s", error)
        return None
    if index.lists is None or not _serves(index.lists, embeddings):
        return None
    ids = pq.read_table(generation.folder / "products.parquet", columns=["product_id"])
    names = pa.chunked_array([batch["product_id"] for batch in embeddings.batches(["product_id"])])
    found = pc.index_in(names, value_set=ids["product_id"])
    rows = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return EarlierLists(Trained(index, rows), cast(Mapping[str, int], lists))


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


def is_drifted(index: AnnIndex, earlier: EarlierLists) -> bool:
    """Whether a query must look at so many more of the lists now that new ones pay."""
    before = [earlier.lists[name] for name in PARTS]
    pairs = zip(index.breadths, before, strict=True)
    return any(now > KEPT_BREADTH * then for now, then in pairs)
