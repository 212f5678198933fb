"""Options in a file: `prodmatch.toml`, checked as strictly as the command line is.

At the top stand options that commands share (`SHARED`), below `[query]` those of `query` alone.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import NoReturn

import click

from prodmatch.columns.name_lists import quote_name
from prodmatch_cli.terminal.logs import FORMS

DEFAULT_FILE = "prodmatch.toml"
SHARED = frozenset(
    [
        "columns",
        "device",
        "image-root",
        "leave-out",
        "log-format",
        "log-level",
        "model",
        "precision",
        "quiet",
        "store",
        "text-columns",
        "workers",
    ]
)
Table = Mapping[str, object]


def option_name(option: click.Option) -> str:
    """An option's name without its dashes, such as `min-recall`."""
    return max(option.opts, key=len).lstrip("-")


def is_shared(option: click.Option) -> bool:
    """Whether it is one that commands share, and no number of that name.

    The `--precision` of `match` and `tag` is a share of what is right.
    """
    is_number = isinstance(option.type, click.types.FloatParamType)
    return option_name(option) in SHARED and not is_number


def read_defaults(path: Path, context: click.Context) -> dict[str, object]:
    """The values that a file has for the parameters of the context's command, by their names.

    All of the file is checked, the tables of other commands too.

    Raises:
        click.UsageError: the file cannot be read; or it has a table, a key or a value that cannot
            be used, which the message names.
    """
    root, name = context.find_root(), str(context.info_name)
    if not isinstance(root.command, click.Group):
        return {}
    commands = _Commands(root, root.command)
    content = _read(path)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    shared = {key: value for key, value in content.items() if key not in tables}
    for key in tables:
        if key not in commands.names:
            reason = "is no table: there is no such command"
            _refuse(path, f"[{key}]", reason, (f"[{each}]" for each in commands.names))
    for key in shared:
        if _dashed(key) not in SHARED:
            owners = commands.owners(_dashed(key))
            reason = "is no option that commands share"
            if owners:
                reason += f"; put it below {' or '.join(f'[{each}]' for each in owners)}"
            _refuse(path, repr(key), reason, () if owners else SHARED)
    for key, value in shared.items():
        own = commands.options(name).get(_dashed(key))
        if own is not None and not is_shared(own):
            _check(value, commands.find_shared(_dashed(key)), f"{path}: {key!r}", context)
    found = {
        each: {
            **_values(shared, commands.shared(each), f"{path}:", context, others=True),
            **_values(tables.get(each, {}), commands.options(each), f"{path}: [{each}]", context),
        }
        for each in {*tables, name}
    }
    return found[name]


@dataclass(frozen=True)
class _Commands:
    root: click.Context
    group: click.Group

    @property
    def names(self) -> list[str]:
        return self.group.list_commands(self.root)

    def options(self, command: str) -> dict[str, click.Option]:
        """The options of a command that a file may have, by their names."""
        found = self.group.get_command(self.root, command)
        options = [
            each for each in (found.params if found else []) if isinstance(each, click.Option)
        ]
        return {option_name(each): each for each in options if option_name(each) != "config"}

    def shared(self, command: str) -> dict[str, click.Option]:
        """Those of a command that others have too."""
        return {name: each for name, each in self.options(command).items() if is_shared(each)}

    def find_shared(self, option: str) -> click.Option:
        """An option that commands share, of the first of them."""
        return next(found[option] for found in map(self.shared, self.names) if option in found)

    def owners(self, option: str) -> list[str]:
        """The commands that have an option."""
        return [name for name in self.names if option in self.options(name)]


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise click.UsageError(f"--config {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: is no TOML: {error}.") from error


def _values(
    table: Table,
    options: Mapping[str, click.Option],
    place: str,
    context: click.Context,
    *,
    others: bool = False,
) -> dict[str, object]:
    """A table's values by the names of parameters; with `others` it may have other keys."""
    values: dict[str, object] = {}
    for key, value in table.items():
        option = options.get(_dashed(key))
        if option is not None:
            values[str(option.name)] = _check(value, option, f"{place} {key!r}", context)
        elif not others:
            _refuse(place, repr(key), "is none of its options", options)
    return values


def _check(value: object, option: click.Option, place: str, context: click.Context) -> object:
    """The value, if the option takes it."""
    kinds, wanted = _kinds(option)
    if (option.metavar or "").endswith(",...") and not option.multiple:
        value = _join(value, are_pairs="=" in str(option.metavar))
    one_each = value if isinstance(value, list) and option.multiple else [value]
    fits = [
        isinstance(each, kinds) and (isinstance(each, bool) == (bool in kinds)) for each in one_each
    ]
    if not all(fits) or (option.multiple and not isinstance(value, list)):
        raise click.UsageError(f"{place} must be {wanted}, found {value!r}.")
    try:
        option.type_cast_value(context, value)
    except click.BadParameter as error:
        raise click.UsageError(f"{place}: {error.message}") from error
    return value


def _join(value: object, *, are_pairs: bool) -> object:
    """A list of texts, or a table, of an option that takes several with commas, as its text."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return ",".join(each if are_pairs else quote_name(each) for each in value)
    if isinstance(value, dict) and are_pairs:
        return ",".join(f"{quote_name(name)}={each}" for name, each in value.items())
    return value


def _kinds(option: click.Option) -> tuple[tuple[type, ...], str]:
    """The types that a value of the option may have, and what to call them."""
    if option.is_flag:
        return (bool,), "true or false"
    if isinstance(option.type, click.types.IntParamType):
        return (int,), "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return (int, float), "a number"
    return (str,), "a list of texts" if option.multiple else "text"


def _refuse(place: Path | str, found: str, reason: str, known: Iterable[str]) -> NoReturn:
    """Names what is wrong in a file, and what may have been meant."""
    names = sorted(known)
    near = difflib.get_close_matches(found.strip("'").replace("_", "-"), names, 3, 0.5)
    advice = f" Did you mean {' or '.join(near)}?" if near else f" It may be {', '.join(names)}."
    colon = "" if str(place).endswith("]") or str(place).endswith(":") else ":"
    raise click.UsageError(f"{place}{colon} {found} {reason}.{advice if names else ''}")


def _dashed(key: str) -> str:
    return key.replace("_", "-")


def find_form(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """What `--log-format`, its variables or the file of options say; text where none does.

    For a command line that is wrong, so that its options were not read.

    Args:
        arguments: the name of the command and what follows it.
    """
    given = list(takewhile(lambda argument: argument != "--", arguments))
    command = next((each for each in given if not each.startswith("-")), "")
    form: object = _find_option(given, command, environment, "log-format")
    if form is None:
        path = Path(_find_option(given, command, environment, "config") or DEFAULT_FILE)
        form = _read_form(path, command)
    return form if isinstance(form, str) and form in FORMS else FORMS[0]


def _find_option(
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


def _read_form(path: Path, command: str) -> object:
    """What a file of options says, the command's table first; None where it cannot be read."""
    try:
        content = tomllib.loads(path.expanduser().read_text("utf-8-sig"))
    except (OSError, RuntimeError, ValueError):
        return None  # the message that follows names it, where it matters
    own = content.get(command)
    tables = [own if isinstance(own, dict) else {}, content]
    keys = ("log-format", "log_format")
    return next((table[key] for table in tables for key in keys if key in table), None)
