"""What a store is made with: `store.json`, so that later runs need not be given it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prodmatch.errors import DamagedError, StoreError
from prodmatch.storage.atomic import write_json
from prodmatch.storage.manifests import read_manifest
from prodmatch.storage.places.addresses import read_place

NAME = "store.json"
FORMAT = 1
FOLDER = "the catalogue's folder"
SHAPE = {"model": str, "catalogue": str, "columns": dict, "text_columns": list}
OPTIONAL = ("image_root", "precision", "synonyms", "groups", "language")
REMEDY = (
    "Remove the file, and give `model`, `catalogue`, `columns`, `text_columns`, `image_root`, "
    "`synonyms`, `groups`, `language` and `leave_out` once more."
)


@dataclass(frozen=True)
class StoreSettings:
    """The model and the catalogue of a store, and how the catalogue is read."""

    model: str  # a shipped model's name, or a directory
    catalogue: Path | str  # an address is a text
    columns: Mapping[str, str]  # our names of columns to the catalogue's, where they differ
    text_columns: tuple[str, ...]  # none where they are the usual ones
    image_root: Path | str | None = None
    precision: str | None = None  # that its features were encoded in
    leave_out: tuple[str, ...] = ()  # columns that are in no file of the store, for good
    synonyms: Path | None = None  # the file that they are read from each time
    groups: Path | None = None  # of products, the same
    language: str | None = None  # of the texts, where it is not to be found in them

    def differences(self, other: "StoreSettings") -> list[str]:
        """What is another in `other`, for a person; the catalogue's path may be one every night."""
        return [
            f"{name} {_show(new)} (the store was made with {_show(old)})"
            for name, old, new in (
                ("model", self.model, other.model),
                ("columns", self.columns, other.columns),
                ("text columns", self.text_columns, other.text_columns),
                ("precision", self.precision, other.precision),
                ("root of pictures", _root(self), _root(other)),
            )
            if old is not None and old != new
        ]


def ensure_exists(store: Path) -> None:
    """Raise where there is no store: what only reads one, or removes of it, makes none."""
    if not store.is_dir():
        raise StoreError(
            f"{store}: is no directory. Give the store's with `store`, or make one with "
            "`build(catalogue)`."
        )


def read_settings(store: Path) -> StoreSettings | None:
    """What the store was last made with; None before its first embeddings.

    Raises:
        DamagedError: the file is not what it should be.
        MismatchError: another version of prodmatch wrote it.
    """
    path = store / NAME
    if not path.exists():
        return None
    content = read_manifest(path, FORMAT, SHAPE, REMEDY)
    columns, texts, left_out = (content.get(n) for n in ("columns", "text_columns", "leave_out"))
    left_out = [] if left_out is None else left_out
    if not (isinstance(columns, dict) and isinstance(texts, list) and isinstance(left_out, list)):
        raise DamagedError(f"{path}: names no columns. {REMEDY}")
    optional = [content.get(name) or "" for name in OPTIONAL]
    if not all(isinstance(name, str) for name in [*columns.values(), *texts, *left_out, *optional]):
        raise DamagedError(f"{path}: holds names that are no text. {REMEDY}")
    needed = {name: [content[name]] for name in ("model", "catalogue")} | {
        "columns": [*columns, *columns.values()],
        "text_columns": texts,
        "leave_out": left_out,
    }
    for name, values in needed.items():
        if blank := [value for value in map(str, values) if not value.strip() or "\0" in value]:
            raise DamagedError(f"{path}: {name!r} cannot hold {blank[0]!r}. {REMEDY}")
    root, precision, synonyms, groups, language = map(str, optional)
    return StoreSettings(
        model=str(content["model"]),
        catalogue=read_place(str(content["catalogue"])),
        columns=columns,
        text_columns=tuple(texts),
        image_root=read_place(root) if root else None,
        precision=precision or None,
        leave_out=tuple(left_out),
        synonyms=Path(synonyms) if synonyms else None,
        groups=Path(groups) if groups else None,
        language=language or None,
    )


def write_settings(store: Path, settings: StoreSettings) -> None:
    """Remembers what the store is made with; complete or not at all."""
    content = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(settings).items()
    }
    write_json(store / NAME, {**content, "columns": {**settings.columns}, "format": FORMAT})


def _root(settings: StoreSettings) -> tuple[str]:
    return (str(settings.image_root or FOLDER),)


def _show(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{ours}={theirs}" for ours, theirs in value.items()) or "as they are"
    if isinstance(value, tuple):
        return ", ".join(value) or "title, description"
    return repr(value)
