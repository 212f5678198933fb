"""Published files that were changed by chance or by hand: named, exit 3, never a crash."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
import pytest
from conftest import Counting
from tiny import embed_tiny, night, save_catalogue, save_query_encoders

from prodmatch.errors import DamagedError, ProdmatchError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.search.vectors.part_lists import PARTS, lists_path
from prodmatch.storage.features import FeatureStore
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import (
    open_generation,
    publish_generation,
    verify_generation,
)
from prodmatch.storage.vectors import normalise

OF_NO_MODEL = {"dim": 2, "model": "none", "model_fingerprint": ""}


@pytest.fixture(scope="module")
def whole(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two generations of other products."""
    store = tmp_path_factory.mktemp("whole") / "store"
    save_query_encoders(store, tiny)
    for first in (0, 5):
        night(save_catalogue(store.with_name("c.parquet"), 12, first=first), tiny, store)
    return store


@pytest.fixture
def copied(whole: Path, quick_disk: Path) -> Path:
    return Path(shutil.copytree(whole, quick_disk / "store"))


def ask(store: Path) -> int:
    """How a reader ends that opens the store and asks: 0, or the exit code of its refusal."""
    try:
        hits = open_index(store).search("red shirt", image=None, top=3)
        return 0 if len(hits) == 3 else 99
    except ProdmatchError as error:
        return error.exit_code


def verify(store: Path) -> str:
    """What `verify` says: nothing, or the message of the damage."""
    try:
        verify_generation(open_generation(store))
    except DamagedError as error:
        return str(error)
    return ""


