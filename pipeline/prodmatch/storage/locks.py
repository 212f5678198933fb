"""Who may write to a store: a lock on one machine, and tokens where several share it.

Readers wait for nobody and hold nobody up, but `gc` leaves a generation that one of them has open.

A lock of the operating system does not hold on every shared file system, and a run that was taken
for dead may go on. So in a shared store every run that writes claims the next token, by a file that
only one can create; then it removes what others have written aside. A pointer `CURRENT` is written
aside, the newest token looked at, and the pointer renamed: of a run that another has followed, the
file is gone, or its token is not the newest. The steps and their order are those of the model in
`tests/support/commit_protocol.py`, which is checked over every order of them.
"""

import contextlib
import fcntl
import functools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from prodmatch.errors import LockedError, StoreError
from prodmatch.storage.atomic import (
    json_bytes,
    make_directory,
    publish_file,
    read_json,
    remove_leftovers,
    remove_path,
    write_json,
    writing,
)

logger = logging.getLogger(__name__)

TOKENS = "tokens"  # the directory of a shared store
LEASE_SECONDS = 120.0  # without a sign of life, and another machine may take over
BEAT_SECONDS = 10.0
POLL_SECONDS = 0.1
SHARDS_PER_TOKEN = 1_000_000  # so that no name of a shard comes again


@dataclass
class _Tenure:
    """The token by which this process writes to a shared store."""

    store: Path
    number: int

    @property
    def path(self) -> Path:
        return _token_path(self.store, self.number)


_HELD: ContextVar[Path | None] = ContextVar("_HELD", default=None)  # by `hold_store`
_TENURE: ContextVar[_Tenure | None] = ContextVar("_TENURE", default=None)


def share_store(store: Path) -> None:
    """Has every run that writes to a store claim a token, from now on and on any machine."""
    with writing(store):
        make_directory(store / TOKENS)


@contextlib.contextmanager
def hold_store(store: Path) -> Iterator[None]:
    """As `lock_store`, around jobs that lock the store themselves and are slow to load.

    Raises:
        LockedError: another run holds it.
        StoreError: the store cannot be created or written.
    """
    with lock_store(store):
        token = _HELD.set(store.resolve())
        try:
            yield
        finally:
            _HELD.reset(token)


@contextlib.contextmanager
def lock_store(store: Path) -> Iterator[None]:
    """Holds the store for writing; the lock dies with the process.

    Raises:
        LockedError: another run holds it.
        StoreError: the store cannot be created or written.
    """
    if _HELD.get() == store.resolve():
        yield
        return
    shared = (store / TOKENS).is_dir()
    with _lock(store), _hold_token(store) if shared else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _lock(store: Path) -> Iterator[None]:
    path = store / ".lock"
    with writing(store):
        make_directory(store)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"{store}: another run is writing to this store. Wait for it to end."
            ) from error
        yield
    finally:
        os.close(descriptor)


class Hold:
    """Keeps `gc` from removing a generation as long as it is referred to, or until `release`.

    A file system without locks has none: there what is open stays as long as `gc` lets it.
    """

    def __init__(self, manifest: Path) -> None:
        self.is_held = False
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(manifest, flags)
            self._close = weakref.finalize(self, os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.is_held = True

    def release(self) -> None:
        """Lets `gc` have it."""
        if self.is_held:
            self.is_held = False
            self._close()


@contextlib.contextmanager
def claim_unheld(folders: Iterable[Path], seconds: float) -> Iterator[list[Path]]:
    """The generations that nobody has open; until the block ends, nobody can hold one of them.

    Args:
        seconds: that readers have, all together, to go over to a newer generation.
    """
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        claims = [(folder, functools.partial(_claim_folder, folder, stack)) for folder in folders]
        yield [folder for folder, claim in claims if _comes_true(claim, deadline)]


def _comes_true(claim: Callable[[], bool], deadline: float) -> bool:
    while not claim():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _claim_folder(folder: Path, stack: contextlib.ExitStack) -> bool:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC  # over NFS it must be open for writing
    with contextlib.ExitStack() as closing:
        try:
            descriptor = os.open(folder / "manifest.json", flags)
            closing.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # there is no file, or there are no locks
            return True
        stack.push(closing.pop_all())
        return True


def ensure_unlocked(store: Path) -> None:
    """Raise where another run writes to the store; what takes seconds to load can wait for it.

    Raises:
        LockedError: another run holds it.
        StoreError: the store cannot be created or written.
    """
    if (store / ".lock").exists() and _HELD.get() != store.resolve():
        with _lock(store):
            pass


@contextlib.contextmanager
def _hold_token(store: Path) -> Iterator[None]:
    tenure = _Tenure(store.resolve(), _claim_after_others(store))
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(tenure, stop), daemon=True)
    beat.start()
    reset = _TENURE.set(tenure)
    try:
        _finish_removals(store)
        remove_leftovers(store)
        yield
    finally:
        _TENURE.reset(reset)
        stop.set()
        beat.join()
        with contextlib.suppress(StoreError):  # then the lease runs out
            write_json(tenure.path, {"machine": _machine(), "ended": True})


