"""A feature plan in units: files in the store that any machine can encode, and their sums.

A unit is a block of a plan's contents, as many as a shard holds, so that its batches are those of a
run on one machine. Its worker encodes it by `encode_missing`, as that run does, publishes the shard
under the unit's number and the digest of its bytes, and returns the name with counts. The driver
alone records what is done, and nothing goes on before its sums are the plan's.
"""

import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encoding.encode import EncoderClasses, encode_missing
from prodmatch.embedding.plan import FeaturePlan, new_texts
from prodmatch.embedding.stages import EncodeCount, EncodeResult
from prodmatch.engines.ray import open_ray_pool
from prodmatch.engines.units import CRASHED, Poison, Pool, run_units
from prodmatch.errors import ProdmatchError, StoreError
from prodmatch.model.description import EncoderPair
from prodmatch.scanning.picture_lists import OtherPictures
from prodmatch.scanning.scan import RowsFile
from prodmatch.storage.atomic import new_file
from prodmatch.storage.features import KEY, FeatureStore
from prodmatch.storage.locks import require_newest
from prodmatch.storage.vectors import Vectors

logger = logging.getLogger(__name__)

Kind = Literal["texts", "pictures", "others"]
Loaded = TypeVar("Loaded")
TEXTS = pa.schema([("text_key", KEY), ("text", pa.string())])
PICTURES = pa.schema([("number", pa.int64()), ("key", KEY)])


@dataclass(frozen=True)
class EncodingUnit:
    """Some contents of one file of a plan."""

    kind: Kind
    number: int  # of its shard
    name: str  # of its file
    first: int
    count: int

    def split(self) -> tuple["EncodingUnit", "EncodingUnit"]:
        """Its contents in two."""
        half = self.count // 2
        return (
            replace(self, count=half),
            replace(self, first=self.first + half, count=self.count - half),
        )


@dataclass(frozen=True)
class UnitResult:
    """What a worker did: names and counts."""

    shards: list[str]
    dim: int
    count: EncodeCount


@dataclass(frozen=True)
class UnitOptions:
    """How units are encoded."""

    folder: Path  # of their files, which every machine reads
    device: str = "auto"
    workers: int = 1
    classes: EncoderClasses | None = None  # None: those of `prodmatch.encoders`


@dataclass(frozen=True)
class UnitWork:
    """What every worker needs besides its unit: what to open, and where."""

    catalogue: Catalogue
    encoders: EncoderPair
    plan: FeaturePlan  # without its contents
    options: UnitOptions

    def __call__(self, unit: EncodingUnit) -> UnitResult:
        """Encodes a unit and publishes its shard."""
        store = _UnitStore(store_of(self.plan, unit).folder, number=unit.number)
        classes = self.options.classes or EncoderClasses()
        encoded = encode_missing(
            self.catalogue,
            self.encoders,
            self._narrow(unit, store),
            device=self.options.device,
            workers=self.options.workers,
            classes=EncoderClasses(_loaded_once(classes.text), _loaded_once(classes.image)),
        )
        return UnitResult(store.written, store.dims[0], encoded.texts + encoded.images)

    def _narrow(self, unit: EncodingUnit, store: FeatureStore) -> FeaturePlan:
        """A plan of this unit's contents alone."""
        path = self.options.folder / unit.name
        if not path.is_file():  # the next run removes what a run has written aside
            raise StoreError(f"{path}: is gone. Its run has ended, or another has taken over.")
        chosen = np.arange(unit.first, unit.first + unit.count)
        scan = replace(self.plan.scan, files=[RowsFile(path)])  # what `encode_missing` reads of it
        if unit.kind == "texts":
            return replace(self.plan, scan=scan, texts=store, new_texts=chosen)
        table = pq.read_table(path)
        numbers, keys = table["number"].to_numpy(), table["key"].combine_chunks()
        if unit.kind == "pictures":
            scan = replace(scan, rows=numbers, image_keys=keys)
            return replace(self.plan, scan=scan, images=store, new_images=chosen)
        scan = replace(scan, others=OtherPictures(numbers, numbers, keys))
        return replace(self.plan, scan=scan, images=store, new_others=chosen)


@dataclass(frozen=True)
class _UnitStore(FeatureStore):
    """Takes the features of a unit under its number, and keeps the names of its shards."""

    number: int = field(kw_only=True)
    written: list[str] = field(default_factory=list)
    dims: list[int] = field(default_factory=list)

    def append(self, keys: Sequence[bytes], vectors: Vectors, errors: Sequence[str | None]) -> str:
        """Publishes a shard, complete or not at all, and gives its name."""
        name = self.publish(self.number, keys, vectors, errors)
        self.written.append(name)
        self.dims.append(vectors.shape[1])
        return name


@functools.cache  # in a process: loading takes as long as thousands of texts
def _loaded_once(load: Callable[..., Loaded]) -> Callable[..., Loaded]:
    return functools.cache(load)


OpenPool = Callable[..., AbstractContextManager[Pool[EncodingUnit, UnitResult]]]


