"""Batches side by side: in order, one thread each; on a GPU pinned, copied and normalised there."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from prodmatch.encoders.batches import CUDA_LANES, count_lanes, map_in_lanes
from prodmatch.encoders.device import Compute
from prodmatch.encoders.networks.image import CUDA_IMAGE_ROWS, ImageEncoder
from prodmatch.encoders.networks.text import CUDA_TEXT_ROWS, TextEncoder
from prodmatch.model.description import Model

CPU = "cpu"


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Sets the threads of torch, which are the lanes; in the end they are as before."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_batches_run_at_the_same_time_in_order_on_one_thread_each(
    set_threads: Callable[[int], None],
) -> None:
    set_threads(3)
    together = threading.Barrier(3, timeout=60)

    def work(number: int) -> tuple[int, int]:
        together.wait()  # none would come back if they ran one after another
        return number, torch.get_num_threads()

    assert list(map_in_lanes(work, range(6), CPU)) == [(number, 1) for number in range(6)]
    assert torch.get_num_threads() == 3


def test_a_failure_in_a_lane_is_that_of_the_caller() -> None:
    def fail(number: int) -> int:
        raise MemoryError(str(number))

    before = torch.get_num_threads()
    with pytest.raises(MemoryError, match="0"):
        list(map_in_lanes(fail, range(5), CPU))
    assert torch.get_num_threads() == before


def test_on_a_gpu_bytes_are_pinned_copied_and_normalised_there(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[torch.dtype, bool]] = []
    to, pinned = torch.Tensor.to, set[int]()

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.add(tensor.data_ptr())
        return tensor

    def copy(tensor: torch.Tensor, *where: object, **how: object) -> torch.Tensor:
        if where and where[0] == "cuda":
            assert how == {"non_blocking": True}
            loaded.append((tensor.dtype, tensor.data_ptr() in pinned))
            return tensor
        return to(tensor, *where, **how)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", copy)
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *where, **how: module)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    pair, compute = model.encoders, Compute("cuda")
    monkeypatch.setattr("prodmatch.encoders.device.autocast", lambda *_: torch.inference_mode())
    image = ImageEncoder(pair.image_folder, pair.image, compute)
    text = TextEncoder(pair.text_folder, pair.text, compute)
    assert (image.rows, text.rows) == (CUDA_IMAGE_ROWS, CUDA_TEXT_ROWS)
    assert count_lanes("cuda") == CUDA_LANES
    image.rows, text.rows = 4, 4
    pixels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    found = image.encode(pixels)
    assert loaded == [(torch.uint8, True)] * 2
    text.encode(["red shirt"])
    assert loaded[2:] == [(torch.int64, True)] * 2
    monkeypatch.undo()
    plain = ImageEncoder(pair.image_folder, pair.image)
    np.testing.assert_allclose(found, plain.encode(pixels), rtol=1e-3, atol=1e-4)


def test_features_are_the_same_however_many_lanes_there_are(
    model: Model, set_threads: Callable[[int], None]
) -> None:
    pair, found = model.encoders, []
    texts = [f"red shirt number {number}" for number in range(70)]
    for count in (1, 3):
        set_threads(count)
        found.append(TextEncoder(pair.text_folder, pair.text).encode(texts))
    np.testing.assert_array_equal(*found)
