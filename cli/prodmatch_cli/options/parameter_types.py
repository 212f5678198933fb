"""Types of values that click's own let pass what no command can use."""

import math
from pathlib import Path
from typing import Any

import click

from prodmatch.storage.places.addresses import is_address, looks_like_address


class _Path(click.Path):
    """A path; not the empty word, which `--store "$UNSET"` gives, and which would mean `.`."""

    not_an_address = "an address, where only a path of this machine can be."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if value == "":
            self.fail("it is empty.", param, ctx)
        if isinstance(value, str) and looks_like_address(value):
            self.fail(f"{value!r} is {self.not_an_address}", param, ctx)
        return super().convert(value, param, ctx)


class _Name(click.types.StringParamType):
    """A word that is not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word."""
        if value == "":
            self.fail("it is empty.", param, ctx)
        return super().convert(value, param, ctx)


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


PATH = _Path(path_type=Path)
PLACE = _Place(path_type=Path)
NAME = _Name()
