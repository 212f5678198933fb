"""Folders at addresses, `s3://bucket/prefix` and `gs://bucket/prefix`, and local ones as these."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pa_fs

from prodmatch.errors import RemoteError
from prodmatch.storage.atomic import new_file, remove_path
from prodmatch.storage.places.addresses import is_address

CHUNK_BYTES = 8 << 20  # each is a request
RETRY_SECONDS = 30  # of Google's client, which tries for 15 minutes by default
CONNECT_SECONDS = 5
SILENT_SECONDS = 8  # without a byte, until a request to a store of the S3 protocol is given up
ATTEMPTS = 3  # of such a request; pyarrow's ten take 100 seconds
GOOGLE = "GOOGLE_APPLICATION_CREDENTIALS"
ANONYMOUS = "anonymous"  # the user of Google's public buckets
MISSING = "No such file or directory"  # as Google's file system says it
REMEDIES = {  # by what the messages of pyarrow's file systems hold
    **dict.fromkeys(["NO_SUCH_BUCKET", "Bucket '"], "There is no such bucket. Check its name"),
    "ACCESS_DENIED": "It may not be read or written with these credentials; give others "
    "(AWS_ACCESS_KEY_ID, AWS_PROFILE), or permission",
    "INVALID_ACCESS_KEY": "The credentials are not valid; check AWS_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH": "The secret key is another; check AWS_SECRET_ACCESS_KEY",
    "HTTP status 403": "It may not be read or written with these credentials; give others, "
    "or permission",
    "access token": f"Google's credentials are missing; give {GOOGLE}, or for a public bucket "
    f"gs://{ANONYMOUS}@BUCKET/PREFIX",
    "PERMISSION_DENIED": "It may not be read or written with these credentials; give permission",
    "Operation too slow": "The server says nothing. Check `endpoint_override` of the address, and "
    "the server",
    "curlCode: 18,": "The answer was cut off. Run again",
    **dict.fromkeys(
        [f"curlCode: {n}," for n in (52, 55, 56)], "The connection was closed. Run again"
    ),
    "curlCode: 35,": "No TLS there. Check `scheme` and `endpoint_override` of the address",
    **dict.fromkeys(
        ["NETWORK_CONNECTION", "CURL error ["],
        "Nobody answers there. Check the network, and `endpoint_override` of the address",
    ),
    **dict.fromkeys(
        ["REQUEST_TIMEOUT", "timed out"], "The answer takes too long. Check the network"
    ),
    "query parameter": "Check the options behind the `?` of the address",
}
FAILURES = (OSError, pa.ArrowException, NotImplementedError)


@dataclass(frozen=True)
class RemoteFile:
    """What a listing says of a file."""

    size: int
    modified_ns: int


@dataclass(frozen=True)
class RemoteFolder:
    """A folder, or the place of a single file, on a file system of pyarrow."""

    address: str  # for messages: without the options behind `?`
    system: pa_fs.FileSystem
    path: str  # in the system

    def at(self, name: str) -> str:
        """The address of a file."""
        return f"{self.address}/{name}" if name else self.address

    def list_files(self, *, allow_missing: bool = False) -> dict[str, RemoteFile]:
        """All files below the folder by their names, sorted; one file, as "", if it is no folder.

        Args:
            allow_missing: a folder that is not there is an empty one.

        Raises:
            RemoteError: there is nothing, or it cannot be listed.
        """
        with self._named(""):
            info = self.system.get_file_info(self.path)
            if info.type == pa_fs.FileType.File:
                return {"": _describe(info)}
            selector = pa_fs.FileSelector(self.path, allow_missing, recursive=True)
            infos = self.system.get_file_info(selector)
        found = {
            info.path[len(self.path) :].lstrip("/"): _describe(info)
            for info in infos
            if info.type == pa_fs.FileType.File
        }
        return dict(sorted(found.items()))

    def describe(self, name: str) -> RemoteFile | None:
        """What is known of a file; None where there is none.

        Raises:
            RemoteError: the place cannot be reached.
        """
        with self._named(name):
            info = self.system.get_file_info(self._path(name))
        return _describe(info) if info.type == pa_fs.FileType.File else None

    def read(self, name: str, most_bytes: int) -> bytes:
        """The bytes of a small file, one more than `most_bytes` at most.

        Raises:
            RemoteError: it is not there or cannot be read.
        """
        with self._named(name), self.system.open_input_stream(self._path(name)) as stream:
            return bytes(stream.read(most_bytes + 1))

    def fetch(self, name: str, target: BinaryIO, size: int) -> None:
        """Writes a file's bytes to `target`, which must be `size`.

        Raises:
            RemoteError: it is not there, cannot be read, or is shorter or longer.
        """
        count = 0
        with self._opened(name) as stream:
            while True:
                with self._named(name):
                    chunk = stream.read(min(CHUNK_BYTES, size + 1 - count))
                if not chunk:
                    break
                target.write(chunk)
                count += len(chunk)
        if count != size:
            more = "more" if count > size else str(count)
            raise RemoteError(
                f"{self.at(name)}: {size} bytes expected, {more} came: it was cut short or changed "
                "meanwhile. Run again."
            )

    def put(self, name: str, source: BinaryIO) -> None:
        """Has a file hold the bytes of `source`.

        A local file is complete or as it was. Of an upload that fails a store of objects may keep
        a part, which is of another size.

        Raises:
            RemoteError: it cannot be written.
            StoreError: a local one cannot.
        """
        if isinstance(self.system, pa_fs.LocalFileSystem):
            with new_file(Path(self._path(name))) as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
            return
        with self._named(name):
            stream = self.system.open_output_stream(self._path(name))
            while chunk := source.read(CHUNK_BYTES):
                stream.write(chunk)
            stream.close()

    def remove(self, name: str) -> None:
        """Removes a file.

        Raises:
            RemoteError: it cannot be removed.
            StoreError: a local one cannot.
        """
        if isinstance(self.system, pa_fs.LocalFileSystem):
            remove_path(Path(self._path(name)))
            return
        with self._named(name):
            self.system.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[pa.NativeFile]:
        with self._named(name):
            stream = self.system.open_input_stream(self._path(name))
        try:
            yield stream
        finally:
            stream.close()

    @contextlib.contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Turns what pyarrow's file systems raise into a message with the address and a remedy."""
        try:
            yield
        except FAILURES as error:
            raise RemoteError(f"{self.at(name)}: {explain_failure(error)}") from error


