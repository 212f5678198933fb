"""What every command has: its log, a file of options, and a variable for each option."""

import difflib
import logging
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import click

from prodmatch_cli.options.parameter_types import PATH
from prodmatch_cli.settings.config import (
    DEFAULT_FILE,
    SHARED,
    is_shared,
    option_name,
    read_defaults,
)
from prodmatch_cli.terminal import logs

logger = logging.getLogger(__name__)
PREFIX = "PRODMATCH_"
NEAR = 0.8  # likeness of a name to a variable's, from which it is taken for a slip
VALUES = "prodmatch.common"  # in the context's `meta`: the values of these options so far


def add_common_options(command: click.Command, name: str) -> None:
    """Adds the options that every command has, and the variables that options are read from.

    What goes first: the command line, variables (the command's own first), the file, what a store
    remembers, defaults.
    """
    command.params += _common_options()
    command.epilog = (
        f"Options can stand in {DEFAULT_FILE} or in variables too: --log-level in "
        f"PRODMATCH_LOG_LEVEL or, for this command alone, PRODMATCH_{name.upper()}_LOG_LEVEL."
    )
    for option in command.params:
        if isinstance(option, click.Option):
            option.envvar = variables(option, name)


def variables(option: click.Option, command: str) -> list[str]:
    """The environment variables that an option of a command is read from, in this order."""
    name = option_name(option)
    own, shared = f"prodmatch-{command}-{name}", f"prodmatch-{name}"
    names = [own, shared] if is_shared(option) or name == "config" else [own]
    return [each.upper().replace("-", "_") for each in names]


def _common_options() -> list[click.Option]:
    """The options; they are read first, the file before all that it may hold."""
    option = partial(click.Option, is_eager=True, expose_value=False, callback=_begin)
    return [
        option(["--config"], type=PATH, help=f"TOML file of options.  [default: ./{DEFAULT_FILE}]"),
        option(
            ["--log-level"],
            type=click.Choice(logs.LEVELS),
            help="Lowest level on stderr.  [default: info; of progress, info on a terminal only]",
        ),
        option(
            ["--log-format"],
            type=click.Choice(logs.FORMS),
            default="text",
            help="Of stderr: lines for people, or JSON lines.",
        ),
        option(["--quiet"], is_flag=True, help="No progress."),
    ]


def _begin(context: click.Context, option: click.Parameter, value: object) -> object:
    """Reads the file; with the last of these options the log begins."""
    if context.resilient_parsing:  # a shell completes a command
        return value
    values: dict[str, object] = context.meta.setdefault(VALUES, {})
    if option.name == "config":
        value = value or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
        if isinstance(value, Path):
            context.default_map = read_defaults(value, context)
    values[str(option.name)] = value
    if len(values) == len(_common_options()):
        level, quiet = values["log_level"], bool(values["quiet"])
        logs.configure(
            None if level is None else str(level),
            str(values["log_format"]),
            quiet=quiet,
            command=str(context.info_name),
        )
        if values["config"] is not None and not quiet:
            logger.info("options are read from %s", values["config"])
        for line in _find_slips(context, os.environ):
            logger.warning("%s", line)
    return value


def _find_slips(context: click.Context, names: Iterable[str]) -> list[str]:
    """A line for each name that looks like an option's variable, and is of none.

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
