"""What the files of a store hold, compressed or not."""

import sqlite3
from pathlib import Path

import pyarrow.parquet as pq

from prodmatch.storage.generations import Generation, generation_numbers, open_generation


def contents_of(path: Path) -> str:
    """A file's bytes, and, of Parquet and SQLite, all that is in it, compressed or not."""
    found = path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        found += f"{file.read().to_pylist()}{file.metadata.metadata}{file.schema_arrow.metadata}"
    elif path.suffix == ".sqlite":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            found += "".join(connection.iterdump())
        connection.close()
    return found


def files_with(folder: Path, word: str) -> list[str]:
    """The files below a folder that hold a word."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert paths
    return [str(path.relative_to(folder)) for path in paths if word in contents_of(path)]


def list_generations(store: Path) -> list[Generation]:
    """All generations, oldest first."""
    return [open_generation(store, number) for number in generation_numbers(store / "index")]
