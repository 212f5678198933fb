"""What the products of a night have, for the gate: tonight's, and those embedded before."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.catalogue.image_files import ADDRESS_REASON
from prodmatch.catalogue.reader import Catalogue, Reject
from prodmatch.columns.amounts import NO_VALUE, is_measure
from prodmatch.embedding.amount_columns import AmountColumn, AmountReader
from prodmatch.embedding.fuse import FuseResult
from prodmatch.embedding.labels import LabelReader
from prodmatch.embedding.number_changes import Mask, Numbers
from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.scanning.scan import OWN, Scan, one_chunk, read_rows
from prodmatch.storage.embeddings import Embeddings, open_embeddings
from prodmatch.storage.features import KEY, content_key
from prodmatch.storage.generations import open_generation

FROM_EMBEDDINGS = ("product_id", "row_digest", "text_key", "image_key", "has_text", "has_image")
NO_TEXT = sorted(NO_VALUE | {"", "undefined", "[object object]"})  # what exporters write for none
NOT_METADATA = {*OWN.names, "vector", "has_text", "has_image"}


@dataclass(frozen=True)
class CommonValue:
    """A value that many products have, and the share of those with any that have it."""

    value: object
    share: float


@dataclass(frozen=True)
class Night:
    """Products with what they have; the arrays run over them in the catalogue's order."""

    product_ids: pa.StringArray
    text_keys: pa.Array  # null where a product has no text
    image_keys: pa.Array  # null where a product has no picture that can be used
    types: Mapping[str, pa.DataType]  # of the metadata
    filled: Mapping[str, Mask]  # which products have a value, for each column of metadata
    numbers: Mapping[str, Numbers]  # columns of numbers, NaN where a product has none
    amounts: Mapping[str, AmountColumn]  # columns of text whose names are of prices and measures
    common: Mapping[str, CommonValue]  # a frequent value of each column of texts or numbers
    labels: Mapping[str, pa.Array]  # columns of text with few different ones
    has_images: bool  # whether there is a column of pictures
    images_unusable: Mapping[str, int] = field(default_factory=dict)  # rows by reason
    addresses: int = 0  # rows that name their picture by an address, which nothing fetches
    left_out: Sequence[str] = ()  # columns that cannot be metadata
    row_digests: pa.Array | None = None  # None where only a generation is left of the night

    def __len__(self) -> int:
        return len(self.product_ids)


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
    """The products embedded last, or, where these are damaged, the published ones."""
    try:
        embeddings = open_embeddings(store / "embeddings")
        if embeddings is None:
            return LastNight(None)
        return LastNight(_embedded_night(embeddings), embeddings=embeddings)
    except (DamagedError, MismatchError) as error:
        damage = f"{error} All products count as added"
    try:
        generation = open_generation(store)
        table = pq.read_table(generation.folder / "products.parquet")
        compared = f"compared with the published generation {generation.number}"
        return LastNight(_published_night(table), [f"{damage}; {compared}."])
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
    values = _read_values(read_rows(scan, list(types)), types)
    night = Night(
        product_ids=scan.product_ids,
        text_keys=scan.text_keys,
        image_keys=scan.image_keys,
        types=types,
        filled=values.filled,
        numbers=values.numbers,
        amounts=values.amounts,
        common=values.common,
        labels=values.labels,
        has_images=catalogue.mapping.image is not None,
        left_out=catalogue.mapping.left_out,
        row_digests=scan.row_digests,
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
        text_keys=_null_unless(fused.text.present, night.text_keys).filter(rows),
        image_keys=_null_unless(fused.image.present, night.image_keys).filter(rows),
        filled={name: mask[chosen] for name, mask in night.filled.items()},
        numbers={name: numbers[chosen] for name, numbers in night.numbers.items()},
        amounts={name: amounts.select(chosen) for name, amounts in night.amounts.items()},
        labels={name: labels.filter(rows) for name, labels in night.labels.items()},
        row_digests=fused.scan.row_digests.filter(rows),
    )
    return _with_rejects(night, fused.rejects, fused.images_unusable, fused.listed_unusable)


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
    types = _metadata_types(embeddings.schema)
    image_keys = _null_unless(columns["has_image"], columns["image_key"])
    values = _read_values(embeddings.batches(list(types)), types)
    return Night(
        product_ids=columns["product_id"],
        text_keys=_null_unless(columns["has_text"], columns["text_key"]),
        image_keys=image_keys,
        types=types,
        filled=values.filled,
        numbers=values.numbers,
        amounts=values.amounts,
        common=values.common,
        labels=values.labels,
        has_images=bool(image_keys.null_count < len(image_keys) or embeddings.images_unusable),
        images_unusable=embeddings.images_unusable,
        row_digests=columns["row_digest"],
    )


