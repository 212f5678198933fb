"""What the products of a night have, for the gate, and its rejects; the night before, likewise."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.part_checks import name_whole_exports
from prodmatch.catalogue.pictures.image_files import ADDRESS_REASON
from prodmatch.catalogue.reader import Catalogue
from prodmatch.catalogue.rows import REPEATED, Reject
from prodmatch.embedding.fuse import FuseResult
from prodmatch.embedding.nights.columns.night_columns import (
    Night,
    metadata_types,
    null_unless,
    published_night,
    read_values,
)
from prodmatch.errors import CatalogueError, DamagedError, MismatchError, StoreError
from prodmatch.scanning.scan import Scan, one_chunk, read_rows
from prodmatch.storage.atomic import new_file
from prodmatch.storage.embeddings import Embeddings, open_embeddings, open_set
from prodmatch.storage.generations import generation_numbers, gone_back_to, open_generation
from prodmatch.storage.product_file import read_catalogue_columns

FROM_EMBEDDINGS = ("product_id", "row_digest", "text_key", "image_key", "has_text", "has_image")
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("product_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("embedded", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class LastNight:
    """The products embedded last; None before the first night, or where nothing can be read."""

    night: Night | None
    warnings: Sequence[str] = ()
    embeddings: Embeddings | None = None  # that it was read from

    def without(self, columns: Collection[str]) -> "LastNight":
        """The same without some columns of metadata, which so are not missed tonight."""
        if self.night is None:
            return self
        types = {name: kind for name, kind in self.night.types.items() if name not in columns}
        return replace(self, night=replace(self.night, types=types))


def read_last_night(store: Path) -> LastNight:
    """The products embedded last, or, where these are damaged or gone, the published ones."""
    try:
        embeddings = open_embeddings(store / "embeddings")
        if embeddings is None:
            if not generation_numbers(store / "index"):
                return LastNight(None)
            damage = f"{store / 'embeddings'}: there are none. All products count as added"
        else:
            current = gone_back_to(store, embeddings.digest)
            if current is None:
                return LastNight(_embedded_night(embeddings), embeddings=embeddings)
            back = f"the store went back to generation {current.number}"
            earlier = open_set(store / "embeddings", str(current.manifest.get("embeddings")))
            if earlier is not None:
                return LastNight(_embedded_night(earlier), [f"{back}: compared with that"], earlier)
            damage = f"{back}, whose embeddings are gone. All products count as added"
    except (DamagedError, MismatchError) as error:
        damage = f"{error} All products count as added"
    try:
        generation = open_generation(store)
        table = read_catalogue_columns(generation)
        night = published_night(table)
        night = replace(night, read_column=lambda name: iter(table.select([name]).to_batches()))
        compared = f"compared with the published generation {generation.number}"
        return LastNight(night, [f"{damage}; {compared}."])
    except (DamagedError, MismatchError, StoreError, OSError, pa.ArrowException):
        return LastNight(None, [f"{damage}; there is nothing to compare this catalogue with."])


@dataclass(frozen=True)
class Tonight:
    """Tonight's products, the rows that are rejected, and the pictures that cannot be used."""

    night: Night
    rejects: list[Reject]
    images_unusable: list[Reject]
    listed_unusable: list[Reject]  # pictures of lists; their products have others


def scanned_night(catalogue: Catalogue, scan: Scan) -> Tonight:
    """Tonight's products before anything is encoded: every picture that was read counts."""
    types = {column.name: column.type for column in catalogue.schema}
    values = read_values(read_rows(scan, list(types)), types)
    night = Night(
        product_ids=scan.product_ids,
        text_keys=scan.text_keys,
        image_keys=scan.image_keys,
        types=types,
        **vars(values),
        has_images=catalogue.mapping.image is not None,
        left_out=tuple(catalogue.mapping.left_out),
        row_digests=scan.row_digests,
        read_column=lambda name: read_rows(scan, [name]),
    )
    return _with_rejects(night, list(scan.rejects), list(scan.image_rejects), [])


