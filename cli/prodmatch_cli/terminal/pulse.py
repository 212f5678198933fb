"""A sign of life on a terminal while a phase lasts: the seconds that it has taken by now."""

import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from prodmatch_cli.terminal.text import cut

if TYPE_CHECKING:
    from tqdm import tqdm

PERIOD_SECONDS = 1.0
CLEAR = "\r\x1b[K"  # the line that the cursor is in


class Pulse(threading.Thread):
    """Each second redraws the bars where there are any, else shows the phase and its seconds."""

    def __init__(self) -> None:
        super().__init__(name="pulse", daemon=True)
        self.phase = ""
        self.started = time.monotonic()
        self.is_drawn = False
        self.lock = threading.Lock()

    def begin(self, phase: str) -> None:
        """Shows this phase from now on; "" shows none, so that nothing is written any more."""
        with self.lock:
            self.phase, self.started = phase, time.monotonic()
        self.clear()

    def clear(self) -> None:
        """Takes its line away, before another is written."""
        with self.lock:
            if self.is_drawn:
                click.echo(CLEAR, nl=False, err=True, color=True)
                self.is_drawn = False

    def run(self) -> None:
        """Redraws until the program ends."""
        while True:
            time.sleep(PERIOD_SECONDS)
            self.redraw()

    def redraw(self) -> None:
        """Draws the bars, or the line of the phase, as they are now."""
        bars = _bars()
        for bar in bars:
            bar.refresh()
        with self.lock:
            if self.phase and bars:
                self.phase = bars[-1].desc.rstrip(": ")
            elif self.phase:
                seconds = time.monotonic() - self.started
                line = cut(f"{self.phase}: {seconds:.0f} s", shutil.get_terminal_size().columns - 1)
                click.echo(CLEAR + line, nl=False, err=True, color=True)
                self.is_drawn = True


def _bars() -> list["tqdm"]:
    """The bars that are drawn now."""
    if "tqdm" not in sys.modules:
        return []
    kind = sys.modules["tqdm"].tqdm
    with kind.get_lock():
        return [bar for bar in kind._instances if not bar.disable]
