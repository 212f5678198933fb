"""A run names its phases where they are shown, from the first on; bars can be switched off."""

import json
import logging
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from shell import Shell
from tiny import night, save_catalogue, save_query_encoders

from prodmatch.model.description import Model
from prodmatch.progress import bars_off
from prodmatch_cli.terminal.pulse import CLEAR, Pulse


def test_a_night_names_every_phase(
    tiny: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_query_encoders(tmp_path / "store", tiny)
    with caplog.at_level(logging.INFO, "prodmatch"):
        night(save_catalogue(tmp_path / "c.parquet", 9), tiny, tmp_path / "store")
    phases = [record.phase for record in caplog.records]  # type: ignore[attr-defined]
    assert phases == [
        *("read", "encode texts", "encode pictures", "fuse", "write"),
        *("index", "measure", "publish"),
    ]


def test_phases_are_shown_with_the_time_or_as_fields(shell: Shell) -> None:
    lines = shell("embed", "--dry-run", "--log-level", "info").err.splitlines()
    assert [line[20:] for line in lines] == ["opening the catalogue", "reading 60 rows"]
    done = shell("embed", "--dry-run", "--log-level", "info", "--log-format", "json")
    last = json.loads(done.err.splitlines()[-1])
    assert (last["phase"], last["rows"]) == ("read", 60)
    assert shell("embed", "--dry-run").err == ""


def on_a_terminal(*arguments: str) -> str:
    """What a command writes to a terminal."""
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 80))
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    subprocess.run(
        [sys.executable, "-m", "prodmatch_cli", *arguments],
        stdout=subprocess.DEVNULL, stderr=writer, check=True,
        env=environment,
    )  # fmt: skip
    os.write(writer, b"<end>")
    written = b""
    while not written.endswith(b"<end>"):
        written += os.read(reader, 65536)
    os.close(reader)
    os.close(writer)
    return written.decode().removesuffix("<end>")


def test_bars_are_drawn_on_a_terminal_unless_they_are_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("product_id,title\n1,red\n")
    convert = ("convert", str(tmp_path / "c.csv"), str(tmp_path / "out.parquet"))
    assert "rows: " in on_a_terminal(*convert)
    assert "rows: " not in on_a_terminal(*convert, "--quiet")
    lines = on_a_terminal(*convert, "--log-format", "json").splitlines()
    assert [json.loads(line)["level"] for line in lines] == ["info"]


def test_a_bar_is_off_where_it_is_switched_off_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert bars_off() is True
    monkeypatch.delenv("TQDM_DISABLE")
    assert bars_off() is None


def test_a_phase_that_lasts_shows_its_seconds_until_another_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pulse = Pulse()
    pulse.begin("loading torch")
    pulse.redraw()
    assert capsys.readouterr().err == f"{CLEAR}loading torch: 0 s"
    pulse.begin("")
    assert capsys.readouterr().err == CLEAR
    pulse.redraw()
    assert capsys.readouterr().err == ""


def test_a_run_on_a_terminal_clears_its_line_before_the_answer(tmp_path: Path) -> None:
    save_catalogue(tmp_path / "c.parquet", 9)
    store = ("--store", str(tmp_path / "store"))
    lines = on_a_terminal("embed", str(tmp_path / "c.parquet"), "--dry-run", *store)
    shown = [line.rpartition(CLEAR)[2].rpartition("\r")[2] for line in lines.split("\r\n")]
    assert [line[20:] for line in shown[:2]] == ["opening the catalogue", "reading 9 rows"]
    assert "opening the catalogue: " not in "".join(shown)
