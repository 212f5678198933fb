"""The entry point: the group of commands, and what becomes of failures."""

import importlib
import os
import signal
import sys
import threading
from types import FrameType

import click

import prodmatch
from prodmatch.errors import ProdmatchError

# What the light half of the dependencies leaves out; see pyproject.toml.
HEAVY = ("ir_measures", "onnx", "onnxscript", "pandas", "torch", "torchvision", "transformers")

LONGEST_SECONDS = 8.0  # from a signal to the end; what is on disk is whole at any instant

COMMANDS = (
    "build",
    "check",
    "convert",
    "embed",
    "evaluate",
    "explain",
    "export",
    "gc",
    "generations",
    "index",
    "pretrain",
    "query",
    "recommend",
    "rollback",
    "train",
    "verify",
)


class _Commands(click.Group):
    """The commands; each is imported when it is asked for, so that a query waits for no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"prodmatch_cli.commands.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(prodmatch.__version__, prog_name="prodmatch")
def cli() -> None:
    """Find and match products by what they say and what they look like.

    A nightly run is `prodmatch build CATALOGUE`, or its halves `prodmatch embed CATALOGUE` and
    `prodmatch index`; then ask with `prodmatch query "red t-shirt"`. Answers go to stdout,
    everything else to stderr.

    Exit status: 0 done, 1 a named failure, 2 wrong usage, 3 a damaged or mismatched artifact,
    4 locked by another run.
    """


def main() -> None:
    """Runs the command line and exits with the contract's status."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # libraries ask a hub for nothing
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(128 + signal.SIGINT)
    except ProdmatchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:  # no file's: a bug, to be seen as one
            raise
        sys.stderr.write(f"error: {error.filename}: {error.strerror}.\n")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in HEAVY:
            raise
        sys.stderr.write(
            f"error: {error.name!r} is not installed here; asking works without it, this command "
            "does not. Run 'pip install prodmatch'.\n"
        )
        sys.exit(1)


def _stop(number: int, frame: FrameType | None) -> None:
    """Ends the run; where something holds it up, after some seconds as a kill would."""
    os.write(2, b"stopped; run the same command again to go on\n")
    signal.signal(number, signal.SIG_IGN)
    last = threading.Timer(LONGEST_SECONDS, os._exit, (128 + number,))
    last.daemon = True
    last.start()
    sys.exit(128 + number)
