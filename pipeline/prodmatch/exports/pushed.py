"""What a place holds that generations are pushed to: a pointer, manifests, and files by digest.

```
PLACE/
  objects/SHA256                    a file of a generation, under the digest of its bytes
  generations/000012-DIGEST.json    the manifest of a generation
  CURRENT                           which of them readers take; written last
```
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from prodmatch.errors import DamagedError
from prodmatch.storage.atomic import json_bytes, parse_json
from prodmatch.storage.generations import FORMAT as MANIFEST_FORMAT
from prodmatch.storage.generations import SHAPE
from prodmatch.storage.manifests import check_format, check_shape
from prodmatch.storage.places.remote import RemoteFolder

FORMAT = 1  # of the pointer
POINTER = "CURRENT"
POINTER_SHAPE = {"generation": int, "manifest": str, "manifest_sha256": str}
POINTER_BYTES = 1 << 16
MANIFEST_BYTES = 16 << 20
MANIFEST = re.compile(r"[0-9]{6,}-[0-9a-f]{16}\.json")
DIGEST = re.compile(r"[0-9a-f]{64}")
REMEDY = "Push the generation again."
SAME_VERSION = "Install that version here too, or push again."


@dataclass(frozen=True)
class ListedFile:
    """A file of a generation, as its manifest lists it."""

    name: str
    size: int
    sha256: str

    @property
    def object(self) -> str:
        """Its name in a place."""
        return f"objects/{self.sha256}"


@dataclass(frozen=True)
class PushedGeneration:
    """The generation that the pointer of a place names."""

    number: int
    content: bytes  # of its manifest
    files: list[ListedFile]

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest."""
        return hashlib.sha256(self.content).hexdigest()


def manifest_name(number: int, digest: str) -> str:
    """The name of a manifest below `generations/`, another one for other bytes."""
    return f"{number:06d}-{digest[:16]}.json"


def write_pointer(number: int, digest: str) -> bytes:
    """The bytes of a pointer to the manifest of that digest."""
    pointer = {
        "format": FORMAT,
        "generation": number,
        "manifest": manifest_name(number, digest),
        "manifest_sha256": digest,
    }
    return json_bytes(pointer)


def read_pushed(source: RemoteFolder) -> PushedGeneration:
    """The generation that a place's pointer names, its manifest checked.

    Raises:
        RemoteError: there is none, or the place cannot be read.
        DamagedError: pointer or manifest are not what was pushed.
        MismatchError: another version of prodmatch wrote them.
    """
    place = source.at(POINTER)
    pointer = parse_json(source.read(POINTER, POINTER_BYTES), place, REMEDY)
    check_format(place, pointer, FORMAT, SAME_VERSION)
    check_shape(place, pointer, POINTER_SHAPE, REMEDY)
    name = str(pointer["manifest"])
    if not MANIFEST.fullmatch(name):
        raise DamagedError(f"{place}: names no manifest. {REMEDY}")
    place = source.at(f"generations/{name}")
    content = source.read(f"generations/{name}", MANIFEST_BYTES)
    if hashlib.sha256(content).hexdigest() != pointer["manifest_sha256"]:
        raise DamagedError(f"{place}: is not the one that {POINTER} names. {REMEDY}")
    manifest = parse_json(content, place, REMEDY)
    check_format(place, manifest, MANIFEST_FORMAT, SAME_VERSION)
    check_shape(place, manifest, SHAPE, REMEDY)
    number = int(str(pointer["generation"]))
    if manifest["generation"] != number:
        raise DamagedError(f"{place}: is that of another generation. {REMEDY}")
    return PushedGeneration(number, content, read_listed(manifest, place))


def read_manifest_files(source: RemoteFolder, name: str) -> list[ListedFile]:
    """The files that a manifest of a place lists.

    Raises:
        RemoteError: it cannot be read.
        DamagedError: it is no manifest.
    """
    place = source.at(f"generations/{name}")
    content = source.read(f"generations/{name}", MANIFEST_BYTES)
    return read_listed(parse_json(content, place, REMEDY), place)


def read_listed(manifest: Mapping[str, object], place: str) -> list[ListedFile]:
    """The files of a manifest that comes from anywhere: none may leave its directory.

    Raises:
        DamagedError: an entry is no file's, or there is none.
    """
    files = manifest.get("files")
    listed = []
    for name, entry in (files if isinstance(files, dict) else {}).items():
        entry = entry if isinstance(entry, dict) else {}
        size, digest = entry.get("bytes"), str(entry.get("sha256"))
        if not (_is_plain(name) and type(size) is int and size >= 0 and DIGEST.fullmatch(digest)):
            raise DamagedError(f"{place}: the entry of {name!r} is no file's. {REMEDY}")
        listed.append(ListedFile(name, size, digest))
    if not listed:
        raise DamagedError(f"{place}: lists no files. {REMEDY}")
    return listed


def _is_plain(name: str) -> bool:
    """Whether a name is that of a file below a directory, and not of its manifest."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and str(path) == name
    return inside and name not in ("", ".", "manifest.json") and "\0" not in name