def encode_by_units(
    catalogue: Catalogue,
    encoders: EncoderPair,
    plan: FeaturePlan,
    options: UnitOptions,
    open_pool: OpenPool = open_ray_pool,
) -> EncodeResult:
    """Encodes what the store lacks on the machines of a pool.

    A content that kills every process that encodes it gets the reason `crashed`.

    Raises:
        LockedError: another run has taken over.
        StoreError: what is in the store afterwards is not what the plan counts.
        ProdmatchError: a worker met it, or no content could be encoded.
    """
    units = write_units(plan, options.folder)
    if not units:
        return EncodeResult(EncodeCount(), EncodeCount())
    record, work = _Record(plan), UnitWork(catalogue, encoders, _without_contents(plan), options)
    processors, gpus = 1 + options.workers, int(options.device == "cuda")
    total = sum(unit.count for unit in units)
    phase = {"phase": "encode units", "count": total}
    logger.info("encoding %d contents in %d units", total, len(units), extra=phase)
    try:
        with open_pool(work, processors=processors, gpus=gpus) as pool:
            for done in run_units(pool, units):
                if isinstance(done, Poison):
                    record.poison.append(done.unit)
                else:
                    record.add(*done)
    except ProdmatchError:  # perhaps of files that the next run removed
        require_newest(plan.texts.folder.parent.parent)
        raise
    record.reject_poison(options.folder)
    record.check(units)
    return EncodeResult(record.counts["texts"], record.counts["pictures"] + record.counts["others"])


def write_units(plan: FeaturePlan, folder: Path) -> list[EncodingUnit]:
    """Writes a file for each unit; the same plan gives the same files."""
    scan, others, rows = plan.scan, plan.scan.others, plan.images.shard_rows
    first = _picture_tables(scan.rows, scan.image_keys, plan.new_images, rows)
    listed = _picture_tables(others.numbers, others.keys, plan.new_others, rows)
    tables: list[tuple[Kind, FeatureStore, Iterator[pa.Table]]] = [
        ("texts", plan.texts, _text_tables(plan)),
        ("pictures", plan.images, first),
        ("others", plan.images, listed),
    ]
    units: list[EncodingUnit] = []
    for kind, store, blocks in tables:
        number = store.next_number() + sum(unit.kind == "pictures" for unit in units)
        for position, table in enumerate(blocks):
            name = f"{kind}-{position:06d}.parquet"
            with new_file(folder / name) as file:
                pq.write_table(table, file, compression="zstd")
            units.append(EncodingUnit(kind, number + position, name, 0, len(table)))
    return units


def _text_tables(plan: FeaturePlan) -> Iterator[pa.Table]:
    pairs, rows = new_texts(plan.scan, plan.new_texts), plan.texts.shard_rows
    for _ in range(0, len(plan.new_texts), rows):
        block = list(itertools.islice(pairs, rows))
        columns = [[key for key, _ in block], [text for _, text in block]]
        yield pa.Table.from_arrays(
            [pa.array(column, known.type) for column, known in zip(columns, TEXTS, strict=True)],
            schema=TEXTS,
        )


def _picture_tables(
    numbers: npt.NDArray[np.int64], keys: pa.Array, chosen: npt.NDArray[np.int64], rows: int
) -> Iterator[pa.Table]:
    for start in range(0, len(chosen), rows):
        block = chosen[start : start + rows]
        columns = [pa.array(numbers[block]), keys.take(pa.array(block))]
        yield pa.Table.from_arrays(columns, schema=PICTURES)


def _without_contents(plan: FeaturePlan) -> FeaturePlan:
    none = np.zeros(0, np.int64)
    nothing = pa.array([], KEY)
    scan = replace(
        plan.scan,
        files=(),
        rows=none,
        product_ids=pa.array([], pa.string()),
        text_keys=nothing,
        image_keys=nothing,
        row_digests=nothing,
        rejects=(),
        image_rejects=(),
        listed_rejects=(),
        others=OtherPictures(none, none, nothing),
    )
    return replace(plan, scan=scan, new_texts=none, new_images=none, new_others=none)


class _Record:
    """What the driver knows to be done."""

    def __init__(self, plan: FeaturePlan) -> None:
        self.plan = plan
        self.poison: list[EncodingUnit] = []
        self.counts = {kind: EncodeCount() for kind in ("texts", "pictures", "others")}
        self.written: list[tuple[FeatureStore, str]] = []
        self.dims: dict[FeatureStore, int] = {}

    def add(self, unit: EncodingUnit, result: UnitResult) -> None:
        """Notes a unit that a worker returned."""
        store = store_of(self.plan, unit)
        self.counts[unit.kind] += result.count
        self.dims[store] = result.dim
        self.written += [(store, name) for name in result.shards]

    def reject_poison(self, folder: Path) -> None:
        """Publishes a shard for each content that cannot be encoded, with the reason.

        Raises:
            ProdmatchError: no content could be encoded, so it is not the contents.
        """
        for unit in self.poison:
            store = store_of(self.plan, unit)
            if store not in self.dims and not store.names():
                raise ProdmatchError(
                    "every unit killed the process that encoded it. Is there memory enough for "
                    "the model on each machine?"
                )
            dim = self.dims.get(store) or store.read(store.names()[0]).vectors.shape[1]
            column = pq.read_table(folder / unit.name).column(_key_column(unit))
            key = column[unit.first].as_py()
            name = store.publish(unit.number, [key], np.zeros((1, dim), np.float32), [CRASHED])
            self.written.append((store, name))
            self.counts[unit.kind] += EncodeCount(1, 1)

    def check(self, units: Sequence[EncodingUnit]) -> None:
        """Compares the sums with the plan's, and looks that every shard is there."""
        wanted = sum(unit.count for unit in units)
        found = sum(count.encoded for count in self.counts.values())
        gone = [name for store, name in self.written if not (store.folder / name).is_file()]
        if found != wanted or gone:
            raise StoreError(
                f"{self.plan.texts.folder.parent}: {found} of {wanted} contents were encoded, and "
                f"{len(gone)} shards are gone. Nothing was published. Run again."
            )


def store_of(plan: FeaturePlan, unit: EncodingUnit) -> FeatureStore:
    """Where the features of a unit go."""
    return plan.texts if unit.kind == "texts" else plan.images


def _key_column(unit: EncodingUnit) -> str:
    return "text_key" if unit.kind == "texts" else "key"