def _published_night(products: pa.Table) -> Night:
    """What a generation tells of a night: not which pictures were the same."""
    types = _metadata_types(products.schema)
    ids = one_chunk(products["product_id"])
    keys = pa.array([content_key(name.encode()) for name in ids.to_pylist()], KEY)
    has_image = one_chunk(products["has_image"])
    values = _read_values(products.select(list(types)).to_batches(), types)
    return Night(
        product_ids=ids,
        text_keys=_null_unless(one_chunk(products["has_text"]), keys),
        image_keys=_null_unless(has_image, keys),
        types=types,
        filled=values.filled,
        numbers=values.numbers,
        amounts=values.amounts,
        common=values.common,
        labels=values.labels,
        has_images=bool(pc.any(has_image).as_py()),
    )


def _metadata_types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {column.name: column.type for column in schema if column.name not in NOT_METADATA}


def _null_unless(present: Mask | pa.Array, keys: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(present), keys, None)


@dataclass(frozen=True)
class _Values:
    """As `filled`, `numbers`, `amounts`, `common` and `labels` of a night."""

    filled: dict[str, Mask]
    numbers: dict[str, Numbers]
    amounts: dict[str, AmountColumn]
    common: dict[str, CommonValue]
    labels: dict[str, pa.Array]


@dataclass
class _CommonCounter:
    """Counts the commonest value of the first batch that has values."""

    value: pa.Scalar | None = None
    count: int = 0
    filled: int = 0

    def add(self, values: pa.Array, filled: pa.BooleanArray) -> None:
        present = values.filter(filled)
        if not len(present):
            return
        if self.value is None:
            counts = pc.value_counts(present)
            self.value = counts.field(0)[pc.index(counts.field(1), pc.max(counts.field(1))).as_py()]
        self.count += pc.sum(pc.equal(present, self.value)).as_py() or 0
        self.filled += len(present)

    def finish(self) -> CommonValue:
        value = None if self.value is None else self.value.as_py()
        return CommonValue(value, self.count / max(1, self.filled))


def _read_values(batches: Iterable[pa.RecordBatch], types: Mapping[str, pa.DataType]) -> _Values:
    """What the columns of metadata hold; a text such as "null" is no value, nor is NaN."""
    masks: dict[str, list[Mask]] = {name: [np.zeros(0, np.bool_)] for name in types}
    numbers: dict[str, list[Numbers]] = {
        name: [np.zeros(0)] for name, kind in types.items() if _is_number(kind)
    }
    texts = [name for name, kind in types.items() if _is_text(kind)]
    amounts = {name: AmountReader() for name in texts if is_measure(name)}
    common = {name: _CommonCounter() for name in (*texts, *numbers)}
    labels = {name: LabelReader() for name in texts}
    for batch in batches if types else ():
        for name, kind in types.items():
            filled = batch[name].is_valid()
            if _is_text(kind):
                plain = pc.utf8_lower(pc.utf8_trim_whitespace(batch[name]))
                empty = pc.is_in(plain, pa.array([*NO_TEXT], plain.type))
                filled = pc.and_(filled, pc.invert(empty))
            if name in numbers:
                values = batch[name].cast(pa.float64(), safe=False)
                numbers[name].append(values.to_numpy(zero_copy_only=False))
                filled = pc.and_(filled, pc.is_finite(pc.fill_null(values, np.nan)))
            if name in amounts:
                amounts[name].add(batch[name], filled)
            if name in labels:
                labels[name].add(batch[name], filled)
            if name in common:
                common[name].add(batch[name], filled)
            masks[name].append(filled.to_numpy(zero_copy_only=False))
    return _Values(
        {name: np.concatenate(parts) for name, parts in masks.items()},
        {name: np.concatenate(parts) for name, parts in numbers.items()},
        {name: reader.finish() for name, reader in amounts.items()},
        {name: counter.finish() for name, counter in common.items()},
        {name: found for name, each in labels.items() if (found := each.finish()) is not None},
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )
