"""Messages of the library name jobs and parameters, and do not speak command line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import prodmatch
from prodmatch import messages
from prodmatch_cli import main
from prodmatch_cli.terminal.messages import translate

LIBRARY = Path(str(prodmatch.__file__)).parent
SHELL = re.compile(r"(?:^|[ '\"`(])--[a-z]|['\"]prodmatch [a-z]")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def literals(path: Path) -> Iterator[tuple[str, str]]:
    """The texts of a module that are no docstrings, `x` for each value in them, and the places."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and isinstance(node.body[0], ast.Expr):
            skipped.add(id(node.body[0].value))
        text = None
        if isinstance(node, ast.JoinedStr):
            skipped.update(map(id, node.values))
            text = "".join(
                str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = None if id(node) in skipped else node.value
        if text is not None:
            yield text, f"{path.relative_to(LIBRARY)}:{node.lineno}: {text}"


@pytest.mark.parametrize(
    "text", ["Run 'prodmatch build'.", "give --top 3", "'gc' (--keep 1)", "--log-format says where"]
)
def test_the_pattern_finds_command_line(text: str) -> None:
    assert SHELL.search(text)


def test_no_message_speaks_command_line() -> None:
    found = [
        place
        for path in sorted(LIBRARY.rglob("*.py"))
        for text, place in literals(path)
        if SHELL.search(text)
    ]
    assert found == []


def test_the_jobs_in_messages_are_commands_with_these_parameters() -> None:
    root = click.Context(main.cli, info_name="prodmatch")
    count = 0
    with root:
        for path in sorted(LIBRARY.rglob("*.py")):
            for text, place in literals(path):
                for match in messages.NAMED.finditer(text):
                    if match["given"] is not None:
                        count += 1
                        assert translate(match[0]).startswith("'prodmatch "), place
    assert count > 20
