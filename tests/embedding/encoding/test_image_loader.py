"""A picture that kills or holds up its decoder costs that row; so does one too big for memory."""

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Counting
from deadly import HARMS, Gallery, deadly
from small import COLOURS, draw

from prodmatch.embedding.encoding.encode import encode_within_memory
from prodmatch.embedding.encoding.image_loader import (
    DecodedPictures,
    PictureBatches,
    decoded_batches,
    preprocess_bytes,
    preprocess_isolated,
)
from prodmatch.errors import CatalogueError
from prodmatch.model.preprocessing import ImageSpec, Pixels
from prodmatch.storage.features import content_key
from prodmatch.storage.vectors import Vectors

SPEC = ImageSpec(resize_pixels=16, crop_pixels=16)


def decode_all(cells: Sequence[bytes], workers: int) -> list[DecodedPictures]:
    keys = [content_key(cell) for cell in cells]
    rows = np.arange(len(cells))
    pictures = PictureBatches(Gallery(tuple(cells)), rows, keys, SPEC, 8)
    return list(decoded_batches(pictures, workers, stall_seconds=5.0))


def good(count: int) -> list[bytes]:
    return [draw(COLOURS["red"], number) for number in range(count)]


def test_what_kills_its_decoder_costs_one_picture(count_cases: Counting) -> None:
    cells = [*good(3), deadly("segv"), b"no picture", deadly("stop"), draw((1, 2, 3), 9)]
    found = list(preprocess_isolated(cells, SPEC, seconds=3.0))
    assert [preprocessed.reason for preprocessed in found] == [
        None, None, None, "crashed", "text", "too_slow", None,
    ]  # fmt: skip
    for cell, preprocessed in zip(cells, found, strict=True):
        if preprocessed.reason is None:
            assert preprocessed.pixels is not None
            np.testing.assert_array_equal(preprocessed.pixels, preprocess_bytes(cell, SPEC).pixels)
    assert not multiprocessing.active_children()
    count_cases("pictures that kill or stop their decoder", 2)


