"""The command `train`."""

import logging
from dataclasses import asdict, replace
from pathlib import Path

import click

from prodmatch.model.description import open_model
from prodmatch_cli.opening import open_given
from prodmatch_cli.options import CATALOGUE, DEVICE, PATH, QUIET, STORE, WORKERS, catalogue_options
from prodmatch_cli.output import print_json


@click.command()
@CATALOGUE
@click.option("--out", type=PATH, required=True, help="Directory to make.")
@click.option(
    "--encoders",
    type=click.Choice(["frozen", "scratch", "finetune"]),
    default="frozen",
    show_default=True,
    help="Fit heads alone, or train encoders: small ones from scratch, or those of --model.",
)
@click.option(
    "--model",
    default="compact",
    show_default=True,
    help="Whose encoders to keep, or to train further.",
)
@click.option("--text-encoder", type=PATH, help="A Hugging Face directory.")
@click.option("--image-encoder", help="A torchvision ResNet, such as resnet50.")
@click.option("--image-weights", type=PATH, help="Its state_dict in a file.")
@click.option("--pairs", type=PATH, help="Parquet of texts left, right (source).")
@click.option("--texts", type=PATH, help="Parquet of loose text.")
@click.option("--labels", type=PATH, help="Of query, product_id, label.")
@click.option(
    "--loss",
    type=click.Choice(["infonce", "siglip", "bce", "cosine", "mse"]),
    default="infonce",
    show_default=True,
    help="Of the heads.",
)
@click.option(
    "--epochs",
    type=click.IntRange(0),
    help="30 of heads, 9 of encoders if not given; 0 keeps encoders and fits words and heads.",
)
@click.option("--dim", type=click.IntRange(2), default=256, show_default=True, help="Of one half.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--log-dir", type=PATH, help="Figures for TensorBoard.")
@catalogue_options
@STORE
@DEVICE
@WORKERS
@QUIET
def train(
    catalogue: Path,
    out: Path,
    encoders: str,
    model: str,
    text_encoder: Path | None,
    image_encoder: str | None,
    image_weights: Path | None,
    pairs: Path | None,
    texts: Path | None,
    labels: Path | None,
    loss: str,
    epochs: int | None,
    dim: int,
    seed: int,
    log_dir: Path | None,
    columns: str | None,
    text_columns: str | None,
    image_root: Path | None,
    store: Path,
    device: str,
    workers: int,
) -> None:
    """Fit heads on CATALOGUE, with --labels or without, or train encoders.

    The encoders are those of --model, or --text-encoder with --image-encoder and
    --image-weights. Labels are Parquet or JSON lines of query, product_id and label (a grade, or
    bought or not). To train encoders (scratch, finetune), CATALOGUE needs a column split (train
    or val); where it has a column source, products are told from others of their source.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from prodmatch.encoders.model_writer import EncoderFiles
    from prodmatch.pretrain import encoder_settings, train_encoders
    from prodmatch.train import HeadSettings, fit_heads

    if encoders != "frozen":
        start = open_model(model) if encoders == "finetune" else None
        if labels is not None:
            raise click.UsageError("--labels fit heads; leave --encoders away.")
        if epochs == 0 and start is None:
            raise click.UsageError("--epochs 0: encoders from scratch need an epoch at least.")
        options = {"epochs": 9 if epochs is None else epochs, "seed": seed, "dim": dim}
        settings = encoder_settings(**options, device=device, start=start)
        settings = replace(settings, log_dir=log_dir)
        report = train_encoders(catalogue, out, settings, start=start, pairs=pairs, texts=texts)
        print_json(asdict(report))
        return
    if epochs == 0:
        raise click.UsageError("--epochs 0 is for --encoders finetune; heads need an epoch.")
    given = [text_encoder, image_encoder, image_weights]
    if any(given) and not all(given):
        raise click.UsageError("--text-encoder, --image-encoder and --image-weights go together.")
    opened = open_given(catalogue, columns, text_columns, image_root)
    if text_encoder and image_encoder and image_weights:
        files = EncoderFiles.of_files(text_encoder, image_encoder, image_weights)
    else:
        files = EncoderFiles.of_model(open_model(model))
    chosen = HeadSettings(
        dim=dim,
        loss=loss,
        epochs=epochs or 30,
        seed=seed,
        device=device,
        workers=workers,
        log_dir=log_dir,
    )
    print_json(asdict(fit_heads(opened, files, out, store, chosen, labels)))