def open_remote(address: str, *, silent_seconds: int = SILENT_SECONDS) -> RemoteFolder:
    """The place at an address; nothing but a bucket's region is looked up yet.

    Args:
        silent_seconds: without a byte, until a store of the S3 protocol is given up.

    Raises:
        RemoteError: it is no address that pyarrow knows, or holds credentials.
    """
    plain, _, query = address.partition("?")
    user, _, bucket = plain.partition("://")[2].partition("/")[0].rpartition("@")
    is_google = plain.startswith("g")
    if user and not (is_google and user == ANONYMOUS):
        names = GOOGLE if is_google else "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise RemoteError(
            f"{plain.replace(f'{user}@', '')}: the address holds credentials, which files and "
            f"messages would keep. Give them as {names}."
        )
    if not bucket:
        raise RemoteError(f"{plain}: names no bucket. Write s3://BUCKET/PREFIX.")
    if is_google and "retry_limit_seconds" not in query:
        query = "&".join(filter(None, [query, f"retry_limit_seconds={RETRY_SECONDS}"]))
    plain = plain.rstrip("/")
    try:
        uri = f"{quote(plain, safe=':/%@')}?{query}".rstrip("?")
        system, path = pa_fs.FileSystem.from_uri(uri)
    except FAILURES as error:
        raise RemoteError(f"{plain}: {explain_failure(error)}") from error
    if isinstance(system, pa_fs.S3FileSystem):
        system = _with_limits(system, silent_seconds)
    return RemoteFolder(plain, system, path)


def _with_limits(system: pa_fs.S3FileSystem, silent_seconds: int) -> pa_fs.S3FileSystem:
    """The same file system, which gives up a server that says nothing.

    An address has no place for time-outs; what a file system is pickled as has all its options.
    """
    (options,) = system.__reduce__()[1]
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "request_timeout": silent_seconds,
        "retry_strategy": pa_fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    }
    return pa_fs.S3FileSystem(**{**options, **limits})


def open_folder(place: Path | str) -> RemoteFolder:
    """As `open_remote`, or a directory of this machine, made when something is put there."""
    if isinstance(place, str) and is_address(place):
        return open_remote(place)
    path = Path(place).absolute()
    return RemoteFolder(str(place), pa_fs.LocalFileSystem(), path.as_posix())


def explain_failure(error: BaseException) -> str:
    """What went wrong, and what to do, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError) or text.startswith(MISSING):
        return "there is nothing. Check the address; if it was removed meanwhile, run again."
    if isinstance(error, PermissionError):
        return "it may not be read or written. Give other credentials, or permission."
    remedy = next((each for mark, each in REMEDIES.items() if mark in text), "Run again")
    reason = text if len(text) <= 200 else f"{text[:200]}..."
    return f"cannot be used ({reason}). {remedy}."


def _describe(info: pa_fs.FileInfo) -> RemoteFile:
    return RemoteFile(int(info.size or 0), int(info.mtime_ns or 0))