def test_a_dead_worker_costs_the_picture_that_killed_it(
    count_cases: Counting,
) -> None:
    check_harm("kill", 1)
    count_cases("pictures that kill or stop their decoder", 1)


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("workers", [1, 2])
def test_any_harm_to_a_worker_costs_the_picture_that_does_it(
    harm: str, workers: int, count_cases: Counting
) -> None:
    check_harm(harm, workers)
    count_cases("pictures that kill or stop their decoder", 1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_give_the_pictures_in_their_order(workers: int) -> None:
    cells = good(60)
    cells[20] = b"no picture"
    found = decode_all(cells, workers)
    assert [key for batch in found for key in batch.keys] == [content_key(cell) for cell in cells]
    reasons = [reason for batch in found for reason in batch.reasons]
    assert reasons == ["text" if position == 20 else None for position in range(60)]


def test_a_picture_that_changed_is_named_without_a_workers_traceback() -> None:
    cells = good(20)
    keys = [content_key(cell) for cell in cells]
    keys[13] = content_key(b"as it was")
    pictures = PictureBatches(Gallery(tuple(cells)), np.arange(20), keys, SPEC, 8)
    with pytest.raises(CatalogueError, match=r"^gallery: row 13 changed while it was read. Run"):
        list(decoded_batches(pictures, 1))


def check_harm(harm: str, workers: int) -> None:
    cells = good(150)
    cells[70] = deadly(harm)
    found = decode_all(cells, workers)
    assert [key for batch in found for key in batch.keys] == [content_key(cell) for cell in cells]
    reasons = [reason for batch in found for reason in batch.reasons]
    assert reasons == [
        ("too_slow" if harm in ("stop", "sleep") else "crashed") if position == 70 else None
        for position in range(150)
    ]
    pixels = np.concatenate([batch.pixels for batch in found])
    alone = [preprocess_bytes(cell, SPEC).pixels for cell in cells[:70] + cells[71:]]
    np.testing.assert_array_equal(
        pixels, np.stack([preprocessed for preprocessed in alone if preprocessed is not None])
    )
    assert not multiprocessing.active_children()


ORPHANS = """
import multiprocessing, os, signal, sys
sys.path[:0] = sys.argv[2:]
from functools import partial
import numpy as np
from deadly import Gallery, deadly
from prodmatch.engines.local import Child, _work_on_each
from prodmatch.embedding.encoding.image_loader import (
    PictureBatches, decoded_batches, preprocess_bytes,
)
from prodmatch.storage.features import content_key
from prodmatch.model.preprocessing import ImageSpec
spec, cells = ImageSpec(resize_pixels=16, crop_pixels=16), (b"no picture",) * 400
if sys.argv[1] == "worker":
    keys = [content_key(cell) for cell in cells]
    batches = decoded_batches(PictureBatches(Gallery(cells), np.arange(400), keys, spec, 8), 1)
    next(batches)
else:
    child = Child(_work_on_each, partial(preprocess_bytes, spec=spec))
    if sys.argv[1] == "decoder":
        child.send(deadly("sleep"))
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["worker", "idle", "decoder"])
def test_a_run_that_is_killed_leaves_no_process_behind(kind: str, tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as output:  # of a pipe, an orphan would hold the end
        done = subprocess.run(
            [sys.executable, "-c", ORPHANS, kind, *sys.path],
            stdout=output, stderr=output, check=False,
        )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    *_, pid = (tmp_path / "output").read_text().split()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "it waits for a parent that is dead"
        time.sleep(0.05)


class Hungry:
    """An encoder whose memory holds so many rows; rows at 255 never fit."""

    def __init__(self, fits: int, failure: Callable[[], Exception]) -> None:
        self.rows, self.dim, self.fits, self.failure = 64, 2, fits, failure
        self.tried: list[int] = []

    def encode(self, items: Pixels, /) -> Vectors:
        parts = []
        for start in range(0, len(items), self.rows):
            block = items[start : start + self.rows]
            self.tried.append(self.rows)
            if self.rows > self.fits or (block == 255).any():
                raise self.failure()
            parts.append(block.reshape(len(block), -1)[:, :2].astype(np.float32))
        return np.concatenate(parts)


FAILURES: dict[str, Callable[[], Exception]] = {
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "text": lambda: RuntimeError("CUDA error: out of memory"),
    "cpu": lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    "python": MemoryError,
}


def numbered(count: int) -> Pixels:
    rows = np.arange(count, dtype=np.uint8) % 250
    return np.broadcast_to(rows[:, None, None, None], (count, 2, 2, 3)).copy()


@pytest.mark.parametrize("fits", [64, 32, 16, 8, 4, 2, 1])
@pytest.mark.parametrize("failure", sorted(FAILURES))
def test_out_of_memory_halves_the_batch_and_keeps_the_order(
    fits: int, failure: str, count_cases: Counting
) -> None:
    encoder, items = Hungry(fits, FAILURES[failure]), numbered(130)
    found = encode_within_memory(encoder, items)
    np.testing.assert_array_equal(found.vectors, items.reshape(130, -1)[:, :2])
    assert found.reasons == [None] * 130
    halved = [64 >> step for step in range(7) if 64 >> step > fits]
    assert encoder.tried[: len(halved) + 1] == [*halved, fits]
    assert encoder.rows == fits
    count_cases("batches that do not fit memory", 1)


def test_an_item_that_never_fits_is_rejected_alone() -> None:
    encoder, items = Hungry(64, FAILURES["cuda"]), numbered(20)
    items[7] = 255
    found = encode_within_memory(encoder, items)
    assert found.reasons == [None] * 7 + ["oom"] + [None] * 12
    np.testing.assert_array_equal(found.vectors[8:], items[8:].reshape(12, -1)[:, :2])
    assert encoder.rows == 64


def test_another_failure_of_an_encoder_is_not_taken_for_memory() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        encode_within_memory(Hungry(1, lambda: RuntimeError("shape mismatch")), numbered(3))
