"""The index that another is compared with: of another store, or of another model."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prodmatch.errors import StoreError
from prodmatch.model.description import open_model
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.storage.atomic import link_or_copy
from prodmatch.storage.settings import NAME, ensure_exists
from prodmatch.storage.temporary import scratch_directory
from prodmatch_cli.terminal.messages import print_progress


@contextmanager
def open_other(store: Path, against: str, device: str) -> Iterator[ProductIndex]:
    """The index of another store or, where it is a model, of this store's catalogue with it.

    The catalogue is then embedded into a store that is removed afterwards, in a process of its
    own; what this store holds of the model's encoders is not encoded again.

    Raises:
        ModelError: `against` is neither a store nor a model.
        StoreError: the catalogue cannot be embedded with it.
    """
    if is_store(against):
        with open_index(against) as index:
            yield index
        return
    chosen = open_model(against)
    ensure_exists(store)
    print_progress(f"embedding the catalogue with {against}")
    with scratch_directory(store.resolve().parent) as scratch:
        for path in _kept_files(store):
            link_or_copy(path, scratch / path.relative_to(store))
        command = [sys.executable, "-m", "prodmatch_cli", "build", "--store", str(scratch)]
        options = ["--model", str(chosen.folder), "--device", device, "--accept-changes"]
        options += ["--log-level", "error"]
        done = subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise StoreError(f"{store}: its catalogue cannot be embedded with {against}.")
        with open_index(scratch) as index:
            yield index


def is_store(against: str) -> bool:
    """Whether it is a store, and no model."""
    return (Path(against) / "index").is_dir()


def _kept_files(store: Path) -> list[Path]:
    """What a store remembers and what it has encoded."""
    folders = (store / "features", store / "encoders")
    found = [store / NAME, *(path for folder in folders for path in folder.rglob("*"))]
    return [path for path in found if path.is_file()]
