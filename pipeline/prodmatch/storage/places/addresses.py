"""Addresses of other places, such as `s3://bucket/prefix`, told from paths of this machine."""

import hashlib
import re
from pathlib import Path

ADDRESS = re.compile(r"(s3|gs|gcs)://")
OTHER = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
MIRRORS = "mirrors"  # the folder of a store with the local copies of what is at addresses


def is_address(text: str) -> bool:
    """Whether a text is an address, not a path."""
    return bool(ADDRESS.match(text))


def looks_like_address(text: str) -> bool:
    """Whether a text begins as addresses of any kind do: no path that anybody means."""
    return bool(OTHER.match(text))


def read_place(text: str) -> Path | str:
    """A path of this machine, or an address as it is."""
    return text if is_address(text) else Path(text)


def describe_place(place: Path | str) -> str:
    """A place for messages: of an address without the options behind `?`."""
    text = str(place)
    return text.partition("?")[0].rstrip("/") if is_address(text) else text


def absolute_place(place: Path | str) -> Path | str:
    """A place as it is called from any working directory: an absolute path, or an address.

    A link stays one: `latest.parquet` is another file every night.
    """
    return str(place) if is_address(str(place)) else Path(place).absolute()


def mirror_name(address: str) -> str:
    """The name of an address's mirror below `MIRRORS`."""
    return hashlib.sha256(describe_place(address).encode()).hexdigest()[:32]
