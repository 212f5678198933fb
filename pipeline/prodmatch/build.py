"""The nightly run, all jobs in order: read this first.

A catalogue goes in; a published generation, ready for queries, comes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.catalogue.remembered import open_remembered, remembered_model
from prodmatch.embed import EmbedReport, EmbedSettings, embed_catalogue
from prodmatch.errors import StoreError, require_path, require_type
from prodmatch.index import IndexLimits, IndexReport, index_embeddings
from prodmatch.model.description import open_model
from prodmatch.search.generation_products import ShopFiles, read_shop_files
from prodmatch.search.vectors.index_builder import Kind


@dataclass(frozen=True)
class BuildSettings:
    """Settings of the two jobs."""

    embed: EmbedSettings = field(default_factory=EmbedSettings)
    weights: Mapping[str, float] | None = None  # of the signals, for queries that name none
    kind: Kind = "auto"  # of the index over the vectors
    limits: IndexLimits = field(default_factory=IndexLimits)  # of the index
    files: ShopFiles | None = None  # of the shop's own; the store's if None


@dataclass(frozen=True)
class BuildReport:
    """What the two jobs did."""

    embed: EmbedReport
    index: IndexReport


def build(
    catalogue: Path | str | None,
    store: Path | str,
    *,
    model: Path | str | None = None,
    options: CatalogueOptions | None = None,
    settings: BuildSettings | None = None,
) -> BuildReport:
    """Brings a store up to date with a catalogue and publishes the result.

    1. The catalogue's schema, the synonyms and the groups are checked before anything costs time.
    2. Texts and pictures that the store has never held are encoded into features.
    3. Every product's features are fused into its embedding; rejects are listed with reasons.
    4. An index over the embeddings is built, measured, and published complete.

    Catalogue, model and options are those that the store was last made with where they are None.

    Raises:
        ProdmatchError: any step fails; what was published before stays as it was.
    """
    store = require_path(store, "store", StoreError)
    require_type(
        settings, BuildSettings | None, "`settings`", "Give BuildSettings(...).", StoreError
    )
    settings = settings or BuildSettings()
    opened = open_remembered(store, catalogue, options)
    read_shop_files(store, settings.files)
    chosen = open_model(model or remembered_model(store))
    embedded = embed_catalogue(opened, chosen, store, settings.embed)
    indexed = index_embeddings(
        store,
        weights=settings.weights,
        kind=settings.kind,
        limits=replace(settings.limits, engine=settings.embed.engine),
        files=settings.files,
    )
    return BuildReport(embedded, indexed)
