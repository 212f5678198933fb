"""What an embedding run has to do: one pass over the catalogue, then a comparison of keys."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from prodmatch.catalogue.reader import Batch, Catalogue, Reject
from prodmatch.columns.encodings import WrongEncodings
from prodmatch.embedding.picture_lists import OtherPictures
from prodmatch.encoders.device import Precision
from prodmatch.encoders.fingerprint import image_fingerprint, text_fingerprint
from prodmatch.errors import CatalogueError
from prodmatch.model.description import EncoderPair
from prodmatch.progress import bars_off
from prodmatch.storage.atomic import new_scratch_file
from prodmatch.storage.embeddings import READ_ROWS
from prodmatch.storage.features import KEY, FeatureStore, content_key

logger = logging.getLogger(__name__)

OWN = pa.schema(
    [
        ("product_id", pa.string()),
        ("text", pa.string()),
        ("text_key", KEY),
        ("image_key", KEY),
        ("row", pa.int64()),
        ("row_digest", KEY),
    ]
)
KEPT = ("product_id", "text_key", "image_key", "row_digest")  # in memory


@dataclass(frozen=True)
class Scan:
    """A catalogue after one pass: its usable rows in a file, their keys in memory.

    The arrays run over the usable rows: 16 bytes a key, so a million products take 60 MB.
    """

    rows_path: Path  # the columns of OWN, then the catalogue's other columns; no pictures
    rows: npt.NDArray[np.int64]  # row numbers in the catalogue
    product_ids: pa.StringArray
    text_keys: pa.FixedSizeBinaryArray  # null where a product has no text
    image_keys: pa.FixedSizeBinaryArray  # null where a product has no picture
    row_digests: pa.FixedSizeBinaryArray  # of everything known about the product
    rejects: Sequence[Reject]
    image_rejects: Sequence[Reject]  # pictures that could not be fetched; the text serves
    listed_rejects: Sequence[Reject]  # pictures of lists that could not be; others of it serve
    others: OtherPictures  # of products with a list of pictures
    text_warnings: Sequence[str]  # of texts that were decoded with a wrong encoding

    @property
    def digest(self) -> str:
        """Of all rows in their order, as 64 hexadecimal digits."""
        return hashlib.sha256(b"".join(self.row_digests.to_pylist())).hexdigest()


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
    def images_to_encode(self) -> int:
        """Distinct pictures that the store lacks."""
        return len(self.new_images) + len(self.new_others)


def plan_features(
    catalogue: Catalogue,
    encoders: EncoderPair,
    store: Path,
    scratch: Path,
    precision: Precision = "float32",
) -> FeaturePlan:
    """Scans a catalogue and decides what has to be encoded; writes to `scratch` alone.

    Features of another precision have another name, and count as missing.
    """
    text = text_fingerprint(encoders.text_folder, encoders.text, precision)
    image = image_fingerprint(encoders.image_folder, encoders.image, precision)
    texts = FeatureStore(store / "features" / f"text-{text[:32]}")
    images = FeatureStore(store / "features" / f"image-{image[:32]}")
    scan = scan_catalogue(catalogue, scratch)
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


def scan_catalogue(catalogue: Catalogue, scratch: Path) -> Scan:
    """Reads the whole catalogue once, by row groups, and keeps what later steps need.

    Raises:
        CatalogueError: a file is damaged, or was replaced on the way, so that rows of two
            catalogues could be mixed.
    """
    logger.info(
        "reading %d rows", catalogue.row_count, extra={"phase": "read", "rows": catalogue.row_count}
    )
    before = _file_states(catalogue)
    rows_path = scratch / "rows.parquet"
    parts: list[pa.RecordBatch] = []
    rows: list[npt.NDArray[np.int64]] = []
    rejects: list[Reject] = []
    image_rejects: list[Reject] = []
    listed_rejects: list[Reject] = []
    others: list[tuple[int, int, int, bytes]] = []
    encodings = WrongEncodings()
    count = 0
    schema = pa.schema([*OWN, *catalogue.schema])
    with (
        new_scratch_file(rows_path) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
        tqdm(total=catalogue.row_count, desc="rows", unit="row", disable=bars_off()) as progress,
    ):
        for batch in catalogue.batches():
            progress.update(len(batch.rows) + len(batch.rejects))
            rejects += batch.rejects
            image_rejects += [reject for reject in batch.image_rejects if reject is not None]
            listed_rejects += batch.listed_rejects
            encodings.add(batch.product_ids, batch.metadata)
            keys = _other_keys(batch)
            others += [
                (count + index, int(batch.rows[index]), position, key)
                for index, found in keys.items()
                for key, position in found.items()
            ]
            count += len(batch.rows)
            record = _describe(batch, keys, schema)
            writer.write_batch(record)
            parts.append(record.select(KEPT))
            rows.append(batch.rows)
    _check_read(catalogue, before, sum(map(len, rows)) + len(rejects))
    table = pa.Table.from_batches(parts, pa.schema([OWN.field(name) for name in KEPT]))
    return Scan(
        rows_path,
        np.concatenate(rows) if rows else np.zeros(0, np.int64),
        one_chunk(table["product_id"]),
        one_chunk(table["text_key"]),
        one_chunk(table["image_key"]),
        one_chunk(table["row_digest"]),
        rejects,
        image_rejects,
        listed_rejects,
        OtherPictures.gather(others),
        encodings.warnings(),
    )


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


def _other_keys(batch: Batch) -> dict[int, dict[bytes, int]]:
    """The distinct pictures after the first, with their positions, by the index of the product."""
    found = {}
    for index, pictures in batch.more_images.items():
        first = content_key(batch.images[index] or b"")
        keys: dict[bytes, int] = {}
        for position, data in enumerate(pictures, 1):
            keys.setdefault(content_key(data), position)
        keys.pop(first, None)
        found[index] = keys
    return found


def _describe(
    batch: Batch, other_keys: Mapping[int, Mapping[bytes, int]], schema: pa.Schema
) -> pa.RecordBatch:
    text_keys = [content_key(text.encode()) if text else None for text in batch.texts]
    image_keys = [content_key(data) if data is not None else None for data in batch.images]
    columns = batch.metadata.num_columns  # without any, a batch has no rows either
    known = batch.metadata.to_pylist() if columns else [{}] * len(batch.product_ids)
    metadata = (
        json.dumps(row, sort_keys=True, default=str, ensure_ascii=False).encode() for row in known
    )
    pictures = [key or b"" for key in image_keys]
    for index, keys in other_keys.items():
        pictures[index] += b"".join(keys)
    digests = [
        content_key(b"\0".join([i.encode(), t or b"", p, m]))
        for i, t, p, m in zip(batch.product_ids, text_keys, pictures, metadata, strict=True)
    ]
    columns = [
        pa.array(batch.product_ids, pa.string()),
        pa.array([text or None for text in batch.texts], pa.string()),
        pa.array(text_keys, KEY),
        pa.array(image_keys, KEY),
        pa.array(batch.rows, pa.int64()),
        pa.array(digests, KEY),
        *batch.metadata.columns,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def new_contents(keys: pa.FixedSizeBinaryArray, known: pa.Array) -> npt.NDArray[np.int64]:
    """The first index of each distinct key that is not `known`, ascending; nulls are left out."""
    firsts = _first_indices(keys)
    new = pc.invert(pc.is_in(keys.take(pa.array(firsts)), value_set=known))
    chosen: npt.NDArray[np.int64] = firsts[new.to_numpy(zero_copy_only=False)]
    return chosen


def count_distinct(keys: pa.FixedSizeBinaryArray) -> int:
    """How many distinct keys there are, nulls left out."""
    return int(pc.count_distinct(keys, mode="only_valid").as_py())


def _first_indices(keys: pa.FixedSizeBinaryArray) -> npt.NDArray[np.int64]:
    codes = keys.dictionary_encode().indices  # codes count up as new keys appear
    numbers = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
    highest = np.maximum.accumulate(np.concatenate([[-1], numbers]))
    return np.flatnonzero(numbers > highest[:-1]).astype(np.int64)


def read_rows(scan: Scan, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The usable rows as they were read, in the catalogue's order."""
    with pq.ParquetFile(scan.rows_path, pre_buffer=False) as reader:  # else it is read whole
        yield from reader.iter_batches(READ_ROWS, columns=columns)


def new_texts(scan: Scan, indices: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
    """(key, text) of the usable rows of these ascending indices."""
    start = 0
    for batch in read_rows(scan, ["text_key", "text"]):
        inside = indices[(indices >= start) & (indices < start + len(batch))] - start
        chosen = batch.take(pa.array(inside))
        yield from zip(chosen["text_key"].to_pylist(), chosen["text"].to_pylist(), strict=True)
        start += len(batch)


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
