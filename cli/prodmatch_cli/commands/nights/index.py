"""The command `index`."""

from pathlib import Path

import click

from prodmatch.search.vectors.index_builder import Kind
from prodmatch_cli.inputs.named_models import open_named_model
from prodmatch_cli.options.combinations import choose_file
from prodmatch_cli.options.parameter_types import NAME_OR_PATH
from prodmatch_cli.options.shared import ENGINE, STORE, index_options, read_weights
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@STORE
@click.option(
    "--model", type=NAME_OR_PATH, help="Refuse unless the embeddings were made with this model."
)
@ENGINE
@index_options
def index(
    store: Path,
    model: str | None,
    engine: str,
    weights: str | None,
    min_recall: float,
    memory: float | None,
    kind: Kind,
    synonyms: Path | None,
    no_synonyms: bool,
    groups: Path | None,
    no_groups: bool,
    language: str | None,
) -> None:
    """Build an index over the newest embeddings, measure it, and publish it.

    Up to 200,000 products auto is flat; beyond, and where --memory is short, codes; and flat where
    these are measured to find too little. codes looks at two bits a number in the lists nearest to
    each part of the query, and then at the best ones in half precision; sq8 looks at bytes alone,
    which moves scores by some thousandths; hnsw is the quickest to query, and by far the slowest
    to build.

    Ends with a line of JSON.
    """
    expected = open_named_model(model) if model else None
    from prodmatch.index import IndexLimits, index_embeddings
    from prodmatch.search.generation_products import ShopFiles

    report = index_embeddings(
        store,
        model=expected,
        weights=read_weights(weights),
        kind=kind,
        limits=IndexLimits(min_recall, memory, engine),
        files=ShopFiles(
            choose_file("synonyms", synonyms, no_synonyms),
            choose_file("groups", groups, no_groups),
            language,
        ),
    )
    print_outcome(report)