def fused_night(fused: FuseResult, scanned: Tonight) -> Tonight:
    """Tonight's products as they would be embedded; `scanned` itself where all are as it says."""
    if fused.embedded.all() and not (fused.errors or fused.listed_unusable):
        return scanned
    chosen, night = fused.embedded, scanned.night
    rows = pa.array(chosen)
    night = replace(
        night,
        product_ids=night.product_ids.filter(rows),
        text_keys=null_unless(fused.text.present, night.text_keys).filter(rows),
        image_keys=null_unless(fused.image.present, night.image_keys).filter(rows),
        filled={name: mask[chosen] for name, mask in night.filled.items()},
        numbers={name: numbers[chosen] for name, numbers in night.numbers.items()},
        amounts={name: amounts.select(chosen) for name, amounts in night.amounts.items()},
        labels={name: labels.filter(rows) for name, labels in night.labels.items()},
        row_digests=fused.scan.row_digests.filter(rows),
        read_column=lambda name: _filter_batches(read_rows(fused.scan, [name]), chosen),
    )
    return _with_rejects(night, fused.rejects, fused.images_unusable, fused.listed_unusable)


def _filter_batches(
    batches: Iterator[pa.RecordBatch], chosen: npt.NDArray[np.bool_]
) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in batches:
        yield batch.filter(pa.array(chosen[start : start + len(batch)]))
        start += len(batch)


def _with_rejects(
    night: Night,
    rejects: list[Reject],
    images_unusable: list[Reject],
    listed_unusable: list[Reject],
) -> Tonight:
    reasons = (reject.reason for reject in [*rejects, *images_unusable])
    images = Counter(reason for reason in reasons if reason.startswith("image_"))
    addresses = images.pop(ADDRESS_REASON, 0)
    night = replace(night, images_unusable=dict(images.most_common()), addresses=addresses)
    return Tonight(night, rejects, images_unusable, listed_unusable)


def _embedded_night(embeddings: Embeddings) -> Night:
    own = pa.Table.from_batches(
        embeddings.batches(FROM_EMBEDDINGS),
        pa.schema(map(embeddings.schema.field, FROM_EMBEDDINGS)),
    )
    columns = {name: one_chunk(own[name]) for name in FROM_EMBEDDINGS}
    types = metadata_types(embeddings.schema)
    image_keys = null_unless(columns["has_image"], columns["image_key"])
    values = read_values(embeddings.batches(list(types)), types)
    return Night(
        product_ids=columns["product_id"],
        text_keys=null_unless(columns["has_text"], columns["text_key"]),
        image_keys=image_keys,
        types=types,
        **vars(values),
        has_images=bool(image_keys.null_count < len(image_keys) or embeddings.images_unusable),
        images_unusable=embeddings.images_unusable,
        row_digests=columns["row_digest"],
        read_column=lambda name: embeddings.batches([name]),
    )


def write_rejects(path: Path, tonight: Tonight) -> None:
    """Writes the rejects of a night, and the pictures that products do without, by their rows."""
    listed = [(reject, False) for reject in tonight.rejects]
    unusable = [*tonight.images_unusable, *tonight.listed_unusable]
    listed += [(reject, True) for reject in unusable]
    listed.sort(key=lambda pair: pair[0].row)
    rows = [{**asdict(reject), "embedded": embedded} for reject, embedded in listed]
    table = pa.Table.from_pylist(rows, SCHEMA)
    with new_file(path) as file:
        pq.write_table(table, file)


def check_rejects(catalogue: Catalogue, tonight: Tonight, path: Path, limit: float) -> list[str]:
    """A warning of the rejects, if there are any.

    Raises:
        CatalogueError: there is no product, or there are too many rejects.
    """
    rows, rejects = catalogue.row_count, tonight.rejects
    reasons = ", ".join(f"{name} {count}" for name, count in count_reasons(rejects).items())
    text = f"{len(rejects)} of {rows} rows are rejected ({reasons})"
    repeated = [reject.row for reject in rejects if reject.reason == REPEATED]
    copies = name_whole_exports(catalogue.parts, repeated)
    if len(rejects) < rows and len(rejects) / rows <= limit:
        return [f"{text}; {path} lists them", *filter(None, [copies])] if rejects else []
    raise CatalogueError(
        f"{catalogue.name}: {text}, more than `max_reject={limit:g}` allows; embeddings stay as "
        f"they were. {copies or f'See {path}, correct the rows or raise the limit.'}"
    )


def count_reasons(rejects: Sequence[Reject]) -> dict[str, int]:
    """How many rejects there are by reason, the most common first."""
    return dict(Counter(reject.reason for reject in rejects).most_common())
