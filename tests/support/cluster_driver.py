"""A run on the Ray cluster at RAY_ADDRESS, in a process that a test may kill or stop.

A picture of 40 x 40 pixels whose first pixel says so kills its encoder's process; each unit's
encoding waits for the file `go`, if there is to be one, so that a test can act in the middle.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tiny import TinyImage, TinyText

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings, embed_catalogue
from prodmatch.embedding.encoding.encode import EncoderClasses
from prodmatch.model.description import open_model
from prodmatch.model.preprocessing import Pixels
from prodmatch.storage.vectors import Vectors

POISON = "poison poison"
UNIT_ROWS = int(os.environ.get("UNIT_ROWS", "64"))


class SlowText(TinyText):
    """As the tiny one; a title of poison kills, and a unit waits as it is told."""

    def encode(self, texts, *, query: bool = False) -> Vectors:  # type: ignore[no-untyped-def]
        """Features, after `SECONDS`."""
        if any(POISON in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        note = Path(os.environ["NOTES"]) / f"{os.getpid()}-{time.monotonic_ns()}"
        note.write_text(str(os.getpid()))
        time.sleep(float(os.environ.get("SECONDS", "0")))
        return super().encode(texts, query=query)


class SameImage(TinyImage):
    """The tiny one."""

    def encode(self, pixels: Pixels) -> Vectors:
        """Features."""
        return np.asarray(super().encode(pixels), np.float32)


SLOW = EncoderClasses(SlowText, SameImage)  # type: ignore[arg-type]


def main() -> None:
    """Embeds a catalogue into a store with a model, and prints the report."""
    catalogue, store, model, engine = sys.argv[1:]
    settings = EmbedSettings(
        device="cpu",
        precision="float32",
        workers=0,
        engine=engine,
        max_reject=1.0,
        shard_rows=UNIT_ROWS,
    )
    report = embed_catalogue(
        open_catalogue(Path(catalogue)), open_model(model), Path(store), settings, classes=SLOW
    )
    print(json.dumps(asdict(report)))  # noqa: T201


if __name__ == "__main__":
    # Under its own name, which the workers import.
    import cluster_driver

    cluster_driver.main()
