"""The one place that loads onnxruntime, and tells it to send nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, is_out_of_memory, raise_if_out_of_memory
from prodmatch.storage.vectors import Vectors

# Read once, when the library is loaded. Without it the first session looks its maker's host up and
# keeps a device id and a database of events in the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

SLOWER = ("SkipLayerNormFusion",)  # a sum and a normalisation are ten times as quick apart
Session: TypeAlias = onnxruntime.InferenceSession


def open_session(
    path: Path, *, long_lived: bool, threads: int = 0, wide_integers: bool = False
) -> Session:
    """An ONNX file ready to run on the processor.

    Args:
        path: the file; its weights may lie next to it.
        long_lived: whether it will run many times; for a single run, arranging the weights for
            speed takes longer than it saves.
        threads: that one run takes, where several run at a time; 0 takes all there are.
        wide_integers: whether products of 8-bit integers are summed without instructions of their
            own (VNNI), which is slower: without these, sums in 16 bits would overflow.

    Raises:
        DamagedError: the file is no ONNX file that can be run.
        OutOfMemoryError: there is not enough memory for it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Idle threads would spin for the next batch, and burn what other processes could use.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if wide_integers:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if not long_lived:
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        session: Session = Session(
            path, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
        )
    except Exception as error:
        raise_if_out_of_memory(error, path)
        raise DamagedError(f"{path}: is no ONNX file that can be run ({error}).") from error
    return session


def output_width(session: Session) -> int:
    """How many numbers a row has that a graph gives."""
    return int(session.get_outputs()[0].shape[1])


def run_session(session: Session, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Vectors:
    """The rows that a graph gives.

    Raises:
        MemoryError: there was not enough of it.
    """
    try:
        rows: Vectors = session.run(None, dict(inputs))[0]
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise
    return rows