def _beat(tenure: _Tenure, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):  # a lease that is not renewed runs out
            os.utime(tenure.path)


def _claim_after_others(store: Path) -> int:
    """Claims the token after the newest, whose holder must have ended or be taken for dead."""
    newest = newest_token(store)
    if newest:
        path = _token_path(store, newest)
        record = read_json(path)
        silent = _now(store) - path.stat().st_mtime
        # On this machine the lock is ours, so its holder is dead.
        here = record.get("machine") == _machine()
        if not record.get("ended") and not here and silent < LEASE_SECONDS:
            raise LockedError(
                f"{store}: a run on another machine is writing to this store; its last sign of "
                f"life is {silent:.0f} seconds old. Wait for it to end, or for "
                f"{LEASE_SECONDS:.0f} seconds after its death."
            )
    _claim(store, newest + 1, ())
    return newest + 1


def _claim(store: Path, number: int, condemned: Sequence[str]) -> None:
    record = {"machine": _machine(), "ended": False, "condemned": list(condemned)}
    if not publish_file(_token_path(store, number), json_bytes(record)):
        raise LockedError(
            f"{store}: another run has just begun to write to it. Wait for it to end."
        )


def condemn(store: Path, paths: Sequence[Path]) -> None:
    """Announces what this run will remove, so that no run that comes after it relies on it.

    Does nothing in a store that is not shared. Until they are removed, the next run removes them.

    Raises:
        LockedError: another run came meanwhile, which may rely on them.
    """
    tenure = _tenure_of(store)
    if tenure is not None and paths:
        names = [path.relative_to(store).as_posix() for path in paths]
        _claim(store, tenure.number + 1, names)
        tenure.number += 1


def _finish_removals(store: Path) -> None:
    """Removes what an earlier run announced, if it was killed before it had."""
    for path in (store / TOKENS).glob("*.json"):
        record = read_json(path)
        names = record.get("condemned")
        for name in names if isinstance(names, list) else []:
            if (store / str(name)).exists():
                remove_path(store / str(name))


def require_newest(store: Path) -> None:
    """Raise where another run has followed this one; in a store that is not shared, none can."""
    tenure = _tenure_of(store)
    if tenure is not None and newest_token(store) != tenure.number:
        raise LockedError(
            f"{store}: another run took over, as this one gave no sign of life. This one has "
            "published nothing; what it encoded is kept."
        )


def newest_token(store: Path) -> int:
    """The number of the newest token of a store; 0 before the first."""
    names = (path.stem for path in (store / TOKENS).glob("*.json"))
    return max((int(name) for name in names if name.isdigit()), default=0)


def first_shard_number(store: Path) -> int:
    """What the shards that this run writes are numbered from, at least."""
    tenure = _tenure_of(store)
    return 0 if tenure is None else tenure.number * SHARDS_PER_TOKEN


def _tenure_of(store: Path) -> _Tenure | None:
    tenure = _TENURE.get()
    return tenure if tenure is not None and tenure.store == store.resolve() else None


def _token_path(store: Path, number: int) -> Path:
    return store / TOKENS / f"{number:06d}.json"


def _machine() -> str:
    """This machine since it started: where its kernel is another, locks may not hold."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _now(store: Path) -> float:
    """The clock of the store's file system, which also dates what other machines write."""
    path = store / ".lock"
    os.utime(path)
    return path.stat().st_mtime
