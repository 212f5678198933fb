"""The command `match`."""

from contextlib import ExitStack
from pathlib import Path

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.match import MatchSettings, find_matches
from prodmatch.matching.match_files import GROUPS, PAIRS, MatchReport
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.storage.atomic import write_file
from prodmatch_cli.inputs.catalogues import find_pictures
from prodmatch_cli.options.parameter_types import PATH, PLACE, FloatRange
from prodmatch_cli.options.reading import gather_reading
from prodmatch_cli.options.shared import COLUMNS, IMAGE_ROOT, STORE, note_other
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@STORE
@click.option(
    "--against",
    type=PATH,
    callback=note_other,
    help="Another store: pairs of a product here and one there.  [default: pairs inside the store]",
)
@click.option(
    "--out", type=PATH, required=True, help="Directory for pairs.parquet and groups.parquet."
)
@click.option(
    "--precision",
    type=FloatRange(0, 1, min_open=True),
    default=0.95,
    help="Of the pairs that are called the same, measured on held-out labelled pairs.",
)
@click.option(
    "--pairs",
    type=PATH,
    help="Labelled pairs to learn from: CSV, Parquet or JSON lines with left, right (ids) and "
    "match (true or false), 50 or more. Needs the extra 'match'.",
)
@click.option(
    "--scorer",
    type=PATH,
    help="File of a scorer: written with --pairs, else read.  [default: the shipped one]",
)
@click.option(
    "--decisions",
    type=PATH,
    help="Pairs that a person decided on, a file such as that of --pairs, of any number: they are, "
    "and stay, what their labels say.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1, 100),
    default=10,
    help="Pairs of every listing that are scored.",
)
@click.option("--html", type=PATH, help="Page to decide on pairs with pictures, side by side.")
@IMAGE_ROOT
@COLUMNS
@click.option(
    "--catalogue",
    type=PLACE,
    help="Where the pictures are that are compared.  [default: what the store was made from]",
)
@gather_reading
def match(
    store: Path,
    against: Path | None,
    out: Path,
    precision: float,
    pairs: Path | None,
    scorer: Path | None,
    decisions: Path | None,
    candidates: int,
    html: Path | None,
    catalogue: Path | str | None,
    reading: CatalogueOptions,
) -> None:
    """Find listings that are one product, inside a store or in two; groups of duplicates.

    pairs.parquet says of each pair whether it is the same, a variant and by what (size 40 / 42), or
    in doubt, with its probability. In a group of groups.parquet every pair is the same; a group
    keeps its id when the command is run again into the same directory.
    """
    written = (scorer if pairs is not None else None), "--scorer"
    check_targets((out / PAIRS, "--out"), (out / GROUPS, "--out"), (html, "--html"), written)
    settings = MatchSettings(precision, candidates, pairs, scorer, decisions)
    with ExitStack() as stack:
        index = stack.enter_context(open_index(store))
        other = None if against is None else stack.enter_context(open_index(against))
        given = catalogue or reading.columns or reading.image_root
        pictures = open_remembered(store, catalogue, reading) if given else None
        report = find_matches(index, out, settings, against=other, catalogue=pictures)
        if html is not None:
            write_file(html, _make_page(report, index, other, (catalogue, reading)))
    print_outcome(report)


def _make_page(
    report: MatchReport,
    index: ProductIndex,
    other: ProductIndex | None,
    own: tuple[Path | str | None, CatalogueOptions],
) -> str:
    """The page; the pictures of another store are those of its own catalogue."""
    from prodmatch.reports.matches import Side, choose_pairs, matches_page

    chosen = choose_pairs(report)
    pairs = [pair for each in chosen.values() for pair in each]
    ids = {pair.left for pair in pairs}, {pair.right for pair in pairs}

    def read(
        source: ProductIndex, wanted: set[str], place: tuple[Path | str | None, CatalogueOptions]
    ) -> Side:
        products = source.products
        rows = {name: products.row_of(name) for name in sorted(wanted)}
        known = {name: row for name, row in rows.items() if row is not None}
        columns = dict(zip(known, products.metadata(list(known.values())), strict=True))
        return Side(find_pictures(source.store, *place, wanted), columns)

    if other is None:
        side = read(index, ids[0] | ids[1], own)
        return matches_page(report, chosen, side, side)
    elsewhere = read(other, ids[1], (None, CatalogueOptions()))
    return matches_page(report, chosen, read(index, ids[0], own), elsewhere)
