"""The precision of a new store is measured once, taken where answers hold, and kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import products, write

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings, embed_catalogue
from prodmatch.embedding.encoding.encode import EncoderClasses
from prodmatch.embedding.encoding.quickest_precision import Answers, Measurement, compare_answers
from prodmatch.encoders.batches import TextBatches
from prodmatch.encoders.device import Compute, Precision, choose_device, choose_precision
from prodmatch.encoders.quickest import open_text_encoder
from prodmatch.model.description import Model
from prodmatch.model.preprocessing import TextSpec
from prodmatch.storage.vectors import normalise


def test_answers_are_compared_with_those_of_float32() -> None:
    exact = np.eye(30, dtype=np.float32)
    own = np.arange(30)
    queries = normalise(exact + np.linspace(0, 0.5, 30, dtype=np.float32))
    assert compare_answers(queries, own, exact, exact, top=10) == Answers(1.0, 0.0)
    swapped = exact.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    found = compare_answers(queries, own, exact, swapped, top=10)
    assert found.overlap < 1.0
    assert found.rank_loss == pytest.approx((1 - 1 / 30) / 30 + (1 - 1 / 2) / 30, abs=0.02)
    assert not Measurement().holds(found)


@pytest.mark.parametrize(
    ("overlap", "loss", "hold"),
    [(0.98, 0.003, True), (0.979, 0.0, False), (1.0, 0.004, False), (float("nan"), 0.0, False)],
)
def test_answers_hold_within_their_limits(overlap: float, loss: float, hold: bool) -> None:
    assert Measurement().holds(Answers(overlap, loss)) is hold


class _Clock:
    """Time that passes as the encoders say."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _classes(clock: _Clock, costs: dict[Precision, float], noise: float) -> EncoderClasses:
    """Encoders that take so long a text; those that are not float32 are so noisy."""

    def open_text(folder: Path, spec: TextSpec, compute: Compute, graphs: Path) -> TextBatches:
        encoder = open_text_encoder(folder, spec, compute, graphs)
        encode = encoder.encode

        def timed(texts: Sequence[str], *, query: bool = False) -> np.ndarray:
            clock.now += costs[compute.precision] * len(texts)
            features = encode(texts, query=query)
            rough = np.random.default_rng(0).normal(size=features.shape).astype(np.float32)
            return features + (0.0 if compute.precision == "float32" else noise) * rough

        encoder.encode = timed  # type: ignore[method-assign]
        return encoder

    return EncoderClasses(open_text)


@pytest.mark.parametrize(
    "case",
    [
        ({"float32": 2.0, "bf16": 2.0, "int8": 1.0}, 0.0, "int8"),
        ({"float32": 2.0, "bf16": 1.0, "int8": 1.5}, 0.0, "bf16"),
        ({"float32": 2.0, "bf16": 2.0, "int8": 1.9}, 0.0, "float32"),
        ({"float32": 2.0, "bf16": 2.0, "int8": 1.0}, 3.0, "float32"),
    ],
)
def test_the_quickest_that_holds_is_taken_and_kept(
    case: tuple[dict[Precision, float], float, Precision],
    store: Path,
    tmp_path: Path,
    model: Model,
) -> None:
    costs, noise, chosen = case
    clock = _Clock()
    measurement = Measurement(
        least_contents=20,
        top=3,
        min_overlap=0.5,  # random encoders tell little apart
        max_rank_loss=0.2,
        candidates=lambda device: ["int8", "bf16"],
        clock=clock,
    )
    settings = EmbedSettings(workers=0, accept_changes=True, measurement=measurement)
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(12)))
    classes = _classes(clock, costs, noise)
    first = embed_catalogue(catalogue, model, store, settings, classes=classes)
    assert first.precision == chosen
    elsewhere = replace(measurement, candidates=lambda device: [])  # another processor
    settings = replace(settings, measurement=elsewhere)
    again = embed_catalogue(catalogue, model, store, settings)
    assert (again.precision, again.reused, again.embeddings) == (chosen, 24, first.embeddings)


def test_a_small_catalogue_is_not_measured(store: Path, tmp_path: Path, model: Model) -> None:
    def refuse(device: str) -> list[Precision]:
        raise AssertionError(device)

    settings = EmbedSettings(workers=0, measurement=Measurement(candidates=refuse))
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(12)))
    unmeasured = choose_precision("auto", choose_device("auto"))
    assert embed_catalogue(catalogue, model, store, settings).precision == unmeasured
