"""Options that count with some others alone: given where they would be ignored, they are refused.

Only what stands on the command line is: a variable or a file has values for many runs.
"""

from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource


def needs(partner: str, *names: str) -> None:
    """Refuses parameters that count with `partner` alone, where that is not given."""
    for given in _given(names):
        raise goes_with(given, partner)


def excludes(partner: str, *names: str) -> None:
    """Refuses parameters that do not count with `partner`, where that is given."""
    for given in _given(names):
        raise does_not_go_with(given, partner)


def goes_with(given: str, partner: str) -> click.UsageError:
    """The error of an option that counts with another alone."""
    return click.UsageError(f"{given} goes with {partner}. Give that too, or leave {given} out.")


def does_not_go_with(given: str, partner: str) -> click.UsageError:
    """The error of an option that does not count with another."""
    return click.UsageError(f"{given} does not go with {partner}. Leave one of them out.")


def choose_file(name: str, file: Path | None, none: bool) -> Path | Literal[False] | None:
    """The file of an option, None for that of the store, False for none from now on."""
    if file is not None and none:
        raise does_not_go_with(f"--{name}", f"--no-{name}")
    return False if none else file


def _given(names: tuple[str, ...]) -> list[str]:
    """What a user calls those of the parameters that the command line has."""
    context = click.get_current_context()
    return [
        each.opts[-1] if isinstance(each, click.Option) else each.human_readable_name
        for each in context.command.params
        if each.name in names
        and context.get_parameter_source(each.name) is ParameterSource.COMMANDLINE
    ]
