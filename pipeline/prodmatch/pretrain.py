"""Job: text and image encoders, trained from scratch or fine-tuned, with heads over them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from prodmatch.encoders.device import Compute, autocast, choose_device, torch_precision
from prodmatch.encoders.image import ImageEncoder, ResnetFeatures
from prodmatch.encoders.model_writer import EncoderFiles, write_model
from prodmatch.encoders.spatial import (
    SpatialFeatures,
    SpatialProjection,
    fit_spatial,
    pooled_and_grid,
    reduce_spatial,
)
from prodmatch.encoders.text import TextEncoder
from prodmatch.model.description import EncoderPair, Model, ModelDescription
from prodmatch.model.heads import Heads, compact_heads
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.pretraining.augment import mirror_and_crop
from prodmatch.pretraining.contrastive import ContrastSettings, TrainingSet, Work, title_to_picture
from prodmatch.pretraining.data import check_splits, read_text_pairs, read_text_rows
from prodmatch.pretraining.dual_encoder import DualEncoder
from prodmatch.pretraining.head_fitting import FrozenFeatures, fit_ensemble
from prodmatch.pretraining.job import (
    ScratchSettings,
    TrainedDualEncoder,
    read_training_set,
    train_from_scratch,
    train_further,
)
from prodmatch.pretraining.save import concatenated_of, encoder_files, fold_heads
from prodmatch.storage.atomic import scratch_directory
from prodmatch.storage.vectors import Vectors
from prodmatch.train import MOST_QUERIES, TrainReport, calibrate, check_new, make_report
from prodmatch.training.metrics import Calibrated, HeldOut, draw_queries
from prodmatch.training.model_card import Fitted, encoders_card
from prodmatch.training.progress import LogFigure, open_log
from prodmatch.training.query_bank import add_query_bank

MOST_CENTRED = 20_000  # that the centre and the rotation of heads are taken from
SPATIAL_DIM = 384  # of a picture's spatial features, as a model keeps them
WIDE_DIM = 2048  # of the spatial features that heads are fitted over
QUERY_WORDS = 24  # of a query that encoders trained here read: see docs/experiments.md


def encoder_settings(
    *, epochs: int, seed: int, device: str, dim: int, start: Model | None = None
) -> ScratchSettings:
    """Settings of a training of encoders; all else is as for the shipped model.

    Encoders that know something already (`start`) learn at lower rates, the lower the wider, and
    from smaller pictures throughout: random crops show a product larger than the whole picture
    does, so it has its size in training again where whole pictures are seen in full size.
    """
    contrast = ContrastSettings(epochs=epochs, seed=seed)
    if start is not None:
        calm = 0.6 * 256 / start.heads.text.weight.shape[0]
        sides = contrast.early_side_pixels, contrast.side_pixels
        if start.description.image.crop_pixels != contrast.side_pixels:
            sides = (start.description.image.crop_pixels,) * 2
        contrast = replace(
            contrast,
            text_rate=calm * contrast.text_rate,
            image_rate=calm * contrast.image_rate / 2,
            warm_up=0.02,
            frozen_norms=True,
            early_share=1.0,
            early_side_pixels=sides[0],
            side_pixels=sides[1],
        )
    return ScratchSettings(contrast=contrast, device=choose_device(device).type, kept_dim=dim)


def train_encoders(
    catalogue: Path,
    out: Path,
    settings: ScratchSettings,
    *,
    start: Model | None = None,
    pairs: Path | None = None,
    texts: Path | None = None,
) -> TrainReport:
    """Trains both encoders on the `train` rows of a catalogue, from scratch or from a model.

    Args:
        catalogue: a Parquet file with `title`, `image` and `split` (`train` or `val`), and where
            there are any `description`, `brand`, `type`, `colour`, `pattern`, `gender`, and the
            `source` (a shop): negatives of a product are products of the same source.
        out: the model directory to make. Finished stages are kept in `<out>.work`, where a killed
            run goes on.
        settings: sizes and learning rates.
        start: the model whose encoders and heads are fine-tuned; if None, a small BERT and a
            ResNet are trained from scratch.
        pairs: a Parquet file of texts `left` and `right` of the same product, optionally with
            the `source` that negatives are drawn from.
        texts: a Parquet file of further `text`, for the vocabulary and the masked-word training.

    Raises:
        ModelError: there is nothing to train on, or a row of another split than these.
        StoreError: `out` exists or cannot be written.
    """
    check_new(out)
    check_splits(catalogue)
    loose_texts = [row["text"] for row in read_text_rows(texts, ["text"])]
    data = read_training_set(catalogue, "train", read_text_pairs(pairs))
    held_out = read_training_set(catalogue, "val", [])
    work = out.with_name(f"{out.name}.work")
    with open_log(settings.log_dir) as log_figure, scratch_directory(work) as scratch:
        stage = Work(work, log_figure)
        if start is None:
            trained = train_from_scratch(data, held_out, loose_texts, settings, stage)
        else:
            trained = train_further(start, data, held_out, settings, stage)
        finishing = _Finishing(trained, *_specs(settings, start), settings, scratch)
        finished = finishing.fit(data, held_out, log_figure)
        text, image = finished.files.text, finished.files.image
        description = ModelDescription(out.name, text, image)
        if start is not None:
            description = replace(description, weights=start.description.weights)
        calibrated = finished.calibrate(held_out, description.weights)
    description = replace(description, calibration=calibrated.calibration)
    card = encoders_card(
        out.name,
        finishing.settings,
        (trained.report, finished.fitted),
        start=start,
        pairs=len(data.products),
        calibrated=calibrated,
    )
    model = write_model(out, finished.files, finished.heads, description, card)
    counts = {"pairs": len(data.products), "held_out": len(held_out.products)}
    return make_report(model, finished.fitted, calibrated, **counts, recall=finished.fitted.after)


def _specs(settings: ScratchSettings, start: Model | None) -> tuple[TextSpec, ImageSpec]:
    """How the trained encoders read texts and pictures."""
    if start is None:
        text = TextSpec(max_tokens=settings.shape.max_tokens, query_words=QUERY_WORDS)
        image = ImageSpec(architecture=settings.shape.resnet)
    else:
        text, image = start.description.text, start.description.image
    side = settings.contrast.side_pixels
    return text, replace(image, fit="pad", resize_pixels=side, crop_pixels=side)


@dataclass(frozen=True)
class _Finished:
    """The files of a model, its heads, and the encoders as they came back from the files."""

    files: EncoderFiles
    heads: Heads
    encode: "_Encode"
    fitted: Fitted

    def calibrate(self, held_out: TrainingSet, weights: Mapping[str, float]) -> Calibrated:
        """The probability of a match, fitted on held-out products."""
        titles = [product.title for product in held_out.products[:MOST_QUERIES]]
        queries = draw_queries(titles)
        query_vectors = self.heads.texts(self.encode.text.encode(queries, query=True))
        products = HeldOut(
            titles,
            self.heads.texts(self.encode.text.encode(titles)),
            self.heads.pictures(self.encode.pictures(held_out.pictures[:MOST_QUERIES])),
            held_out.title_groups[:MOST_QUERIES],
        )
        return calibrate(products, queries, query_vectors, weights)


class _Finishing:
    """The last stage: heads over the finished encoders, kept where they beat the encoders' own."""

    def __init__(
        self,
        trained: TrainedDualEncoder,
        text: TextSpec,
        image: ImageSpec,
        settings: ScratchSettings,
        scratch: Path,
    ) -> None:
        self.trained, self.text, self.image, self.scratch = trained, text, image, scratch
        fit = replace(settings.head_fitting, dim=settings.kept_dim, seed=settings.contrast.seed)
        self.settings = replace(settings, head_fitting=fit)

    def fit(self, data: TrainingSet, held_out: TrainingSet, log_figure: LogFigure) -> _Finished:
        """Fits heads, compares them with those of the dual encoder, and writes the files."""
        dual, settings = self.trained, self.settings
        wide = _wide_spatial(dual.model, data, settings.contrast.side_pixels)
        bare = encoder_files(dual, self.text, self.image, spatial=wide)
        encode = self._open(bare, "bare")
        train, val = encode.features(data, augmented=True), encode.features(held_out)
        ensemble = fit_ensemble(encode.text, train, val, settings.head_fitting, log_figure)
        before = title_to_picture(dual.model, dual.tokenizer, held_out, settings.contrast)
        figures = [figure for epochs in ensemble.figures for figure in epochs]
        after = max(before, ensemble.figure)
        fitted = Fitted("encoders", "infonce", before, after, figures)
        if ensemble.figure >= before:
            spatial, heads = reduce_spatial(encode.spatial, ensemble.heads, SPATIAL_DIM)
            words = torch.from_numpy(ensemble.words)
            files = encoder_files(dual, self.text, self.image, words=words, spatial=spatial)
            return _Finished(files, heads, self._open(files, "whole"), fitted)
        files = encoder_files(dual, self.text, self.image, **concatenated_of(dual.model))
        encode = self._open(files, "whole")
        heads = _dual_encoder_heads(dual.model, encode, data, settings.kept_dim)
        return _Finished(files, heads, encode, fitted)

    def _open(self, files: EncoderFiles, name: str) -> "_Encode":
        return _Encode(files.write(self.scratch / name), self.settings.device)


