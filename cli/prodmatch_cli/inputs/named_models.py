"""Models by the names that commands are given."""

import os

from prodmatch.model.description import Model, is_on_disk, open_model
from prodmatch_cli.options.combinations import needs


def check_download(model: str | None) -> None:
    """Refuses --download where nothing is named that a hub could have."""
    if model is None or is_on_disk(model):
        needs("--model NAME, of a model on a hub", "download")


def open_named_model(name: str, *, download: bool = False) -> Model:
    """A shipped model, one in a directory, or one of a hub by its name."""
    if is_on_disk(name):
        return open_model(name)
    if download:
        os.environ["HF_HUB_OFFLINE"] = "0"  # read when the hub's library is loaded, which is now
    try:
        from prodmatch.model.hub import find_model
    except ModuleNotFoundError:  # an install that only queries has no hub
        if download:
            raise
        return open_model(name)
    return find_model(name, download=download)
