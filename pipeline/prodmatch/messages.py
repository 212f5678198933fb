"""How messages name jobs and parameters, and how a caller says them in words of its own.

In code quotes, as Python has them: a parameter is `top`, or `top=0` with its value, and a job is
`build(catalogue)` or `gc(keep=1)`, by the name of its module or command. Values are written as
they are, without quotes. The command line and the service translate both.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NAMED = re.compile(r"`(?P<name>[a-z][a-z_]*)(?:\((?P<given>[^`]*)\)|=(?P<value>[^`]*))?`")


@dataclass(frozen=True)
class Given:
    """A parameter that a message names; the value is None where it has none."""

    name: str
    value: str | None = None


def translate(
    message: str,
    parameter: Callable[[Given], str | None],
    job: Callable[[str, Sequence[Given]], str | None],
) -> str:
    """A message with its jobs and parameters in other words.

    Args:
        message: one of the library.
        parameter: what to write for a parameter; None leaves it as it is.
        job: likewise for a job, of its name and what it is given.
    """

    def write(found: re.Match[str]) -> str:
        if found["given"] is None:
            text = parameter(Given(found["name"], found["value"]))
        else:
            text = job(found["name"], _read_given(found["given"]))
        return found[0] if text is None else text

    return NAMED.sub(write, message)


def _read_given(text: str) -> list[Given]:
    """The parameters between a job's brackets."""
    pairs = [each.partition("=") for each in text.split(", ") if each]
    return [Given(name, value if equals else None) for name, equals, value in pairs]
