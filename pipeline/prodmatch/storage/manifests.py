"""JSON files that others are checked by: their format, their shape, and the pointer `CURRENT`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.storage.atomic import digest_file, read_json, write_json
from prodmatch.storage.locks import require_newest

Shape = Mapping[str, type]
NAMES = {
    int: "a whole number",
    str: "text",
    dict: "an object",
    list: "a list",
    bool: "true or false",
}


def read_manifest(path: Path, version: int, shape: Shape, remedy: str) -> dict[str, object]:
    """The JSON object in a file of our own, its format and its fields checked.

    Args:
        version: what its field `format` must be.
        shape: the type of each field that must be there.
        remedy: a sentence for the message: what to do about another file.

    Raises:
        MismatchError: another version of prodmatch wrote it, or another program.
        DamagedError: it is missing, is not JSON, or lacks a field.
    """
    content = read_json(path, remedy)
    check_format(path, content, version, remedy)
    check_shape(path, content, shape, remedy)
    return content


def check_format(
    path: Path | str, content: Mapping[str, object], version: int, remedy: str
) -> None:
    """Raise unless the field `format` is of this version."""
    found = content.get("format")
    if found != version or isinstance(found, bool):
        raise MismatchError(
            f"{path}: 'format' is {found!r}, not {version}: another version of prodmatch wrote "
            f"it, or another program. {remedy}"
        )


def check_shape(path: Path | str, content: Mapping[str, object], shape: Shape, remedy: str) -> None:
    """Raise unless every field is there and of its type; whole numbers are never negative."""
    for name, kind in shape.items():
        value = content.get(name)
        fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not fits or (isinstance(value, int) and value < 0):
            found = repr(value)[:80] if name in content else "nothing"
            raise DamagedError(f"{path}: {name!r} must be {NAMES[kind]}, found {found}. {remedy}")


@dataclass(frozen=True)
class Named:
    """What a pointer names: a directory, and the SHA-256 of its manifest."""

    name: str
    manifest_sha256: str


@dataclass(frozen=True)
class Pointer:
    """The file `CURRENT`: which of the directories next to it readers take.

    It is the last thing written, so readers see one directory or the other, never a mixture.
    """

    root: Path
    key: str  # the JSON field that holds the name
    kind: type  # of the name: int or str

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / "CURRENT"

    def read(self, remedy: str) -> Named | None:
        """What it names; None where there is no pointer.

        Raises:
            DamagedError: the file cannot be read, or names nothing.
        """
        if not self.path.exists():
            return None
        content = read_json(self.path, remedy)
        check_shape(self.path, content, {self.key: self.kind, "manifest_sha256": str}, remedy)
        return Named(str(content[self.key]), str(content["manifest_sha256"]))

    def write(self, name: str | int, folder: Path) -> None:
        """Has it name a directory whose manifest is written.

        Raises:
            LockedError: another run has followed this one; the pointer stays as that has it.
            StoreError: it cannot be written.
        """
        content = {self.key: name, "manifest_sha256": digest_file(folder / "manifest.json")}
        newest = partial(require_newest, self.root.parent)
        try:
            write_json(self.path, content, before_naming=newest)
        except StoreError:  # perhaps as the run that followed removed what was written aside
            newest()
            raise

    def check(self, named: Named, folder: Path, remedy: str) -> None:
        """Raise unless the directory's manifest is the one that was named."""
        manifest = folder / "manifest.json"
        if manifest.is_file() and digest_file(manifest) != named.manifest_sha256:
            raise DamagedError(f"{manifest}: is not the one that {self.path} names. {remedy}")
