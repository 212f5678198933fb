"""What nothing refers to in a store: old generations, embeddings, encoders, features, rejects."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.storage.atomic import remove_leftovers, remove_path
from prodmatch.storage.embeddings import Embeddings, current_digest, open_embeddings
from prodmatch.storage.features import KEY, FeatureStore
from prodmatch.storage.generations import current_number, generation_numbers, open_generation
from prodmatch.storage.locks import claim_unheld, condemn, lock_store, require_newest
from prodmatch.storage.places.addresses import MIRRORS, is_address, mirror_name
from prodmatch.storage.settings import ensure_exists, read_settings

READER_SECONDS = 5.0  # a service looks every second, and may take a moment to open what is new

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collected:
    """What `gc` did.

    Attributes:
        removed: what is gone.
        in_use: generations that are kept only as a service, an export or another reader on this
            machine has them open.
    """

    removed: list[Path]
    in_use: list[Path]


def collect_garbage(
    store: Path, keep: int = 3, *, seconds: float = 3600.0, reader_seconds: float = READER_SECONDS
) -> Collected:
    """Removes what nothing refers to.

    Kept are the current generation, the `keep` newest, those that a reader has open, the newest
    embeddings and the current generation's, and the encoders, features and rejects that these
    refer to; and whatever was written within the last `seconds`, which a training, or a reader on
    another machine, may have in use. Where something kept is damaged, so that nobody
    knows what it refers to, only old generations and old embeddings are removed.

    Args:
        store: the store.
        keep: how many of the newest generations stay.
        seconds: what is younger stays.
        reader_seconds: that readers have to go over to what was published since.

    Raises:
        LockedError: another run writes to the store, or, where it is shared, came meanwhile.
        DamagedError: `CURRENT` of the generations or of the embeddings names nothing.
        StoreError: there is no store, or something cannot be removed.
    """
    ensure_exists(store)
    with lock_store(store), contextlib.ExitStack() as claims:
        remove_leftovers(store)
        numbers = generation_numbers(store / "index")
        kept = {*numbers[-keep:], *([current_number(store)] if numbers else [])}
        old = [store / "index" / f"{number:06d}" for number in numbers if number not in kept]
        aged = list(_older(old, seconds))
        removed = claims.enter_context(claim_unheld(aged, reader_seconds))
        in_use = [path for path in aged if path not in removed]
        kept |= {int(path.name) for path in old if path not in removed}
        removed += _old_embeddings(store)
        removed += _unused_mirrors(store)
        references = _read_references(store, sorted(kept))
        if references is not None:
            removed += _older(_unused(store, references), seconds)
        condemn(store, removed)
        for path in removed:
            require_newest(store)
            remove_path(path)
    return Collected(removed, in_use)


def _older(paths: Iterable[Path], seconds: float) -> Iterator[Path]:
    """Those that were not written within the last seconds; of none all, whatever the clocks say."""
    return (path for path in paths if seconds <= 0 or time.time() - path.lstat().st_mtime > seconds)


def _old_embeddings(store: Path) -> list[Path]:
    root = store / "embeddings"
    kept = {current_digest(root)}
    try:
        kept.add(str(open_generation(store).manifest.get("embeddings")))  # others after `rollback`
    except (DamagedError, MismatchError, StoreError):
        logger.debug("no generation says which embeddings it is of")
    return [path for path in sorted(root.glob("*")) if path.is_dir() and path.name not in kept]


def _unused_mirrors(store: Path) -> list[Path]:
    """Mirrors of addresses that the store is not made from, and all where it leaves columns out."""
    settings = read_settings(store)
    used: set[str] = set()
    if settings is not None and not settings.leave_out:
        places = [str(place) for place in (settings.catalogue, settings.image_root)]
        used = {mirror_name(place) for place in places if is_address(place)}
    return [path for path in sorted((store / MIRRORS).glob("*")) if path.name not in used]


@dataclass(frozen=True)
class _References:
    """What the newest embeddings and the generations kept were made from."""

    embeddings: Embeddings
    manifests: Sequence[Mapping[str, object]]

    def names(self, key: str) -> set[str]:
        """What the manifests hold under a key; of a list, each."""
        values = [manifest.get(key) for manifest in self.manifests]
        lists = [value if isinstance(value, list) else [value] for value in values]
        return {str(name) for names in lists for name in names}


def _read_references(store: Path, generations: Sequence[int]) -> _References | None:
    """None where something kept cannot be read, so that what it refers to is not known."""
    try:
        embeddings = open_embeddings(store / "embeddings")
        manifests = [open_generation(store, number).manifest for number in generations]
    except (DamagedError, MismatchError) as error:
        logger.warning("%s So encoders, features and rejects are kept.", error)
        return None
    if embeddings is None:
        return None
    return _References(embeddings, [embeddings.manifest, *manifests])


def _unused(store: Path, references: _References) -> Iterator[Path]:
    features = references.names("features")
    encoders = {fingerprint[:32] for fingerprint in references.names("model_fingerprint")}
    for path in store.glob("encoders/*"):  # a graph is called like the features that it gives
        if path.name not in encoders | features:
            yield path
    rejects = {references.embeddings.digest, *references.names("embeddings")}
    yield from (path for path in store.glob("rejects/*.parquet") if path.stem not in rejects)
    for folder in sorted(store.glob("features/*")):
        if folder.name not in features:
            yield folder
        elif folder.name in references.embeddings.features:
            yield from _unused_shards(folder, references.embeddings)


def _unused_shards(folder: Path, embeddings: Embeddings) -> Iterator[Path]:
    """The shards that hold no text, and no picture, of the newest embeddings."""
    column = f"{folder.name.split('-')[0]}_key"
    batches = [batch[column] for batch in embeddings.batches([column])]
    used = pa.chunked_array(batches, KEY).unique()
    features = FeatureStore(folder)
    for name in features.names():
        if not pc.any(pc.is_in(features.shard_keys(name), value_set=used)).as_py():
            yield folder / name
