"""The command `train`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.model.description import open_model
from prodmatch_cli.commands.models.pretrain import pretrain
from prodmatch_cli.options.combinations import excludes, goes_with, needs
from prodmatch_cli.options.parameter_types import NAME_OR_PATH, PATH
from prodmatch_cli.options.reading import catalogue_options
from prodmatch_cli.options.shared import (
    CATALOGUE,
    DEVICE,
    PRECISION,
    STORE,
    WORKERS,
    training_options,
)
from prodmatch_cli.options.targets import check_new_folder
from prodmatch_cli.terminal.output import print_outcome

if TYPE_CHECKING:
    from prodmatch.encoders.networks.model_writer import EncoderFiles  # loads torch

OF_HEADS = (
    "text_encoder", "image_encoder", "image_weights", "download", "labels", "loss", "columns",
    "text_columns", "image_root", "store", "precision", "workers",
)  # fmt: skip


@click.command()
@CATALOGUE
@click.option(
    "--encoders",
    type=click.Choice(["frozen", "scratch", "finetune"]),
    default="frozen",
    help="scratch and finetune train encoders, as 'prodmatch pretrain' does.",
)
@click.option("--model", type=NAME_OR_PATH, default="compact", help="Whose encoders to use.")
@click.option(
    "--text-encoder",
    type=NAME_OR_PATH,
    help="A Hugging Face directory, or a name on its hub, such as bert-base-uncased.",
)
@click.option("--image-encoder", help="A torchvision ResNet, such as resnet50.")
@click.option(
    "--image-weights",
    type=PATH,
    help="Its state_dict in a file.  [default: torchvision's, where they are in its cache]",
)
@click.option(
    "--download",
    is_flag=True,
    help="Fetch encoders by their names where no cache has them.",
)
@click.option("--pairs", type=PATH, help="As of 'prodmatch pretrain'.")
@click.option("--texts", type=PATH, help="As of 'prodmatch pretrain'.")
@click.option("--labels", type=PATH, help="Of query, product_id, label.")
@click.option(
    "--loss",
    type=click.Choice(["infonce", "siglip", "bce", "cosine", "mse"]),
    default="infonce",
    help="Of the heads.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Passes over the products.  [default: 30 for heads, 14 for encoders]",
)
@training_options
@catalogue_options
@STORE
@DEVICE
@PRECISION
@WORKERS
@click.pass_context
def train(
    context: click.Context,
    catalogue: Path | str,
    out: Path,
    encoders: str,
    model: str,
    text_encoder: str | None,
    image_encoder: str | None,
    image_weights: Path | None,
    download: bool,
    pairs: Path | None,
    texts: Path | None,
    labels: Path | None,
    loss: str,
    epochs: int | None,
    dim: int,
    seed: int,
    log_dir: Path | None,
    reading: CatalogueOptions,
    store: Path,
    device: str,
    precision: str,
    workers: int,
) -> None:
    """Fit heads on CATALOGUE over frozen encoders, with --labels or without.

    The encoders are those of --model, or --text-encoder with --image-encoder. Nothing is fetched
    without --download; what was fetched once is used without it. Labels are Parquet, CSV or JSON
    lines of query, product_id and label (a grade, or bought or not).
    """
    check_new_folder(out, "--out")
    if log_dir is not None:
        check_new_folder(log_dir, "--log-dir")
    if encoders == "frozen":
        needs("--encoders scratch or finetune", "pairs", "texts")
    else:
        from_scratch = ("model",) if encoders == "scratch" else ()
        excludes(f"--encoders {encoders}", *OF_HEADS, *from_scratch)
        if isinstance(catalogue, str):
            raise click.UsageError(f"--encoders {encoders} reads files of this machine only.")
        context.invoke(
            pretrain,
            data=catalogue,
            model=model if encoders == "finetune" else None,
            pairs=pairs,
            texts=texts,
            epochs=epochs or 14,
            out=out,
            dim=dim,
            seed=seed,
            log_dir=log_dir,
            device=device,
        )
        return
    _check_encoders(text_encoder, image_encoder, image_weights)
    if download:
        os.environ["HF_HUB_OFFLINE"] = "0"  # read when the hub's library is loaded, which is now
    from prodmatch.train import HeadSettings, fit_heads

    opened = open_catalogue(catalogue, reading)
    files = _find_encoders(text_encoder, image_encoder, image_weights, download, model)
    settings = HeadSettings(
        dim=dim,
        loss=loss,
        epochs=epochs or 30,
        seed=seed,
        device=device,
        precision=precision,
        workers=workers,
        log_dir=log_dir,
    )
    print_outcome(fit_heads(opened, files, out, store, settings, labels))


def _check_encoders(text: str | None, image: str | None, weights: Path | None) -> None:
    """Refuses a part of what names encoders, and what has no use with the part that is there."""
    if text and not image:
        raise goes_with("--text-encoder", "--image-encoder")
    if image and not text:
        raise goes_with("--image-encoder", "--text-encoder")
    if not text:
        needs("--text-encoder and --image-encoder", "image_weights", "download")
        return
    excludes("--text-encoder and --image-encoder", "model")
    if weights and Path(text).exists():
        excludes("--text-encoder DIRECTORY with --image-weights", "download")


def _find_encoders(
    text_encoder: str | None,
    image_encoder: str | None,
    image_weights: Path | None,
    download: bool,
    model: str,
) -> "EncoderFiles":
    """Those that are given, else the model's."""
    from prodmatch.encoders.networks.model_writer import EncoderFiles
    from prodmatch.encoders.networks.published import find_image_weights, find_text_encoder

    if not text_encoder or not image_encoder:
        return EncoderFiles.of_model(open_model(model))
    text = find_text_encoder(text_encoder, download=download)
    weights = image_weights or find_image_weights(image_encoder, download=download)
    return EncoderFiles.of_files(text, image_encoder, weights)
