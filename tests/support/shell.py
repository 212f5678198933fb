"""Commands run in the test's own process, which costs no start of an interpreter."""

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from small import Ran

from prodmatch_cli.main import main


class Shell:
    """Runs commands in this process, arguments and standard input as the system hands them over."""

    def __init__(
        self, store: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.names_store = True
        self.store, self.patch, self.capsys = store, patch, capsys
        patch.setattr(signal, "signal", lambda number, handler: None)

    def __call__(self, *arguments: str | bytes, given: bytes = b"") -> Ran:
        decoded = [os.fsdecode(argument) for argument in arguments]
        store = ["--store", str(self.store)] if self.names_store else []
        self.patch.setattr(sys, "argv", ["prodmatch", *decoded, *store])
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        said = io.BytesIO()
        self.patch.setattr(sys, "stderr", io.TextIOWrapper(said, "utf-8", "backslashreplace"))
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(str(end.code))
        sys.stderr.flush()
        return Ran(code, self.capsys.readouterr().out, said.getvalue().decode())
