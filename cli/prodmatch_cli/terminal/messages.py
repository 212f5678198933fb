"""Messages on stderr: a line each, without control bytes; jobs and parameters as typed."""

import logging
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from prodmatch import messages
from prodmatch.messages import Given
from prodmatch_cli.options.shared import OTHER_GIVEN, STORE_GIVEN

logger = logging.getLogger(__name__)

STORE_NEEDS = {"check": "deep"}  # the option without which a command takes no store
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
    """A message of the library: `top=0` as `--top 0`, `gc(keep=1)` as 'prodmatch gc --keep 1'.

    Only what is code-quoted and is a command, the parameter of an option, or an argument, is
    replaced: options of the current command first, then those that other commands have.
    """
    store = None if click.get_current_context(silent=True) is None else _find_store(message)
    return messages.translate(
        message, _write_parameter, lambda name, given: _write_command(name, given, store)
    )


def _write_parameter(given: Given) -> str | None:
    """A parameter as an option or argument of the command line."""
    root = click.get_current_context().find_root()
    if not isinstance(root.command, click.Group):
        return None
    running = root.invoked_subcommand or ""
    commands = reversed(root.command.list_commands(root))
    for name in sorted(commands, key=lambda name: name != running):
        for parameter in _parameters(name):
            if parameter.name == given.name:
                if isinstance(parameter, click.Option):
                    return _with_value(parameter.opts[-1], given.value)
                if name == running:
                    return _with_value(parameter.human_readable_name, given.value)
    return None


def _write_command(name: str, given: Sequence[Given], store: Path | None) -> str | None:
    """A command that a message advises, with the store that it is about."""
    parameters = {str(each.name): each for each in _parameters(name)}
    if any(each.name not in parameters for each in given) or not parameters:
        return None
    words = ["prodmatch", name]
    for each in given:
        parameter = parameters[each.name]
        is_option = isinstance(parameter, click.Option)
        called = parameter.opts[-1] if is_option else parameter.human_readable_name
        words.append(_with_value(called, each.value))
    names = {each.name for each in given}
    takes_store = "store" in parameters and STORE_NEEDS.get(name) in (None, *names)
    if store is not None and takes_store and "store" not in names:
        words.append(f"--store {shlex.quote(str(store))}")
    return f"'{' '.join(words)}'"


def _find_store(message: str) -> Path | None:
    """The store that a message is about: the other one where it begins with that, else --store."""
    meta = click.get_current_context().meta
    other = meta.get(OTHER_GIVEN)
    is_other = other is not None and message.startswith((f"{other}:", f"{other}/"))
    return other if is_other else meta.get(STORE_GIVEN)


def _parameters(name: str) -> Sequence[click.Parameter]:
    """What the command of that name takes; nothing where there is none."""
    root = click.get_current_context().find_root()
    found = root.command.get_command(root, name) if isinstance(root.command, click.Group) else None
    return found.params if found else ()


def _with_value(called: str, value: str | None) -> str:
    """An option or argument, with its value as a shell would take it in."""
    if value in (None, *SWITCHES):
        return called
    if value[:1] not in ("'", '"') and (not value or re.search(r"\s", value)):
        value = f"'{value}'"
    return f"{called} {value}"
