"""The nightly run, all jobs in order: read this first.

A catalogue goes in; a published generation that can be asked comes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.embed import EmbedReport, EmbedSettings, embed_catalogue
from prodmatch.index import IndexReport, index_embeddings
from prodmatch.model.description import open_model
from prodmatch.search.vector_index import Kind


@dataclass(frozen=True)
class BuildSettings:
    """Settings of the two jobs."""

    embed: EmbedSettings = field(default_factory=EmbedSettings)
    weights: Mapping[str, float] | None = None  # of the signals, for queries that name none
    kind: Kind = "auto"  # of the index over the vectors


@dataclass(frozen=True)
class BuildReport:
    """What the two jobs did."""

    embed: EmbedReport
    index: IndexReport


def build(
    catalogue: Path,
    store: Path,
    *,
    model: str = "compact",
    options: CatalogueOptions | None = None,
    settings: BuildSettings | None = None,
) -> BuildReport:
    """Brings a store up to date with a catalogue and publishes the result.

    1. The catalogue's schema is checked before anything costs time.
    2. Texts and pictures that the store has never held are encoded into features.
    3. Every product's features are fused into its embedding; rejects are listed with reasons.
    4. An index over the embeddings is built, measured, and published complete.

    Raises:
        ProdmatchError: any step fails; what was published before stays as it was.
    """
    settings = settings or BuildSettings()
    opened = open_catalogue(catalogue, options)
    embedded = embed_catalogue(opened, open_model(model), store, settings.embed)
    indexed = index_embeddings(store, weights=settings.weights, kind=settings.kind)
    return BuildReport(embedded, indexed)
