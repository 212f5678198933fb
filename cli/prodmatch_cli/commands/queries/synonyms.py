"""The command `synonyms`."""

from pathlib import Path

import click

from prodmatch.search.product_index import open_index
from prodmatch.storage.atomic import write_file
from prodmatch.synonyms import suggest_synonyms
from prodmatch_cli.options.combinations import needs
from prodmatch_cli.options.parameter_types import PATH
from prodmatch_cli.options.shared import STORE
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.messages import print_note
from prodmatch_cli.terminal.output import print_lines

HEADER = (
    "# Words that products use alike. Remove the lines that are wrong, then give the file to",
    "# 'prodmatch index --synonyms FILE'. A score is the cosine of the vectors times a root of the",
    "# contexts'; products with both words lower it.",
)


@click.command()
@STORE
@click.option("--suggest", is_flag=True, help="Learn pairs of words from the published index.")
@click.option("--top", type=click.IntRange(1), default=100, help="Pairs at most.")
@click.option("--out", type=PATH, help="Write the suggestions to this file.  [default: stdout]")
def synonyms(store: Path, suggest: bool, top: int, out: Path | None) -> None:
    """Show the rules of the published index, or suggest more, to be reviewed.

    A suggestion is two words or phrases that the text encoder finds near, with the same words
    around them, and seldom in one text. About a quarter of the first thirty are no synonyms: read
    them before they are used.
    """
    if not suggest:
        needs("--suggest", "top", "out")
    check_targets((out, "--out"))
    with open_index(store) as index:
        if not suggest:
            rules = index.searcher.synonyms.rules
            print_lines(f"{rule.words} => {', '.join(rule.alternatives)}" for rule in rules)
            if not rules:
                print_note("the published index has no synonyms")
            return
        lines = [*HEADER, *(each.as_line() for each in suggest_synonyms(index, top=top))]
    if len(lines) == len(HEADER):
        print_note("no words of the catalogue are near enough")
    if out is None:
        print_lines(lines)
        return
    write_file(out, "".join(f"{line}\n" for line in lines))
