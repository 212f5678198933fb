"""Fixtures of the command line's tests."""

from pathlib import Path

import pytest
from shell import Shell


@pytest.fixture
def shell(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(published, monkeypatch, capsys)
