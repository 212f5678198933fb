"""Messages on stderr: a line each, without control bytes; the library's parameters as options."""

import logging
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import click

from prodmatch_cli.options.shared import OTHER_GIVEN, STORE_GIVEN

logger = logging.getLogger(__name__)

PARAMETER = re.compile(r"`(?P<name>[a-z][a-z_]*)(?:=(?P<value>[^`]*))?`")
ADVISED = re.compile(r"'prodmatch (?P<name>[a-z]+)(?![^']*--(?:help|store))[^']*'")
SWITCHES = ("True", "False")  # a flag's values, which the command line does not write


def print_error(message: str) -> None:
    """A failure, as one line on stderr."""
    logger.error("%s", message)


def print_warnings(warnings: Iterable[str]) -> None:
    """What a report warns of, a line each on stderr."""
    for warning in warnings:
        logger.warning("%s", translate(warning))


def print_progress(message: str) -> None:
    """A phase of a run, where phases are shown."""
    logging.getLogger("prodmatch").info("%s", message, extra={"phase": message})


def print_hint(message: str) -> None:
    """What a person may want to do."""
    logger.info("%s", message, extra={"kind": "hint"})


def print_note(message: str) -> None:
    """What a person may want to know."""
    logger.info("%s", message)


def translate(message: str) -> str:
    """A message of the library, `top=0` in it as `--top 0`, as the current command calls it.

    Only what is code-quoted and is the parameter of an option, or an argument, is replaced:
    options of the current command first, then those that other commands have.
    """
    names: dict[str, str] = {}

    def option(match: re.Match[str]) -> str:
        if not names:
            names.update(_names())
        name, value = match["name"], match["value"]
        if name not in names:
            return match[0]
        return " ".join([names[name], *([] if value in (None, *SWITCHES) else [_quoted(value)])])

    translated = PARAMETER.sub(option, message)
    return ADVISED.sub(lambda advised: _with_store(advised, _find_store(message)), translated)


def _find_store(message: str) -> Path | None:
    """The store that a message is about: the other one where it begins with that, else --store."""
    meta = click.get_current_context().meta
    other = meta.get(OTHER_GIVEN)
    is_other = other is not None and message.startswith((f"{other}:", f"{other}/"))
    return other if is_other else meta.get(STORE_GIVEN)


def _with_store(advised: re.Match[str], store: Path | None) -> str:
    """A command that a message advises, with the store that it is about."""
    root = click.get_current_context().find_root()
    if store is None or not isinstance(root.command, click.Group):
        return advised[0]
    command = root.command.get_command(root, advised["name"])
    takes_it = command is not None and any(each.name == "store" for each in command.params)
    return f"{advised[0][:-1]} --store {shlex.quote(str(store))}'" if takes_it else advised[0]


def _names() -> dict[str, str]:
    """The option of every parameter that the command line has, and the current one's arguments."""
    context = click.get_current_context()
    root = context.find_root()
    if not isinstance(root.command, click.Group):
        return {}
    running = root.invoked_subcommand or ""
    names = {}
    for command in sorted(root.command.list_commands(root), key=lambda name: name == running):
        found = root.command.get_command(root, command)
        for parameter in found.params if found else []:
            if isinstance(parameter, click.Option):
                names[str(parameter.name)] = parameter.opts[-1]
            elif command == running:
                names[str(parameter.name)] = parameter.human_readable_name
    return names


def _quoted(value: str) -> str:
    """A value as a shell would take it in; one with quotes around it stays."""
    if value[:1] in ("'", '"') or (value and not re.search(r"\s", value)):
        return value
    return f"'{value}'"