def flips(content: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    for _ in range(count):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def changes(content: bytes, other: bytes, few: int, rng: random.Random) -> Iterator[bytes]:
    """A file's content changed in every way that leaves it a file."""
    yield from flips(content, 5 * few, rng)
    yield from (content[: len(content) * cut // few] for cut in range(few))
    yield content + b"\0"
    yield content + content
    yield bytes(len(content))
    if other != content:
        yield other


def check_changes(copied: Path, few: int) -> int:
    """Changes every file of the current generation; gives how many changes were read."""
    folder, before = open_generation(copied).folder, copied / "index" / "000001"
    names = [*open_generation(copied).files, "manifest.json"]
    rng, count = random.Random(0), 0
    for name in names:
        path = folder / name
        content = path.read_bytes()
        path.unlink()  # other names of the same file keep their bytes
        for changed in changes(content, (before / name).read_bytes(), few, rng):
            path.write_bytes(changed)
            said = verify(copied)
            assert str(path) in said, name
            assert ask(copied) in (0, 3), name
            count += 1
        path.write_bytes(content)
        assert verify(copied) == ""
    return count


def test_any_change_of_a_published_file_is_named(copied: Path, count_cases: Counting) -> None:
    count_cases("tampered reads", check_changes(copied, 3))


@pytest.mark.slow
def test_many_changes_of_published_files_are_named(copied: Path, count_cases: Counting) -> None:
    count = check_changes(copied, 25)
    count_cases("tampered reads", count)
    assert count >= 1300


def test_what_is_no_plain_file_is_named_and_never_waited_for(
    copied: Path, count_cases: Counting
) -> None:
    folder = open_generation(copied).folder
    replace: dict[str, Callable[[Path, Path], None]] = {
        "nothing": lambda path, kept: None,
        "a directory": lambda path, kept: path.mkdir(),
        "a link to the same bytes": lambda path, kept: path.symlink_to(kept),
        "a link to nowhere": lambda path, kept: path.symlink_to("/nowhere"),
        "a link to itself": lambda path, kept: path.symlink_to(path.name),
        "a pipe": lambda path, kept: os.mkfifo(path),
    }
    for name in (*open_generation(copied).files, "manifest.json"):
        path, kept = folder / name, copied.with_name("kept")
        path.replace(kept)
        for kind, put in replace.items():
            if name == "manifest.json" and kind == "a link to the same bytes":
                continue  # its digest is in CURRENT: the same bytes are the same manifest
            put(path, kept)
            with pytest.raises(DamagedError, match=f"{path.name}: "):
                open_index(copied)
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        kept.replace(path)
    assert ask(copied) == 0
    count_cases("tampered reads", len(replace) * len(open_generation(copied).files))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'{"generation": 1}', b'{"generation": "2"}', b"\xff" * 40,
        b'{"generation": 99, "manifest_sha256": "0"}', b"[" * 100_000,
        b'{"generation": -1, "manifest_sha256": ""}',
    ],
)  # fmt: skip
def test_a_pointer_that_names_nothing_whole_is_damage(copied: Path, content: bytes) -> None:
    (copied / "index" / "CURRENT").write_bytes(content)
    assert ask(copied) == 3


def test_a_manifest_cannot_name_files_elsewhere(copied: Path) -> None:
    from prodmatch.storage.atomic import check_files

    for name in ("../000001/index.faiss", str(copied / "index" / "CURRENT")):
        with pytest.raises(DamagedError, match="is no file's"):
            check_files(copied / "index" / "000002", {name: {"bytes": 1}}, digests=False)


def test_damaged_features_are_named_and_made_again(copied: Path, tiny: Model) -> None:
    catalogue = copied.parent / "c.parquet"
    save_catalogue(catalogue, 12, first=5)
    for folder in sorted((copied / "features").iterdir()):
        (name, *_) = FeatureStore(folder).names()
        content = (folder / name).read_bytes()
        for changed in (b"", content[:-9], content[:50] + b"\xff" + content[51:]):
            (folder / name).write_bytes(changed)
            with pytest.raises(DamagedError, match=name):
                embed_tiny(catalogue, tiny, copied)
        (folder / name).unlink()
        (folder / "part-x.parquet").write_bytes(b"a foreign file")
        assert embed_tiny(catalogue, tiny, copied).embedded == 12


def test_damaged_embeddings_and_encoders_are_not_published(copied: Path, tiny: Model) -> None:
    catalogue = save_catalogue(copied.parent / "c.parquet", 12, first=5)
    expected = open_generation(copied).files
    named = json.loads((copied / "embeddings" / "CURRENT").read_text())["embeddings"]
    (current,) = (copied / "embeddings" / named).glob("part-*.parquet")
    for path in (
        current, current.with_name("manifest.json"), copied / "embeddings" / "CURRENT",
        next(copied.glob("encoders/*/text.onnx")), next(copied.glob("encoders/*/encoders.json")),
    ):  # fmt: skip
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-20] + b"#" + content[-19:])
        with pytest.raises(DamagedError):
            index_embeddings(copied)
        assert open_generation(copied).number == 2
        if path.name == "encoders.json" or path.suffix == ".onnx":
            shutil.rmtree(path.parent)  # `embed` makes them again; here they are the tiny ones
            save_query_encoders(copied, tiny)
        else:
            embed_tiny(catalogue, tiny, copied)
        shutil.copytree(copied, copied.with_name("corrected"))
        assert index_embeddings(copied.with_name("corrected")).products == 12
        assert open_generation(copied.with_name("corrected")).files == expected
        shutil.rmtree(copied.with_name("corrected"))


