"""The tree of exceptions; each class knows the exit status the command line gives it.

ProdmatchError              1  a named failure: place, what is wrong, what was found, what to do
├── CatalogueError          1  a catalogue that cannot be used as a whole
├── SynonymsError           1  a file of synonyms that cannot be used
├── ModelError              1  a model directory or encoder that cannot be used
├── StoreError              1  a store that cannot be written, or has nothing to read yet
├── RemoteError             1  a place on another machine that cannot be reached, read or written
├── QueryError              2  a query that cannot be answered
├── DamagedError            3  bytes on disk that are not what their manifest says
├── MismatchError           3  two artifacts that were not made for each other
├── LockedError             4  another run holds the store
├── OutOfMemoryError        1  a file that there is not enough memory for
└── NotInstalledError       1  a part of the package whose libraries are not installed
"""

from os import PathLike
from pathlib import Path
from types import UnionType


class ProdmatchError(Exception):
    """A failure with a message for the person who can correct it."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback: IPython calls it."""
        return [f"{type(self).__name__}: {self}"]


class CatalogueError(ProdmatchError):
    """A catalogue that cannot be used: not Parquet, a column missing, no rows, too many rejects."""


class SynonymsError(ProdmatchError):
    """A file of synonyms that cannot be used: a line that is no rule, a word in two groups."""


class ModelError(ProdmatchError):
    """A model directory, encoder or training set that cannot be used."""


class StoreError(ProdmatchError):
    """A store that cannot be written, or that holds nothing to read yet."""


class RemoteError(ProdmatchError):
    """A place on another machine that cannot be reached, read or written."""


class QueryError(ProdmatchError):
    """A query that cannot be answered: blank text, an unknown id, a bad filter."""

    exit_code = 2


class DamagedError(ProdmatchError):
    """A file whose bytes are not those its manifest lists."""

    exit_code = 3


class MismatchError(ProdmatchError):
    """Two artifacts that were not made for each other, such as an index and a model."""

    exit_code = 3


class LockedError(ProdmatchError):
    """Another run is writing to the same store."""

    exit_code = 4


class OutOfMemoryError(ProdmatchError):
    """A file that there is not enough memory for; nothing is wrong with it."""


class NotInstalledError(ProdmatchError):
    """A part of the package whose libraries are not installed."""


#: The extra of pyproject.toml that installs a library, by the name it is imported by.
EXTRAS = {
    "huggingface_hub": "embed",
    "ir_measures": "evaluate",
    "lance": "lance",
    "onnx": "embed",
    "onnxscript": "embed",
    "openTSNE": "map",
    "python_multipart": "serve",
    "ray": "ray",
    "sklearn": "match",
    "starlette": "serve",
    "tensorboard": "train",
    "torch": "embed",
    "torchvision": "embed",
    "transformers": "embed",
    "uvicorn": "serve",
}


#: What libraries have in their errors where memory runs out, or room for a thread.
OUT_OF_MEMORY = (
    "out of memory",
    "llocate memory",  # "can't allocate memory", "Failed to allocate memory"
    "CUBLAS_STATUS_ALLOC_FAILED",
    "bad_alloc",
    "bad allocation",
    "Failed to launch worker thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of a library says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def raise_if_out_of_memory(error: Exception, path: object) -> None:
    """Raises what says so where memory, not the file at `path`, is why it cannot be loaded.

    Raises:
        OutOfMemoryError: memory ran out.
    """
    if is_out_of_memory(error):
        raise OutOfMemoryError(
            f"{path}: there is not enough memory to load it. Let this process have more, or run "
            "less at a time."
        ) from error


def require_type(
    value: object, kind: type | UnionType, place: str, remedy: str, error: type[ProdmatchError]
) -> None:
    """Raise unless a caller's value is of a type; `remedy` says what to give."""
    if not isinstance(value, kind):
        raise error(f"{place}: is of the type {type(value).__name__}. {remedy}")


def require_path(value: object, name: str, error: type[ProdmatchError] = QueryError) -> Path:
    """The path that a caller gives as `name`: a text, or any `os.PathLike`."""
    require_type(value, str | PathLike, f"`{name}`", "Give a path.", error)
    if value == "":
        raise error(f"`{name}`: is empty. Give a path.")
    return Path(value)  # type: ignore[arg-type]  # which it is now


def set_paths(settings: object, *names: str) -> None:
    """Makes fields of frozen settings paths, as `require_path` does; None stays."""
    for name in names:
        if (value := getattr(settings, name)) is not None:
            object.__setattr__(settings, name, require_path(value, name))


def not_installed(library: str, remark: str = "", wanted_by: str = "") -> NotInstalledError:
    """The error for a library that is not installed, which says how to install it.

    Args:
        library: by the name it is imported by.
        remark: what comes of that.
        wanted_by: the parameter or function that needs it.
    """
    place = f"`{wanted_by}`: " if wanted_by else ""
    missing = f"{library!r} is not installed here" + (f"; {remark}" if remark else "")
    package = f"'prodmatch[{EXTRAS[library]}]'" if library in EXTRAS else library
    return NotInstalledError(f'{place}{missing}. Run "pip install {package}".')
