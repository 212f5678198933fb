"""The nightly run, all jobs in order: read this first.

A catalogue goes in; a published generation that can be asked comes out.
"""

from dataclasses import dataclass
from pathlib import Path

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.embed import EmbedReport, EmbedSettings, embed_catalogue
from prodmatch.index import IndexReport, index_embeddings
from prodmatch.model.description import open_model

__all__ = ["BuildReport", "build_index"]


@dataclass(frozen=True)
class BuildReport:
    """What the two jobs did."""

    embed: EmbedReport
    index: IndexReport


def build_index(
    catalogue: Path,
    store: Path,
    *,
    model: str = "compact",
    options: CatalogueOptions | None = None,
    settings: EmbedSettings | None = None,
) -> BuildReport:
    """Brings a store up to date with a catalogue and publishes the result.

    1. The catalogue's schema is checked before anything costs time.
    2. Texts and pictures that the store has never seen are encoded into features.
    3. Every product's parts are fused into its embedding; rejects are listed with reasons.
    4. An index over the embeddings is built, measured, and published whole.

    Raises:
        ProdmatchError: any step fails; what was published before stays as it was.
    """
    opened = open_catalogue(catalogue, options or CatalogueOptions())
    embedded = embed_catalogue(opened, open_model(model), store, settings)
    return BuildReport(embedded, index_embeddings(store))