def mutate(content: bytes, count: int) -> Iterator[bytes]:
    """The bytes of an index with flips, cuts, and numbers of eight bytes changed."""
    rng = random.Random(1)
    yield from flips(content, count, rng)
    yield from (content[: len(content) * cut // count] for cut in range(count))
    for position in range(count):
        start = min(len(content) - 8, 4 * position)
        number = rng.choice([0, 1, 2**31, 2**40, 2**62, 2**64 - 1])
        yield content[:start] + number.to_bytes(8, "little") + content[start + 8 :]


PARSE = """
import resource, sys
from pathlib import Path
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.errors import DamagedError, MismatchError
import numpy as np
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
refused = 0
for path in sorted(Path(sys.argv[1]).glob("*.faiss")):
    try:
        AnnIndex.open(path, row_count=300, dim=8).search(np.ones((1, 8), np.float32), 5)
    except (DamagedError, MismatchError):
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("kind", ["Flat", "IVF4,Flat", "HNSW8", "IDMap2,Flat", "SQ8"])
def test_no_damage_of_an_index_ends_the_process(
    kind: str, tmp_path: Path, count_cases: Counting
) -> None:
    rows = normalise(np.random.default_rng(0).normal(size=(300, 8)))
    index = faiss.index_factory(8, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    if kind.startswith("IDMap"):
        index.add_with_ids(rows, np.arange(300))
    else:
        index.add(rows)
    content = faiss.serialize_index(index).tobytes()
    count = 0
    for count, changed in enumerate(mutate(content, 20), start=1):
        (tmp_path / f"{count:04d}.faiss").write_bytes(changed)
    done = subprocess.run(
        [sys.executable, "-c", PARSE, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    known = kind in ("Flat", "HNSW8", "SQ8")
    assert int(done.stdout) >= (20 if known else count)  # of an unknown kind, all
    count_cases("damaged indices parsed", count)


@pytest.mark.parametrize("part", ["text", "image"])
def test_no_damage_of_lists_ends_the_process(
    part: str, tmp_path: Path, count_cases: Counting
) -> None:
    rows = normalise(np.random.default_rng(0).normal(size=(300, 8)))
    build_index(lambda: [rows], 300, 8, "codes").save(tmp_path / "whole")
    content = lists_path(tmp_path / "whole", part).read_bytes()
    count = 0
    for count, changed in enumerate(mutate(content, 40), start=1):
        path = tmp_path / f"{count:04d}.faiss"
        path.hardlink_to(tmp_path / "whole")
        for name in PARTS:
            lists_path(path, name).hardlink_to(lists_path(tmp_path / "whole", name))
        lists_path(path, part).unlink()
        lists_path(path, part).write_bytes(changed)
    done = subprocess.run(
        [sys.executable, "-c", PARSE, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 40  # those that were cut, at least
    count_cases("damaged lists parsed", count)


def test_readers_during_publishes_see_one_generation_each(
    quick_disk: Path, count_cases: Counting
) -> None:
    count_cases("reads during publishes", read_while_publishing(quick_disk, 30, at_least=1000))


@pytest.mark.slow
def test_twenty_thousand_reads_during_a_hundred_publishes(
    quick_disk: Path, count_cases: Counting
) -> None:
    count = read_while_publishing(quick_disk, 100, at_least=20_000)
    count_cases("reads during publishes", count)
    assert count >= 20_000


def read_while_publishing(store: Path, publishes: int, *, at_least: int = 0) -> int:
    """Three readers against a publisher that also collects; gives the reads, all of one piece."""

    def fill(folder: Path) -> dict[str, object]:
        number = folder.name[-6:]
        for name in ("a", "b", "encoders/c"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(number)
        return {**OF_NO_MODEL, "products": int(number)}

    reads: list[set[str]] = []
    failures: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                generation = open_generation(store)
                said = {(generation.folder / name).read_text() for name in ("a", "b", "encoders/c")}
                reads.append({*said, f"{generation.number:06d}", f"{generation.product_count:06d}"})
            except FileNotFoundError:  # collected at once, as keep=1 and no hour allow here
                continue
            except Exception as error:  # noqa: BLE001
                failures.append(error)
                return

    publish_generation(store, fill)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    published = 0
    while published < publishes or (len(reads) < at_least and not failures):
        publish_generation(store, fill)
        collect_garbage(store, 1, seconds=-1)
        published += 1
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert all(len(said) == 1 for said in reads)
    return len(reads)


def test_an_open_index_answers_after_its_generation_is_removed(copied: Path, tiny: Model) -> None:
    index = open_index(copied)
    before = [hit.product_id for hit in index.search("red shirt")]
    night(save_catalogue(copied.parent / "c.parquet", 12, first=20), tiny, copied)
    shutil.rmtree(index.generation.folder)
    assert [hit.product_id for hit in index.search("red shirt")] == before
    assert open_index(copied).search("red shirt")[0].generation == 3