def _wide_spatial(model: DualEncoder, data: TrainingSet, side: int) -> SpatialProjection:
    """The principal components of training pictures, so many that heads miss nothing."""
    chosen = data.pictures[:: -(-len(data.pictures) // MOST_CENTRED)]
    features, device = SpatialFeatures(), model.log_scale.device
    found = []
    model.eval()
    with torch.inference_mode(), autocast(device):
        for block in np.array_split(chosen, -(-len(chosen) // 100)):
            pixels = torch.from_numpy(_resize(block, side))
            images = (pixels.permute(0, 3, 1, 2) / 255.0).to(device)
            _, middle = pooled_and_grid(model.image, model.normalise(images))
            found.append(np.concatenate([features(pixels).numpy(), middle.cpu().numpy()], axis=1))
    return fit_spatial(np.concatenate(found), WIDE_DIM)


def _dual_encoder_heads(
    model: DualEncoder, encode: "_Encode", data: TrainingSet, dim: int
) -> Heads:
    """The heads that the dual encoder were trained with, centred and rotated."""
    sample = slice(None, None, -(-len(data.products) // MOST_CENTRED))
    folded = fold_heads(model)
    titles = encode.text.encode([product.title for product in data.products[sample]])
    pictures = encode.pictures(data.pictures[sample])
    heads = compact_heads(*folded, (folded[0](titles), folded[1](pictures)), dim)
    return add_query_bank(heads, titles, pictures)


class _Encode:
    """Features of texts and of a training set's pictures, as a model's files give them."""

    def __init__(self, pair: EncoderPair, device: str) -> None:
        on = choose_device(device)
        compute = Compute(on, torch_precision(on))
        self.text = TextEncoder(pair.text_folder, pair.text, compute)
        self.image = ImageEncoder(pair.image_folder, pair.image, compute)

    @property
    def spatial(self) -> SpatialProjection:
        """The spatial features' projection, as it came back from its file."""
        network = self.image.model
        if not isinstance(network, ResnetFeatures) or network.spatial is None:
            raise ValueError("encoders without spatial features")
        return network.spatial.projection

    def features(self, data: TrainingSet, *, augmented: bool = False) -> FrozenFeatures:
        """Image features of a training set, and of augmented pictures where wanted."""
        rng = np.random.default_rng(1)
        views = self.pictures(data.pictures, rng) if augmented else None
        return FrozenFeatures(data, self.pictures(data.pictures), views)

    def pictures(
        self, pictures: npt.NDArray[np.uint8], rng: np.random.Generator | None = None
    ) -> Vectors:
        """Features `(n, features)` of pictures; mirrored and cropped by `rng` if it is given."""
        side = self.image.spec.crop_pixels
        return np.concatenate(
            [
                self.image.encode(
                    _resize(block, side) if rng is None else mirror_and_crop(block, side, rng)
                )
                for block in np.array_split(pictures, -(-len(pictures) // 1000))
            ]
        )


def _resize(pictures: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    size, bicubic = (side, side), Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(each).resize(size, bicubic)) for each in pictures])
