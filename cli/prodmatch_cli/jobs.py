"""Commands that write. Jobs are imported inside them, so that other commands stay quick."""

import logging
import os
from dataclasses import asdict, replace
from pathlib import Path

import click

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.errors import CatalogueError
from prodmatch.model.description import open_model
from prodmatch.search.vector_index import Kind
from prodmatch_cli.options import (
    CATALOGUE,
    QUIET,
    STORE,
    catalogue_options,
    read_names,
    read_pairs,
    read_weights,
)
from prodmatch_cli.output import print_json, print_report

MODEL = click.option(
    "--model",
    default="compact",
    show_default=True,
    help="A shipped model's name, or a model directory.",
)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the encoders run.",
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Processes that decode pictures; 0 decodes between the batches.",
)
MAX_REJECT = click.option(
    "--max-reject",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of rows that may be rejected; above it no embeddings are written.",
)


def _open(
    catalogue: Path,
    columns: str | None,
    text_columns: str | None,
    image_root: Path | None,
    *,
    allow_empty: bool = False,
) -> Catalogue:
    options = CatalogueOptions(
        columns=read_pairs(columns, "--columns"),
        text_columns=read_names(text_columns) or CatalogueOptions().text_columns,
        image_root=image_root,
        allow_empty=allow_empty,
    )
    return open_catalogue(catalogue, options)


def _be_quiet(quiet: bool) -> None:
    """Keeps libraries from drawing progress bars, and from asking a hub for anything."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if quiet:
        os.environ["TQDM_DISABLE"] = "1"


@click.command()
@CATALOGUE
@catalogue_options
@WORKERS
@click.option("--no-decode", is_flag=True, help="Do not decode the pictures.")
@MAX_REJECT
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def check(
    catalogue: Path,
    columns: str | None,
    text_columns: str | None,
    image_root: Path | None,
    workers: int,
    no_decode: bool,
    max_reject: float,
    form: str,
) -> None:
    """Say what is in CATALOGUE, what would be rejected and why; exit 1 if it would be refused."""
    from prodmatch.check import check_catalogue

    opened = _open(catalogue, columns, text_columns, image_root)
    report = check_catalogue(opened, decode=not no_decode, workers=workers, max_reject=max_reject)
    print_report(report.as_dict(), form)
    if report.refused:
        raise CatalogueError(
            f"{catalogue}: would be refused; {report.rows - report.embeddable} of {report.rows} "
            "rows cannot be embedded. Mend the rows above, or raise --max-reject."
        )


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
def convert(source: Path, target: Path) -> None:
    """Turn a CSV or JSON lines file SOURCE into a Parquet catalogue TARGET."""
    from prodmatch.convert import convert_catalogue

    report = convert_catalogue(source, target)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    print_json(asdict(report))


@click.command()
@CATALOGUE
@catalogue_options
@STORE
@MODEL
@DEVICE
@WORKERS
@MAX_REJECT
@click.option(
    "--allow-empty", is_flag=True, help="Take a catalogue without rows: every product is gone."
)
@click.option("--dry-run", is_flag=True, help="Say what would be encoded, and encode nothing.")
@QUIET
def embed(
    catalogue: Path,
    columns: str | None,
    text_columns: str | None,
    image_root: Path | None,
    store: Path,
    model: str,
    device: str,
    workers: int,
    max_reject: float,
    allow_empty: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Encode what is new in CATALOGUE, and write the embedding of every product.

    Ends with a line of JSON: rows == embedded + rejected, always.
    """
    _be_quiet(quiet)
    opened = _open(catalogue, columns, text_columns, image_root, allow_empty=allow_empty)
    chosen = open_model(model)
    from prodmatch.embed import EmbedSettings, embed_catalogue, plan_embedding

    if dry_run:
        print_json(asdict(plan_embedding(opened, chosen, store)))
        return
    settings = EmbedSettings(device=device, workers=workers, max_reject=max_reject)
    print_json(asdict(embed_catalogue(opened, chosen, store, settings)))


@click.command()
@STORE
@click.option("--model", help="Refuse unless the embeddings were made with this model.")
@click.option(
    "--weights", help="Of the signals, where a query names none; set by the catalogue if not given."
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["auto", "flat", "ivf", "hnsw", "sq8"]),
    default="auto",
    show_default=True,
    help="Compare all rows (flat), lists of them (ivf), linked ones (hnsw), or all by bytes (sq8).",
)
@QUIET
def index(store: Path, model: str | None, weights: str | None, kind: Kind, quiet: bool) -> None:
    """Build an index over the newest embeddings, measure it, and publish it.

    Up to 200,000 products auto is flat, and ivf beyond. sq8 needs a quarter of the room and moves
    scores by some thousandths; hnsw is the quickest to ask, and by far the slowest to build.

    Ends with a line of JSON.
    """
    _be_quiet(quiet)
    expected = open_model(model) if model else None
    from prodmatch.index import index_embeddings

    chosen = read_weights(weights)
    print_json(index_embeddings(store, model=expected, weights=chosen, kind=kind).as_dict())


@click.command()
@CATALOGUE
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to make.")
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
@click.option("--text-encoder", type=click.Path(path_type=Path), help="A Hugging Face directory.")
@click.option("--image-encoder", help="A torchvision ResNet, such as resnet50.")
@click.option("--image-weights", type=click.Path(path_type=Path), help="Its state_dict in a file.")
@click.option(
    "--pairs", type=click.Path(path_type=Path), help="Parquet of texts left, right (source)."
)
@click.option("--texts", type=click.Path(path_type=Path), help="Parquet of loose text.")
@click.option("--labels", type=click.Path(path_type=Path), help="Of query, product_id, label.")
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
@click.option("--log-dir", type=click.Path(path_type=Path), help="Figures for TensorBoard.")
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
    quiet: bool,
) -> None:
    """Fit heads on CATALOGUE, with --labels or without, or train encoders.

    The encoders are those of --model, or --text-encoder with --image-encoder and
    --image-weights. Labels are Parquet or JSON lines of query, product_id and label (a grade, or
    bought or not). To train encoders (scratch, finetune), CATALOGUE needs a column split (train
    or val); where it has a column source, products are told from others of their source.
    """
    _be_quiet(quiet)
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
    opened = _open(catalogue, columns, text_columns, image_root)
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
