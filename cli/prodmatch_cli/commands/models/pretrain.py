"""The command `pretrain`."""

from dataclasses import replace
from pathlib import Path

import click

from prodmatch.model.description import open_model
from prodmatch_cli.options.combinations import needs
from prodmatch_cli.options.parameter_types import NAME_OR_PATH, PATH
from prodmatch_cli.options.shared import DEVICE, training_options
from prodmatch_cli.options.targets import check_new_folder
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@click.argument("data", type=PATH)
@click.option(
    "--model",
    type=NAME_OR_PATH,
    help="Whose encoders to fine-tune.  [default: small ones from scratch]",
)
@click.option("--pairs", type=PATH, help="Parquet of texts left, right of one product (source).")
@click.option("--texts", type=PATH, help="Parquet of further text, of any kind.")
@click.option("--epochs", type=click.IntRange(1), default=14, help="Passes over DATA.")
@click.option(
    "--batch-rows",
    type=click.IntRange(2),
    help="Products a step: memory.  [default: 1024 on a GPU, else 256]",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=1,
    help="With --model: of seeds that follow --seed; the mean of their weights is kept.",
)
@training_options
@DEVICE
def pretrain(
    data: Path,
    model: str | None,
    pairs: Path | None,
    texts: Path | None,
    epochs: int,
    batch_rows: int | None,
    runs: int,
    out: Path,
    dim: int,
    seed: int,
    log_dir: Path | None,
    device: str,
) -> None:
    """Train text and image encoders on DATA, from scratch, or fine-tune those of --model.

    Fine-tuned encoders are held to what they know. DATA is a Parquet file with title, image and
    split (train or val); description, brand, type, colour, pattern and gender are used where they
    are there, and negatives are drawn from products of the same source. A run that was killed goes
    on where it stopped.
    """
    check_new_folder(out, "--out")
    if log_dir is not None:
        check_new_folder(log_dir, "--log-dir")
    if model is None:
        needs("--model", "runs")
    start = None if model is None else open_model(model)
    from prodmatch.pretrain import encoder_settings, train_encoders

    settings = encoder_settings(
        epochs=epochs, seed=seed, device=device, batch_rows=batch_rows, scratch=start is None
    )
    settings = replace(settings, dim=dim, runs=runs, log_dir=log_dir)
    print_outcome(train_encoders(data, out, settings, start=start, pairs=pairs, texts=texts))
