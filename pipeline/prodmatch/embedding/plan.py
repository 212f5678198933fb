"""What an embedding run has to do: one pass over the catalogue, then a comparison of keys."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from prodmatch.catalogue.reader import Catalogue
from prodmatch.encoders.device import Precision
from prodmatch.encoders.graphs import feature_name
from prodmatch.errors import CatalogueError
from prodmatch.model.description import EncoderPair
from prodmatch.progress import bars_off
from prodmatch.scanning.cache import ScanCache
from prodmatch.scanning.scan import Scan, ScannedPart, gather_parts, read_rows, scan_part
from prodmatch.storage.arrow import as_codes, find_rows
from prodmatch.storage.features import FeatureStore
from prodmatch.storage.vectors import rows_in_batch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeaturePlan:
    """The decision: which contents the store lacks, as indices of the scan's rows."""

    scan: Scan
    texts: FeatureStore
    images: FeatureStore
    new_texts: npt.NDArray[np.int64]
    new_images: npt.NDArray[np.int64]
    new_others: npt.NDArray[np.int64]  # indices of `scan.others`
    precision: Precision  # of all features that the plan names
    graphs: Path  # where the store keeps exported encoders

    @property
    def reused(self) -> int:
        """Distinct texts and pictures of the catalogue that the store holds already."""
        images = pa.concat_arrays([self.scan.image_keys, self.scan.others.keys])
        distinct = count_distinct(self.scan.text_keys) + count_distinct(images)
        return distinct - len(self.new_texts) - self.images_to_encode

    @property
    def contents_to_encode(self) -> int:
        """Distinct texts and pictures that the store lacks."""
        return len(self.new_texts) + self.images_to_encode

    @property
    def images_to_encode(self) -> int:
        """Distinct pictures that the store lacks."""
        return len(self.new_images) + len(self.new_others)

    def with_shards(self, rows: int) -> "FeaturePlan":
        """The plan with so many features in a shard."""
        texts, images = (replace(store, shard_rows=rows) for store in (self.texts, self.images))
        return replace(self, texts=texts, images=images)


def plan_features(
    catalogue: Catalogue,
    encoders: EncoderPair,
    store: Path,
    scratch: Path,
    precision: Precision = "float32",
    *,
    cache: ScanCache | None = None,
) -> FeaturePlan:
    """Scans a catalogue and decides what has to be encoded; writes to `scratch` and the cache.

    Features of another precision have another name, and count as missing.
    """
    return plan_scanned(scan_catalogue(catalogue, scratch, cache), encoders, store, precision)


def plan_scanned(
    scan: Scan, encoders: EncoderPair, store: Path, precision: Precision
) -> FeaturePlan:
    """Decides what has to be encoded of a catalogue that was scanned; writes nothing."""
    texts, images = (
        FeatureStore(store / "features" / feature_name(folder, spec, precision))
        for folder, spec in (
            (encoders.text_folder, encoders.text),
            (encoders.image_folder, encoders.image),
        )
    )
    known = images.keys()
    firsts = pa.concat_arrays([known, scan.image_keys])
    return FeaturePlan(
        scan,
        texts,
        images,
        new_contents(scan.text_keys, texts.keys()),
        new_contents(scan.image_keys, known),
        new_contents(scan.others.keys, firsts),
        precision,
        store / "encoders",
    )


def scan_catalogue(catalogue: Catalogue, scratch: Path, cache: ScanCache | None = None) -> Scan:
    """Reads each file of the catalogue once that has changed, and keeps what later steps need.

    Args:
        cache: has the rows of unchanged files, and takes those of the others.

    Raises:
        CatalogueError: a file is damaged, or was replaced on the way, so that rows of two
            catalogues could be mixed.
    """
    rows = catalogue.row_count
    logger.info("reading %d rows", rows, extra={"phase": "read", "rows": rows})
    before = _file_states(catalogue)
    keys: list[str | None] = []
    parts: list[ScannedPart] = []
    with tqdm(total=rows, desc="rows", unit="row", disable=bars_off()) as progress:
        for position, part in enumerate(catalogue.parts):
            keys.append(cache.key(catalogue, position) if cache else None)
            found = cache.find(keys[-1]) if cache and keys[-1] else None
            if found is None:
                path, keep = scratch / f"rows-{position}.parquet", keys[-1] is not None
                found = scan_part(catalogue, position, path, progress.update, keep=keep)
            else:
                progress.update(part.row_count)
            parts.append(found)
    scan = gather_parts(catalogue, parts)
    _check_read(catalogue, before, len(scan.rows) + len(scan.rejects))
    if cache:
        cache.keep(keys, parts)
    return scan


def _file_states(catalogue: Catalogue) -> list[tuple[int, int, int]]:
    """Which file each part of a catalogue is, how large, and when it was last written."""
    states = [part.path.stat() for part in catalogue.parts]
    return [(state.st_ino, state.st_size, state.st_mtime_ns) for state in states]


def _check_read(catalogue: Catalogue, before: list[tuple[int, int, int]], rows_read: int) -> None:
    try:
        same = _file_states(catalogue) == before
    except OSError:
        same = False
    if not same:
        raise CatalogueError(
            f"{catalogue.name}: was replaced while it was read. Run again when it is written."
        )
    if rows_read != catalogue.row_count:
        raise CatalogueError(
            f"{catalogue.name}: {catalogue.row_count} rows are claimed, {rows_read} were read. "
            "Write it again."
        )


def new_contents(keys: pa.FixedSizeBinaryArray, known: pa.Array) -> npt.NDArray[np.int64]:
    """The first index of each distinct key that is not `known`, ascending; nulls are left out."""
    firsts = _first_indices(keys)
    chosen: npt.NDArray[np.int64] = firsts[find_rows(keys.take(pa.array(firsts)), known) < 0]
    return chosen


def count_distinct(keys: pa.FixedSizeBinaryArray) -> int:
    """How many distinct keys there are, nulls left out."""
    return int(pc.count_distinct(keys, mode="only_valid").as_py())


def _first_indices(keys: pa.FixedSizeBinaryArray) -> npt.NDArray[np.int64]:
    numbers = as_codes(keys)  # which count up as new keys appear
    highest = np.maximum.accumulate(np.concatenate([[-1], numbers]))
    return np.flatnonzero(numbers > highest[:-1]).astype(np.int64)


def new_texts(scan: Scan, indices: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
    """(key, text) of the usable rows of these ascending indices."""
    start = 0
    for batch in read_rows(scan, ["text_key", "text"]):
        inside = rows_in_batch(indices, start, len(batch))
        chosen = batch.take(pa.array(inside))
        yield from zip(chosen["text_key"].to_pylist(), chosen["text"].to_pylist(), strict=True)
        start += len(batch)
