"""What logs of a training's figures: nobody, or TensorBoard."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from prodmatch.errors import ModelError

LogFigure = Callable[[str, float, int], None]  # name, value, step


def ignore(name: str, value: float, step: int) -> None:
    """Hears a figure and forgets it."""


@contextlib.contextmanager
def open_log(folder: Path | None) -> Iterator[LogFigure]:
    """What takes figures while the block runs: event files for TensorBoard, where wanted.

    Args:
        folder: where the files go; nowhere if None.

    Raises:
        ModelError: TensorBoard is not installed.
    """
    if folder is None:
        yield ignore
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ModelError(
            f"`log_dir={folder}`: TensorBoard is not installed. "
            "Run \"pip install 'prodmatch[train]'\"."
        ) from error
    with SummaryWriter(str(folder)) as writer:
        yield writer.add_scalar
