"""Types of values that click's own let pass what no command can use."""

import math
from pathlib import Path
from typing import Any

import click

from prodmatch.storage.places.addresses import is_address, looks_like_address


class _Path(click.Path):
    """A path, `~` expanded; not the empty word, which `--store "$UNSET"` gives, and would mean `.`.

    A shell expands `~` only where an unquoted word begins: not in `--store=~/shop`, and nothing
    does in a file of options.
    """

    not_an_address = "an address, where only a path of this machine can be."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if value == "":
            self.fail("it is empty.", param, ctx)
        if isinstance(value, str) and looks_like_address(value):
            self.fail(f"{value!r} is {self.not_an_address}", param, ctx)
        if isinstance(value, str) and not _is_utf8(value):
            self.fail(f"{value!r} is not in UTF-8. Rename it.", param, ctx)
        path = _expand_home(value) if isinstance(value, str) else value
        return super().convert(path, param, ctx)


class _Name(click.types.StringParamType):
    """A word that is not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word."""
        if value == "":
            self.fail("it is empty.", param, ctx)
        return super().convert(value, param, ctx)


class _NameOrPath(_Name):
    """A word that may be a path, `~` expanded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word."""
        return _expand_home(super().convert(value, param, ctx))


class FloatRange(click.FloatRange):
    """A range of numbers that NaN, which is neither below nor above any, is not in."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{found} is no number.", param, ctx)
        return found


class _Place(_Path):
    """A path, or an address such as `s3://bucket/prefix`, which is no path and stays a text."""

    not_an_address = (
        "an address of another kind than s3:// and gs://; give one of these, or a path."
    )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path or the address."""
        if isinstance(value, str) and is_address(value):
            return value
        return super().convert(value, param, ctx)


def _is_utf8(word: str) -> bool:
    """Whether it was given in UTF-8, as the libraries that open files want it."""
    try:
        return bool(word.encode())
    except UnicodeEncodeError:
        return False


def _expand_home(word: str) -> str:
    if word != "~" and not word.startswith("~/"):
        return word
    try:
        return str(Path(word).expanduser())
    except RuntimeError as error:
        raise click.BadParameter(f"{word!r}: no home directory is known; name it.") from error


PATH = _Path(path_type=Path)
PLACE = _Place(path_type=Path)
NAME = _Name()
NAME_OR_PATH = _NameOrPath()
