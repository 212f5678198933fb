"""The command `pretrain`."""

import logging
from dataclasses import asdict, replace
from pathlib import Path

import click

from prodmatch.model.description import open_model
from prodmatch_cli.options import DEVICE, NAME, PATH, QUIET, training_options
from prodmatch_cli.output import print_json


@click.command()
@click.argument("data", type=PATH)
@click.option(
    "--model", type=NAME, help="Whose encoders to fine-tune.  [default: train small ones]"
)
@click.option("--pairs", type=PATH, help="Parquet of texts left, right of one product (source).")
@click.option("--texts", type=PATH, help="Parquet of further text, for the vocabulary.")
@click.option(
    "--epochs",
    type=click.IntRange(0),
    default=9,
    show_default=True,
    help="Passes over DATA; with --model, 0 keeps its encoders and fits heads alone.",
)
@training_options
@DEVICE
@QUIET
def pretrain(
    data: Path,
    model: str | None,
    pairs: Path | None,
    texts: Path | None,
    epochs: int,
    out: Path,
    dim: int,
    seed: int,
    log_dir: Path | None,
    device: str,
) -> None:
    """Train text and image encoders on DATA, from scratch, or fine-tune those of --model.

    DATA is a Parquet file with title, image and split (train or val); description, brand, type,
    colour, pattern and gender are used where they are there, and negatives are drawn from
    products of the same source.
    """
    if epochs == 0 and model is None:
        raise click.UsageError("--epochs 0: encoders from scratch need an epoch at least.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    start = None if model is None else open_model(model)
    from prodmatch.pretrain import encoder_settings, train_encoders

    settings = encoder_settings(epochs=epochs, seed=seed, dim=dim, device=device, start=start)
    settings = replace(settings, log_dir=log_dir)
    print_json(asdict(train_encoders(data, out, settings, start=start, pairs=pairs, texts=texts)))
