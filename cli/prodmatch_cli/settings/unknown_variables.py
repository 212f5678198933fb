"""Variables that look as if they were of an option, and are of none."""

import difflib
from collections.abc import Iterable, Iterator

import click

from prodmatch_cli.settings.config import SHARED

PREFIX = "PRODMATCH_"
NEAR = 0.8  # likeness of a name to a variable's, from which it is taken for a slip


def find_slips(context: click.Context, names: Iterable[str]) -> list[str]:
    """A line for each of these names of variables that is nearly one of an option.

    The other commands are imported only where a name is none of this one's variables.
    """
    shared = {PREFIX + option.upper().replace("-", "_") for option in SHARED}
    known = {*_variables(context.command), *shared}
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    root = context.find_root()
    if not unknown or not isinstance(root.command, click.Group):
        return []
    for command in root.command.list_commands(root):
        known.update(_variables(root.command.get_command(root, command)))
    lines = []
    for name in (each for each in unknown if each not in known):
        same = sorted(other for other in known if other.endswith(name.removeprefix(PREFIX[:-1])))
        own = [other for other in same if other in _variables(context.command)]
        near = [*own, *same] or difflib.get_close_matches(name, known, 1, NEAR)
        if near:
            lines.append(f"{name} is the variable of no option. Did you mean {near[0]}?")
    return lines


def _variables(command: click.Command | None) -> Iterator[str]:
    for option in command.params if command else []:
        if isinstance(option.envvar, list):
            yield from option.envvar
