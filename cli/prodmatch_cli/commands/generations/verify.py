"""The command `verify`."""

from pathlib import Path

import click

from prodmatch.storage.generations import open_generation, verify_generation
from prodmatch_cli.options.shared import GENERATION, STORE
from prodmatch_cli.terminal.output import print_json


@click.command()
@STORE
@GENERATION
def verify(store: Path, number: int | None) -> None:
    """Read every file of a generation and compare its SHA-256 with the manifest."""
    generation = open_generation(store, number)
    verify_generation(generation)
    print_json({"generation": generation.number, "files": len(generation.files), "whole": True})
