"""The precision of a run: named, remembered, or the quickest whose answers are those of float32."""

import itertools
import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encoding.encode import DECODED_ROWS, EncoderClasses, OpenEncoders
from prodmatch.embedding.encoding.image_loader import PictureBatches, decoded_batches
from prodmatch.embedding.plan import FeaturePlan, new_texts
from prodmatch.encoders.device import (
    PRECISIONS,
    Precision,
    choose_device,
    choose_precision,
    has_bf16,
    has_int8,
    has_torch,
    picture_precision,
    precision_of_name,
)
from prodmatch.errors import DamagedError, MismatchError
from prodmatch.model.description import Model
from prodmatch.model.preprocessing import Pixels
from prodmatch.storage.settings import read_settings
from prodmatch.storage.vectors import Vectors, draw_among

logger = logging.getLogger(__name__)

SAMPLE_TEXTS = 1_500
SAMPLE_PICTURES = 8 * DECODED_ROWS
QUERIES = 300
BLOCKS = 5  # of one batch each, that every precision is timed over in turn
MIN_GAIN = 1.15


def named_precision(name: str, device: str, store: Path) -> Precision:
    """The one of that name; of `auto` the store's, so that machines agree, else one unmeasured.

    Args:
        device: `auto`, `cpu` or `cuda`; looked for only where the precision depends on it.

    Raises:
        ModelError: there is no such precision, or `cuda` was given and there is none.
        NotInstalledError: `cuda` was given and torch is not installed.
    """
    found = _remembered_precision(store) or name if name == "auto" else name
    if found != "auto" and device != "cuda":
        return precision_of_name(found)
    return choose_precision(found, choose_device(device))


def _remembered_precision(store: Path) -> str | None:
    try:
        remembered = read_settings(store)
    except (DamagedError, MismatchError):  # reported where it is written again
        return None
    return None if remembered is None else remembered.precision


def is_worth_measuring(plan: FeaturePlan, name: str, store: Path, least_contents: int) -> bool:
    """Whether nothing is chosen yet, and so much is to be encoded that measuring saves time."""
    return (
        name == "auto"
        and not _remembered_precision(store)
        and plan.contents_to_encode >= least_contents
    )


@dataclass(frozen=True)
class Answers:
    """How the answers of quick features differ from those of float32."""

    overlap: float  # share of the first ones
    rank_loss: float  # of the mean reciprocal rank of what a query was made from


def quick_precisions(device: str) -> list[Precision]:
    """Those besides float32 that the device itself computes in, by torch where it is installed."""
    if not has_torch():
        return []
    found: list[tuple[Precision, bool]] = [("int8", has_int8(device)), ("bf16", has_bf16(device))]
    return [precision for precision, has in found if has]


@dataclass(frozen=True)
class Measurement:
    """How the quickest precision whose answers are those of float32 is found."""

    least_contents: int = 20_000  # to encode; of fewer it costs more than it saves
    top: int = 10  # answers that are compared
    min_overlap: float = 0.98
    max_rank_loss: float = 0.003
    candidates: Callable[[str], list[Precision]] = quick_precisions  # of a device
    clock: Callable[[], float] = time.perf_counter

    def holds(self, answers: Answers) -> bool:
        """Whether they may stand in for those of float32."""
        return answers.overlap >= self.min_overlap and answers.rank_loss <= self.max_rank_loss


def compare_answers(
    queries: Vectors,
    own: npt.NDArray[np.int64],
    exact: Vectors,
    quick: Vectors,
    *,
    top: int,
) -> Answers:
    """Answers of queries in float32 over features in float32 and over quick ones.

    Args:
        queries: `(q, dim)` unit vectors.
        own: `(q,)` the row that each query was made from.
        exact: `(n, dim)` unit vectors.
        quick: the same rows in another precision.
    """
    firsts, ranks = [], []
    for rows in (exact, quick):
        scores = queries @ rows.T  # (q, n)
        firsts.append(np.argsort(-scores, axis=1, kind="stable")[:, :top])
        mine = scores[np.arange(len(own)), own]
        ranks.append(1.0 / (1.0 + (scores > mine[:, None]).sum(axis=1)))
    same = [len(np.intersect1d(*pair)) / len(pair[0]) for pair in zip(*firsts, strict=True)]
    return Answers(float(np.mean(same)), float(ranks[0].mean() - ranks[1].mean()))


@dataclass(frozen=True)
class _Sample:
    """Contents of a catalogue to measure on."""

    texts: list[str]
    pixels: Pixels  # (n, side, side, 3)
    titles: list[str]  # of the products of the pictures, "" where there is none


