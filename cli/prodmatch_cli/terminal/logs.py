"""What goes to stderr: lines for people, or JSON lines for programs, through Python's logging."""

import json
import logging
import os
import sys
from contextlib import nullcontext, suppress
from datetime import UTC, datetime

import click

from prodmatch_cli.terminal.messages import translate
from prodmatch_cli.terminal.pulse import Pulse
from prodmatch_cli.terminal.text import one_line

LEVELS = ("debug", "info", "warning", "error")
FORMS = ("text", "json")
LONG = ("match", "train", "pretrain", "serve")  # whose progress is shown on a terminal and off it
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime"}  # all else are fields


class _Stderr(logging.Handler):
    """Writes lines to what stderr is now, above the progress bars where there are any."""

    context: click.Context | None = None  # of the command: threads have none of their own

    def emit(self, record: logging.LogRecord) -> None:
        PULSE.clear()
        if record.levelno >= logging.ERROR:
            PULSE.begin("")
        bars = sys.modules.get("tqdm")
        above = bars.tqdm.external_write_mode(sys.stderr) if bars else nullcontext()
        with suppress(OSError), above:  # a full disk, or a reader that is gone, ends no run
            click.echo(self.format(record), err=True)
        if PULSE.is_alive() and record.levelno == logging.INFO and not _is_own(record):
            PULSE.begin(_message(record))


class _Text(logging.Formatter):
    """A line for people: the library's progress with the time, all else with what it is."""

    def format(self, record: logging.LogRecord) -> str:
        line = _message(record)
        if record.levelno >= logging.WARNING:
            return f"{'error' if record.levelno >= logging.ERROR else 'warning'}: {line}"
        if _is_own(record):
            kind = getattr(record, "kind", None)
            return f"{kind}: {line}" if kind else line
        return f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} {line}"


class _Json(logging.Formatter):
    """A JSON object a line: time (UTC), level, message, and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in STANDARD}
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "message": _message(record)}
        return json.dumps({**line, **fields}, default=str)


CLI = logging.getLogger("prodmatch_cli")
LIBRARY = logging.getLogger("prodmatch")
HANDLER = _Stderr()
PULSE = Pulse()


def configure(
    level: str | None = None, form: str = "text", *, quiet: bool = False, command: str = ""
) -> None:
    """Has the log written to stderr.

    Args:
        level: the lowest that is written. If None, the command's own messages are all written, and
            the library's progress where a person sees it: on a terminal, or of long commands.
        form: `text` or `json`; bars would break the lines of the latter.
    """
    HANDLER.context = click.get_current_context(silent=True)
    HANDLER.setFormatter(_Json() if form == "json" else _Text())
    if HANDLER not in logging.root.handlers:
        logging.root.addHandler(HANDLER)
    on_terminal = sys.stderr.isatty()
    visible = not quiet and (command in LONG or on_terminal)
    chosen = logging.getLevelNamesMapping()[(level or "info").upper()]
    CLI.setLevel(chosen)
    LIBRARY.setLevel(logging.WARNING if level is None and not visible else chosen)
    HANDLER.setLevel(chosen)  # for the loggers of other libraries
    if quiet or form == "json":
        os.environ["TQDM_DISABLE"] = "1"
    elif on_terminal and command and not PULSE.is_alive():
        PULSE.start()


def format_line(message: str) -> str:
    """A message of the command's as a line in the form that is configured."""
    record = logging.makeLogRecord({"name": CLI.name, "levelno": logging.INFO, "msg": message})
    record.levelname = "INFO"
    return HANDLER.format(record) + "\n"


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        message += f": {record.exc_info[1]}"
    context = click.get_current_context(silent=True) or HANDLER.context
    if _is_own(record) or context is None:
        return one_line(message)
    with context.scope(cleanup=False):
        return one_line(translate(message))  # the library does not speak command line


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == CLI.name
