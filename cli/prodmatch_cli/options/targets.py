"""What commands write: never what they read, nor into a store or among a catalogue's files."""

from collections.abc import Iterator
from pathlib import Path

import click

from prodmatch.catalogue.files import is_parquet
from prodmatch.errors import ProdmatchError, StoreError
from prodmatch.storage.settings import read_settings
from prodmatch.storage.temporary import remove_abandoned

CATALOGUES = {"catalogue", "data", "source"}  # parameters: folders that are read recursively
STORES = {"store", "against"}  # parameters: folders that nothing else may be in
MODELS = {"model", "text_encoder"}  # and these, but for the folder that one works in
STORE_CATALOGUE = "the store's catalogue"
PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".avif")


def check_targets(*targets: tuple[Path | None, str]) -> None:
    """Files that are to be written, each with its option, before the time that it takes.

    A file is replaced: a device, such as /dev/null, would be gone. What killed runs left of it
    next to it goes.

    Raises:
        click.UsageError: a path is there, and is no regular file; two are one; or the command
            reads it, or would read it as a part of a folder.
        StoreError: what one is to be in is no directory.
    """
    options: dict[Path, str] = {}
    sources = list(_find_sources({option for path, option in targets if path is not None}))
    for path, option in targets:
        if path is None:
            continue
        if path.exists() and not path.is_file():
            raise click.UsageError(f"{option} {path}: is there, and is no regular file.")
        check_directory(path.parent, option)
        other = options.setdefault(path.resolve(), option)
        if other != option:
            raise click.UsageError(f"{option} {path}: is that of {other}, too. Give another one.")
        for source in sources:
            _check_apart(path, option, source)
        remove_abandoned(path)


def check_new_folder(path: Path, option: str, *, holds_tables: bool = False) -> None:
    """A folder that is to be written, likewise.

    Args:
        holds_tables: whether files of it would be read as a part of a catalogue that it is in.

    Raises:
        click.UsageError: it is in the store, the catalogue or a model that the command reads.
        StoreError: what it is to be in is no directory.
    """
    check_directory(path.parent, option)
    for source in _find_sources({option}):
        _check_apart(path, option, source, holds_tables=holds_tables)
    remove_abandoned(path)


def check_directory(path: Path | None, option: str) -> None:
    """A directory that files are to be written in, before the time that it takes."""
    for each in () if path is None else (path, *path.parents):
        if each.exists() and not each.is_dir():
            raise StoreError(f"{option} {each}: is no directory.")


def _find_sources(written: set[str]) -> Iterator[tuple[str, str, Path]]:
    """What the command reads: the parameter, what messages call it, and the path."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = str(parameter.name)
        option = max(parameter.opts, key=len)
        option = option if option.startswith("-") else option.upper()
        value = context.params.get(name)
        for each in value if isinstance(value, tuple) else (value,):
            path = Path(each) if name in STORES | MODELS and isinstance(each, str) else each
            if option not in written and isinstance(path, Path):
                yield name, f"{option} {path}", path
    store = context.params.get("store")
    try:
        settings = read_settings(store) if isinstance(store, Path) else None
    except ProdmatchError:  # the command says so, if it needs them
        return
    if settings is None:
        return
    if isinstance(settings.catalogue, Path):
        yield "catalogue", f"{STORE_CATALOGUE} {settings.catalogue}", settings.catalogue
    if isinstance(settings.image_root, Path):
        yield "image_root", f"the store's pictures {settings.image_root}", settings.image_root
    if settings.synonyms is not None:
        yield "synonyms", f"the store's synonyms {settings.synonyms}", settings.synonyms


def _check_apart(
    path: Path, option: str, source: tuple[str, str, Path], *, holds_tables: bool = False
) -> None:
    """Refuses a path that is the source, or that it would be harmed by."""
    name, called, place = source
    if path.resolve() == place.resolve() or _is_same(path, place):
        raise click.UsageError(f"{option} {path}: is {called}. Give another path.")
    if not (place.is_dir() and path.resolve().is_relative_to(place.resolve())):
        return
    if name in STORES or (name in MODELS and place.resolve() != Path.cwd()):
        raise click.UsageError(f"{option} {path}: is in {called}. Give a path outside it.")
    inside = path.resolve().relative_to(place.resolve())
    is_read = holds_tables or is_parquet(path.name)
    if name in CATALOGUES and is_read and not any(map(_is_skipped, inside.parts)):
        raise click.UsageError(
            f"{option} {path}: would be read as a part of {called}. Give a path outside it."
        )
    if path.is_file() and path.suffix.lower() in PICTURES and place.resolve() != Path.cwd():
        raise click.UsageError(f"{option} {path}: is a picture in {called}. Give another path.")


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def _is_skipped(name: str) -> bool:
    """Whether catalogues are read without what has this name."""
    return name[0] == "." or (name[0] == "_" and "=" not in name)
