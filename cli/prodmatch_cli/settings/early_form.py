"""The form of the log where a command line is wrong, so that its options were not read."""

import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from pathlib import Path

from prodmatch_cli.settings.config import DEFAULT_FILE
from prodmatch_cli.terminal.logs import FORMS


def find_form(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """What `--log-format`, its variables or the file of options say; text where none does.

    Args:
        arguments: the name of the command and what follows it.
    """
    given = list(takewhile(lambda argument: argument != "--", arguments))
    command = next((each for each in given if not each.startswith("-")), "")
    form: object = _find(given, command, environment, "log-format")
    if form is None:
        path = Path(_find(given, command, environment, "config") or DEFAULT_FILE)
        form = _read(path, command)
    return form if isinstance(form, str) and form in FORMS else FORMS[0]


def _find(
    arguments: Sequence[str], command: str, environment: Mapping[str, str], name: str
) -> str | None:
    """The value of an option: the last of the command line, else of the first variable."""
    found = None
    for argument, following in pairwise([*arguments, ""]):
        option, sign, value = argument.partition("=")
        if option == f"--{name}":
            found = value if sign else following
    variables = (f"prodmatch-{command}-{name}", f"prodmatch-{name}")
    values = [environment.get(each.upper().replace("-", "_")) for each in variables]
    return next((value for value in (found, *values) if value), None)


def _read(path: Path, command: str) -> object:
    """What a file of options says, the command's table first; None where it cannot be read."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # the message that follows names it, where it matters
        return None
    own = content.get(command)
    tables = [own if isinstance(own, dict) else {}, content]
    keys = ("log-format", "log_format")
    return next((table[key] for table in tables for key in keys if key in table), None)
