"""The command `build`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.storage.locks import ensure_unlocked
from prodmatch_cli.inputs.named_models import check_download, open_named_model
from prodmatch_cli.options.combinations import choose_file
from prodmatch_cli.options.encoding import EmbedOptions, embed_options
from prodmatch_cli.options.reading import catalogue_options
from prodmatch_cli.options.shared import KNOWN_CATALOGUE, STORE, index_options, read_weights
from prodmatch_cli.terminal.messages import print_progress, print_warnings
from prodmatch_cli.terminal.output import print_json

if TYPE_CHECKING:
    from prodmatch.search.vectors.index_builder import Kind  # loads FAISS


@click.command()
@KNOWN_CATALOGUE
@catalogue_options
@STORE
@embed_options
@index_options
def build(
    catalogue: Path | str | None,
    reading: CatalogueOptions,
    store: Path,
    model: str | None,
    download: bool,
    embedding: EmbedOptions,
    weights: str | None,
    min_recall: float,
    memory: float | None,
    kind: "Kind",
    synonyms: Path | None,
    no_synonyms: bool,
    groups: Path | None,
    no_groups: bool,
    language: str | None,
) -> None:
    """Bring STORE up to date with CATALOGUE and publish it: embed and index in one.

    Catalogue, columns and model are remembered, so that later runs need not be given them again.

    Ends with a line of JSON: the keys of both, the seconds of both together.
    """
    check_download(model)
    print_progress("opening the catalogue")
    ensure_unlocked(store)
    chosen = read_weights(weights)
    files = (
        choose_file("synonyms", synonyms, no_synonyms),
        choose_file("groups", groups, no_groups),
        language,
    )
    # Refused before anything is made or loaded.
    open_remembered(store, catalogue, reading, fetch="catalogue")
    named = None if model is None else open_named_model(model, download=download).reference
    with embedding.hold(store) as embed_settings:
        from prodmatch.build import BuildSettings
        from prodmatch.build import build as build_store
        from prodmatch.index import IndexLimits
        from prodmatch.search.generation_products import ShopFiles

        limits = IndexLimits(min_recall, memory)
        settings = BuildSettings(embed_settings, chosen, kind, limits, ShopFiles(*files))
        report = build_store(catalogue, store, model=named, options=reading, settings=settings)
    warnings = [*report.embed.warnings, *report.index.warnings]
    print_warnings(warnings)
    seconds = round(report.embed.seconds + report.index.seconds, 2)
    both = {**asdict(report.embed), **asdict(report.index)}
    print_json({**both, "seconds": seconds, "warnings": warnings})
