"""The entry point: the group of commands, and what becomes of failures."""

import contextlib
import importlib
import os
import signal
import sys
import threading
import warnings
from functools import cache
from types import FrameType
from typing import TextIO

import click
from click.core import ParameterSource

import prodmatch
from prodmatch.engines.processors import count_processors
from prodmatch.errors import EXTRAS, ProdmatchError, not_installed
from prodmatch_cli.settings.config import find_form
from prodmatch_cli.settings.every_command import add_common_options, variables
from prodmatch_cli.terminal import logs
from prodmatch_cli.terminal.messages import print_error, print_warnings, translate
from prodmatch_cli.terminal.threads import set_threads

TEMPORARY = "prodmatch.storage.temporary"  # the module that makes and removes a folder
LONGEST_SECONDS = 8.0  # from a signal to the end; what is on disk is intact at any instant

# The commands, by the package below `commands` that they are in.
ROOMS = {
    "nights": ("build", "check", "convert", "drift", "embed", "index"),
    "queries": (
        "evaluate", "explain", "match", "query", "recommend", "serve", "synonyms", "tag",
    ),
    "generations": ("export", "gc", "generations", "pull", "push", "rollback", "verify"),
    "models": ("pretrain", "train"),
}  # fmt: skip
COMMANDS = {name: room for room, names in ROOMS.items() for name in names}


class _Commands(click.Group):
    """The commands; each is imported when it is called, so that a query waits for no other."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ProdmatchError as error:  # the command is known here, and so are its options
            print_error(translate(str(error)))
            sys.exit(error.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        return _load(cmd_name)


@cache
def _load(name: str) -> click.Command:
    module = importlib.import_module(f"prodmatch_cli.commands.{COMMANDS[name]}.{name}")
    command: click.Command = getattr(module, name)
    add_common_options(command, name)
    return command


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
)
@click.version_option(prodmatch.__version__, prog_name="prodmatch")
def cli() -> None:
    """Find and match products by what they say and what they look like.

    A nightly run is `prodmatch build CATALOGUE`, or its steps `prodmatch embed CATALOGUE` and
    `prodmatch index`; then search with `prodmatch query "red t-shirt"`. Answers go to stdout,
    everything else to stderr.

    Exit status: 0 done, 1 a named failure, 2 wrong usage, 3 a damaged or mismatched artifact,
    4 locked by another run.
    """


def main() -> None:
    """Runs the command line and exits with the contract's status."""
    _open_closed_streams()
    _set_up_libraries()
    logs.configure()
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        _run()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        logs.configure(form=find_form(sys.argv[1:], os.environ))
        print_error(_describe(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(128 + signal.SIGINT)
    except _Stopped as stopped:  # all is put away; native threads may abort a usual exit
        remove = getattr(sys.modules.get(TEMPORARY), "remove_temporary_folder", None)
        if remove is not None:  # else none was made; an import may be what was stopped
            remove()
        sys.stderr.flush()
        os._exit(stopped.status)
    except OSError as error:
        if error.filename is None:  # no file's: a bug, to be seen as one
            raise
        print_error(f"{error.filename}: {error.strerror}.")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        missing = not_installed(error.name, "queries work without it, this command does not")
        print_error(str(missing))
        sys.exit(missing.exit_code)


def _open_closed_streams() -> None:
    """Opens standard streams that are closed, or the next file would take their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode))


def _set_up_libraries() -> None:
    """Sets what libraries read in the environment when they are loaded."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # they request nothing from a hub
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # torch makes this folder when it is loaded; one that is there is left as it is
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.environ.get("TMPDIR", "/tmp"))
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if (processors := count_processors()) < len(os.sched_getaffinity(0)):
        set_threads(processors)


def _run() -> None:
    """Runs the command; a signal that stopped the import of native code stays one."""
    try:
        cli.main(prog_name="prodmatch", standalone_mode=False)
    except ImportError as error:
        if isinstance(error.__cause__, _Stopped):
            raise error.__cause__ from None
        raise
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        raise click.ClickException(
            f"there is not enough memory{reason}. Let this process have more, or run less at a time"
        ) from error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A library's warning as one line on stderr, without the place in its code."""
    print_warnings([str(message)])


def _describe(error: click.ClickException) -> str:
    """What click says, and where the usage stands."""
    message = error.format_message()
    if not message.endswith((".", "?")):
        message += "."
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and not error.option_name.startswith("--"):
        message += " Put -- before a text that begins with -, behind all options."
    option = error.param if isinstance(error, click.BadParameter) else None
    if context and isinstance(option, click.Option) and _is_from_environment(context, option):
        name = next(
            each for each in variables(option, str(context.info_name)) if os.environ.get(each)
        )
        message += f" It is the variable {name}."
    return f"{message} See '{context.command_path} --help'." if context else message


def _is_from_environment(context: click.Context, option: click.Option) -> bool:
    return context.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT


class _Stopped(SystemExit):
    """A signal ended the run; raised where it arrived, so that all that is open is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _stop(number: int, frame: FrameType | None) -> None:
    """Ends the run; where something holds it up, after some seconds as a kill would."""
    logs.PULSE.phase = ""  # its lock may be held by what was interrupted
    with contextlib.suppress(OSError):  # nobody reads it
        os.write(2, logs.format_line("stopped; run the same command again to go on").encode())
    signal.signal(number, signal.SIG_IGN)
    last = threading.Timer(LONGEST_SECONDS, os._exit, (128 + number,))
    last.daemon = True
    last.start()
    raise _Stopped(128 + number)
