"""The command `embed`."""

from pathlib import Path

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.catalogue.remembered import open_remembered, remembered_model
from prodmatch.storage.locks import ensure_unlocked
from prodmatch_cli.inputs.named_models import check_download, open_named_model
from prodmatch_cli.options.encoding import EmbedOptions, embed_options
from prodmatch_cli.options.reading import catalogue_options
from prodmatch_cli.options.shared import KNOWN_CATALOGUE, STORE
from prodmatch_cli.terminal.messages import print_progress
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@KNOWN_CATALOGUE
@catalogue_options
@STORE
@embed_options
@click.option("--dry-run", is_flag=True, help="Say what would be encoded, and encode nothing.")
def embed(
    catalogue: Path | str | None,
    reading: CatalogueOptions,
    store: Path,
    model: str | None,
    download: bool,
    embedding: EmbedOptions,
    dry_run: bool,
) -> None:
    """Encode what is new in CATALOGUE, and write the embedding of every product.

    Catalogue, columns and model are remembered, so that later runs need not be given them again.

    Ends with a line of JSON: rows == embedded + rejected, always.
    """
    check_download(model)
    print_progress("opening the catalogue")
    ensure_unlocked(store)
    opened = open_remembered(store, catalogue, reading)
    chosen = open_named_model(model or remembered_model(store), download=download)
    with embedding.hold(store) as settings:
        from prodmatch.embed import embed_catalogue, plan_embedding

        if dry_run:
            print_outcome(plan_embedding(opened, chosen, store, settings))
            return
        report = embed_catalogue(opened, chosen, store, settings)
    print_outcome(report)
