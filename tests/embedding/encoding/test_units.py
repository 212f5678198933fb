"""Units give what one process gives, row by row; what kills is one row; sums must agree."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY, save_catalogue

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embedding.encoding.encode import encode_missing
from prodmatch.embedding.encoding.units import (
    EncodingUnit,
    UnitOptions,
    UnitResult,
    encode_by_units,
    write_units,
)
from prodmatch.embedding.plan import FeaturePlan, plan_features
from prodmatch.embedding.stages import EncodeResult
from prodmatch.engines.local import ChildFailure
from prodmatch.errors import StoreError
from prodmatch.model.description import Model
from prodmatch.storage.features import FeatureStore

Work = Callable[[EncodingUnit], UnitResult]


class HerePool:
    """Does units in this process; `deadly` says which would have killed it."""

    slots = 3

    def __init__(self, work: Work, deadly: Callable[[EncodingUnit], bool]) -> None:
        self.work, self.deadly = work, deadly
        self.waiting: list[EncodingUnit] = []

    def submit(self, unit: EncodingUnit) -> None:
        self.waiting.append(unit)

    def next(self) -> tuple[EncodingUnit, UnitResult | ChildFailure]:
        unit = self.waiting.pop()
        return unit, ChildFailure("crashed") if self.deadly(unit) else self.work(unit)


def opener(deadly: Callable[[EncodingUnit], bool] = lambda unit: False):  # type: ignore[no-untyped-def]
    @contextlib.contextmanager
    def open_pool(work: Work, *, processors: int, gpus: int) -> Iterator[HerePool]:
        yield HerePool(work, deadly)

    return open_pool


def plan_in(folder: Path, tiny: Model, count: int = 150) -> FeaturePlan:
    folder.mkdir()
    catalogue = open_catalogue(save_catalogue(folder / "c.parquet", count))
    (folder / "scratch").mkdir()
    plan = plan_features(catalogue, tiny.encoders, folder / "store", folder / "scratch")
    return plan.with_shards(64)


def encode_units(folder: Path, tiny: Model, plan: FeaturePlan, open_pool) -> EncodeResult:  # type: ignore[no-untyped-def]
    catalogue = open_catalogue(folder / "c.parquet")
    options = UnitOptions(folder / "units", "cpu", 0, TINY)
    return encode_by_units(catalogue, tiny.encoders, plan, options, open_pool)


def digests(store: FeatureStore) -> list[str]:
    return [name.split("-")[2] for name in store.names()]


def test_units_write_the_shards_of_one_process(tmp_path: Path, tiny: Model) -> None:
    alone, spread_out = plan_in(tmp_path / "a", tiny), plan_in(tmp_path / "b", tiny)
    catalogue = open_catalogue(tmp_path / "a" / "c.parquet")
    whole = encode_missing(catalogue, tiny.encoders, alone, device="cpu", workers=0, classes=TINY)
    units = encode_units(tmp_path / "b", tiny, spread_out, opener())
    assert (units.texts.encoded, units.images.encoded) == (150, 150)
    assert whole.texts.encoded == 150
    assert digests(spread_out.texts) == digests(alone.texts)
    assert digests(spread_out.images) == digests(alone.images)


def test_the_same_plan_gives_the_same_files(tmp_path: Path, tiny: Model) -> None:
    plan = plan_in(tmp_path / "a", tiny)
    first, second = (write_units(plan, tmp_path / name) for name in ("x", "y"))
    assert first == second
    assert sum(unit.count for unit in first) == 300
    for unit in first:
        assert (tmp_path / "x" / unit.name).read_bytes() == (
            tmp_path / "y" / unit.name
        ).read_bytes()


@pytest.mark.parametrize("kind", ["texts", "pictures"])
def test_a_row_that_kills_is_rejected_alone(tmp_path: Path, tiny: Model, kind: str) -> None:
    plan = plan_in(tmp_path / "a", tiny)

    def deadly(unit: EncodingUnit) -> bool:
        name = f"{kind}-000001.parquet"
        return unit.name == name and unit.first <= 13 < unit.first + unit.count

    result = encode_units(tmp_path / "a", tiny, plan, opener(deadly))
    store, keys = (
        (plan.texts, plan.scan.text_keys)
        if kind == "texts"
        else (plan.images, plan.scan.image_keys)
    )
    count = result.texts if kind == "texts" else result.images
    assert (count.encoded, count.unusable) == (150, 1)
    _, usable = store.take(keys)
    assert np.flatnonzero(~usable).tolist() == [64 + 13]
    reasons = [reason for shard in store.shards() for reason in shard.errors if reason]
    assert reasons == ["crashed"]


def test_sums_that_differ_from_the_plan_publish_nothing(tmp_path: Path, tiny: Model) -> None:
    plan = plan_in(tmp_path / "a", tiny)

    @contextlib.contextmanager
    def open_pool(work: Work, **needs: int) -> Iterator[HerePool]:
        def forgetful(unit: EncodingUnit) -> UnitResult:
            result = work(unit)
            (plan.texts.folder / result.shards[0]).unlink(missing_ok=True)
            return result

        yield HerePool(forgetful, lambda unit: False)

    with pytest.raises(StoreError, match="3 shards are gone"):
        encode_units(tmp_path / "a", tiny, plan, open_pool)


def test_a_unit_done_twice_is_read_once(tmp_path: Path, tiny: Model) -> None:
    plan = plan_in(tmp_path / "a", tiny)
    encode_units(tmp_path / "a", tiny, plan, opener())
    before, usable = plan.texts.take(plan.scan.text_keys)
    assert usable.all()
    shard = plan.texts.read(plan.texts.names()[0])
    others = np.ones_like(shard.vectors, dtype=np.float32)
    keys = shard.keys.to_pylist()
    number = int(plan.texts.names()[-1].split("-")[1]) + 1
    plan.texts.publish(number, keys, others, [None] * len(keys))
    after, _ = plan.texts.take(plan.scan.text_keys)
    assert np.array_equal(before, after)