def choose_quickest(
    catalogue: Catalogue,
    model: Model,
    plan: FeaturePlan,
    device: str,
    measurement: Measurement,
    classes: EncoderClasses | None,
) -> Precision:
    """The quickest precision for what is to be encoded whose answers are those of float32.

    Queries are encoded in float32 whatever this gives. Every precision is timed on the same
    contents in turn. Costs about as much as encoding ten thousand texts in float32.
    """
    candidates = measurement.candidates(device)
    if not candidates:
        return "float32"
    logger.info("measuring precisions", extra={"phase": "measure precisions"})
    measuring = _Measuring(model, plan, device, measurement, classes or EncoderClasses())
    spec = model.description.image
    pictures = any(picture_precision(each, spec) != "float32" for each in candidates)
    sample = _draw_sample(catalogue, model, plan, pictures=pictures)
    seconds = measuring.seconds(sample, ("float32", *candidates))
    for precision in sorted(candidates, key=lambda each: seconds[each]):
        gain = seconds["float32"] / seconds[precision]
        if gain < MIN_GAIN:
            break
        answers = measuring.answers(sample, precision)
        logger.info(
            "%s: %.1f times as quick as float32, %.3f of the first %d answers the same, "
            "reciprocal rank %.4f lower",
            precision, gain, answers.overlap, measurement.top, answers.rank_loss,
        )  # fmt: skip
        if measurement.holds(answers):
            return precision
    return "float32"


def _draw_sample(
    catalogue: Catalogue, model: Model, plan: FeaturePlan, *, pictures: bool
) -> _Sample:
    """Texts from all over the catalogue, and its first pictures, as all before one are read."""
    drawn = draw_among(plan.new_texts, SAMPLE_TEXTS)
    texts = [text for _, text in new_texts(plan.scan, drawn)]
    spec = model.description.image
    side = spec.crop_pixels
    first = plan.new_images[:SAMPLE_PICTURES] if pictures else plan.new_images[:0]
    if not len(first):
        return _Sample(texts, np.zeros((0, side, side, 3), np.uint8), [])
    keys = plan.scan.image_keys.take(pa.array(first)).to_pylist()
    batches = PictureBatches(catalogue, plan.scan.rows[first], keys, spec, DECODED_ROWS)
    decoded = list(decoded_batches(batches, 1))
    reasons = [reason for batch in decoded for reason in batch.reasons]
    titles = [text or "" for _, text in new_texts(plan.scan, first)]
    usable = [title for title, reason in zip(titles, reasons, strict=True) if reason is None]
    return _Sample(texts, np.concatenate([batch.pixels for batch in decoded]), usable)


class _Measuring:
    """The encoders of a model in several precisions."""

    def __init__(
        self,
        model: Model,
        plan: FeaturePlan,
        device: str,
        measurement: Measurement,
        classes: EncoderClasses,
    ) -> None:
        self.model, self.plan, self.measurement = model, plan, measurement
        self.encoders = {
            precision: OpenEncoders(model.encoders, device, precision, plan.graphs, classes)
            for precision in PRECISIONS
        }

    def seconds(
        self, sample: _Sample, precisions: Sequence[Precision]
    ) -> Mapping[Precision, float]:
        """What encoding all that is missing would take."""
        texts = sample.texts
        blocks = [texts[start::BLOCKS][:128] for start in range(BLOCKS)]
        each = {name: self.encoders[name].text.encode for name in precisions}
        of_texts = self._time_alternating(each, [block for block in blocks if block])
        squares = [sample.pixels[:DECODED_ROWS]] * BLOCKS if len(sample.pixels) else []
        looks = {name: self.encoders[name].image.encode for name in precisions}
        of_pictures = self._time_alternating(looks, squares)
        return {
            name: of_texts[name] * len(self.plan.new_texts)
            + of_pictures[name] * self.plan.images_to_encode
            for name in precisions
        }

    def answers(self, sample: _Sample, precision: Precision) -> Answers:
        """Over texts, and over pictures where the precision is another; the worse figures."""
        heads, exact = self.model.heads, self.encoders["float32"]
        quick = self.encoders[precision]
        found = []
        own = draw_among(np.flatnonzero([bool(text) for text in sample.texts]), QUERIES)
        if len(own):
            queries = self._queries([sample.texts[row] for row in own])
            parts = (heads.texts(each.text.encode(sample.texts)) for each in (exact, quick))
            found.append(compare_answers(queries, own, *parts, top=self.measurement.top))
        own = np.flatnonzero([bool(text) for text in sample.titles])
        in_pictures = picture_precision(precision, self.model.description.image)
        if len(own) and in_pictures != "float32":
            queries = self._queries([sample.titles[row] for row in own])
            parts = (heads.pictures(each.image.encode(sample.pixels)) for each in (exact, quick))
            found.append(compare_answers(queries, own, *parts, top=self.measurement.top))
        return Answers(
            min((answers.overlap for answers in found), default=1.0),
            max((answers.rank_loss for answers in found), default=0.0),
        )

    def _queries(self, texts: Sequence[str]) -> Vectors:
        titles = [text.split(". ")[0] for text in texts]
        return self.model.heads.texts(self.encoders["float32"].text.encode(titles, query=True))

    def _time_alternating(
        self,
        encode: Mapping[Precision, Callable[..., Vectors]],
        blocks: Sequence[Sequence[str] | Pixels],
    ) -> dict[Precision, float]:
        """Median seconds an item, each block through all precisions in turn; 0 without blocks."""
        if not blocks:
            return dict.fromkeys(encode, 0.0)
        taken: dict[Precision, list[float]] = {name: [] for name in encode}
        for block, name in itertools.product([blocks[0], *blocks], encode):  # the first warms up
            started = self.measurement.clock()
            encode[name](block)
            taken[name].append((self.measurement.clock() - started) / len(block))
        return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}
