"""Catalogues at an address: what is new is fetched complete, and messages name the address."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_faults import ADDRESS, Bucket
from small import product, products, write
from tiny import contents, embed_tiny, night, save_query_encoders, save_tiny_model

from prodmatch.catalogue import mirror as mirror_module
from prodmatch.catalogue.pictures import mirror as picture_mirror
from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.errors import CatalogueError, LockedError, ProdmatchError, RemoteError
from prodmatch.index import index_embeddings
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.locks import lock_store
from prodmatch.storage.places.addresses import mirror_name
from prodmatch.storage.places.remote import RemoteFolder
from prodmatch.storage.settings import StoreSettings, read_settings, write_settings

SERVER = "PRODMATCH_TEST_S3"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """What is at `s3://bucket/prefix`; other addresses below it are folders or files of it."""
    bucket = Bucket(tmp_path / "remote")

    def open_there(address: str) -> RemoteFolder:
        return bucket.folder(address.partition("?")[0])

    for module in (mirror_module, picture_mirror):
        monkeypatch.setattr(module, "open_remote", open_there)
    return bucket


def put(bucket: Bucket, name: str, *numbers: int, age: float = 7200) -> None:
    path = bucket.files / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, [product(number) for number in numbers])
    os.utime(path, (time.time() - age,) * 2)


def ids(catalogue: Catalogue) -> list[str]:
    return [name for batch in catalogue.batches() for name in batch.product_ids]


def read(tmp_path: Path, address: str = ADDRESS) -> list[str]:
    return ids(open_catalogue(address, mirrors=tmp_path / "mirrors"))


def fetched(bucket: Bucket) -> list[str]:
    names, bucket.read = bucket.read, []
    return names


def test_only_what_changed_is_fetched(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1)
    put(bucket, "day=2/b.parquet", 2)
    assert read(tmp_path) == ["p0001", "p0002"]
    assert fetched(bucket) == ["a.parquet", "day=2/b.parquet"]
    assert read(tmp_path) == ["p0001", "p0002"]
    assert fetched(bucket) == []
    put(bucket, "a.parquet", 3, age=3600)
    (bucket.files / "day=2" / "b.parquet").unlink()
    put(bucket, "c.parquet", 4)
    assert read(tmp_path) == ["p0003", "p0004"]
    assert fetched(bucket) == ["a.parquet", "c.parquet"]


def test_a_file_may_take_the_name_of_a_folder_and_back(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet/b.parquet", 1)
    assert read(tmp_path) == ["p0001"]
    (bucket.files / "a.parquet" / "b.parquet").unlink()
    (bucket.files / "a.parquet").rmdir()
    put(bucket, "a.parquet", 2)
    assert read(tmp_path) == ["p0002"]
    (bucket.files / "a.parquet").unlink()
    put(bucket, "a.parquet/b.parquet", 3)
    assert read(tmp_path) == ["p0003"]


def test_a_single_file_is_read_whatever_its_name(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "export", 1)
    assert read(tmp_path, f"{ADDRESS}/export?region=x") == ["p0001"]
    with pytest.raises(RemoteError, match="s3://bucket/prefix/none: there is nothing"):
        read(tmp_path, f"{ADDRESS}/none")


def test_a_file_written_a_moment_ago_is_fetched_again(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1, age=1)
    read(tmp_path)
    fetched(bucket)
    read(tmp_path)
    assert fetched(bucket) == ["a.parquet"]


def test_a_file_replaced_while_it_is_fetched_is_fetched_again(
    bucket: Bucket, tmp_path: Path
) -> None:
    put(bucket, "a.parquet", 1)
    todo: Iterator[int] = iter([2])

    def replace(name: str) -> None:
        for number in todo:
            put(bucket, name, number, number + 1, age=600)

    bucket.before_read = replace
    assert read(tmp_path) == ["p0002", "p0003"]
    assert fetched(bucket) == ["a.parquet"] * 2


def test_a_file_of_another_time_after_it_is_fetched_is_fetched_again(
    bucket: Bucket, tmp_path: Path
) -> None:
    put(bucket, "a.parquet", 1)
    times = iter([600])

    def touch(name: str) -> None:
        for age in times:
            os.utime(bucket.files / name, (time.time() - age,) * 2)

    bucket.before_read = touch
    assert read(tmp_path) == ["p0001"]
    assert fetched(bucket) == ["a.parquet"] * 2


def test_a_file_that_changes_each_time_is_refused_and_the_old_mirror_stays(
    bucket: Bucket, tmp_path: Path
) -> None:
    put(bucket, "a.parquet", 1)
    read(tmp_path)
    numbers = iter(range(2, 100))
    put(bucket, "a.parquet", next(numbers), age=3600)
    bucket.before_read = lambda name: put(
        bucket, name, *range(next(numbers)), age=3000 - next(numbers)
    )
    with pytest.raises(RemoteError, match=r"s3://bucket/prefix/a\.parquet: .*Run again"):
        read(tmp_path)
    options = CatalogueOptions()
    kept = open_catalogue(ADDRESS, options, mirrors=tmp_path / "mirrors", fetch="nothing")
    assert ids(kept) == ["p0001"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("x"), "may not be read or written. Give other credentials"),
        (OSError("AWS Error NO_SUCH_BUCKET during ListObjectsV2"), "There is no such bucket"),
        (OSError("AWS Error NETWORK_CONNECTION: curlCode: 28"), "Nobody answers there"),
        (OSError("NETWORK_CONNECTION: curlCode: 18, partial"), "The answer was cut off. Run again"),
        (
            OSError("NETWORK_CONNECTION: curlCode: 56, reset"),
            "The connection was closed. Run again",
        ),
        (OSError("NETWORK_CONNECTION: curlCode: 35, SSL"), "No TLS there. Check `scheme`"),
        (OSError("AWS Error REQUEST_TIMEOUT"), "The answer takes too long"),
        (OSError("AWS Error ACCESS_DENIED during GetObject"), "give others"),
        (OSError("strange"), r"\(strange\). Run again"),
    ],
)
@pytest.mark.parametrize("name", ["", "a.parquet"])
def test_a_fault_is_one_error_with_the_address(
    name: str, error: OSError, message: str, bucket: Bucket, tmp_path: Path
) -> None:
    put(bucket, "a.parquet", 1)
    bucket.refused = {name: error}
    with pytest.raises(RemoteError, match=f"^s3://bucket/prefix.*{message}"):
        read(tmp_path)


@pytest.mark.parametrize("most", [0, 100])
def test_a_file_cut_short_is_refused(most: int, bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1)
    bucket.cut = {"a.parquet": most}
    with pytest.raises(RemoteError, match=rf"a\.parquet: \d+ bytes expected, {most} came"):
        read(tmp_path)
    assert fetched(bucket) == ["a.parquet"]  # to try again is the client's, which has done so
    assert not list((tmp_path / "mirrors").rglob("*.parquet"))


def test_what_is_passed_over_is_named_and_not_fetched(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1)
    put(bucket, "_temporary/b.parquet", 2)
    (bucket.files / "notes.csv").write_text("x")
    (bucket.files / "_delta_log").mkdir()
    (bucket.files / "_delta_log" / "0.json").write_text("x")
    opened = open_catalogue(ADDRESS, mirrors=tmp_path / "mirrors")
    assert fetched(bucket) == ["a.parquet"]
    assert [warning.partition(":")[0] for warning in opened.warnings] == ["s3"] * 2
    assert "'notes.csv'" in opened.warnings[0]
    assert "is a Delta table" in opened.warnings[1]
    (bucket.files / "a.parquet").unlink()
    with pytest.raises(CatalogueError, match="s3://bucket/prefix: holds no file that ends in"):
        read(tmp_path)


def test_messages_name_the_address_and_not_the_mirror(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1)
    (bucket.files / "b.parquet").write_text("no table")
    with pytest.raises(CatalogueError, match=r"^s3://bucket/prefix/b\.parquet: is not a readable"):
        read(tmp_path)
    write(bucket.files / "b.parquet", [], leave_out=["product_id"])
    with pytest.raises(CatalogueError) as raised:
        read(tmp_path)
    assert str(tmp_path) not in str(raised.value)
    (bucket.files / "b.parquet").unlink()
    opened = open_catalogue(ADDRESS + "?region=x", mirrors=tmp_path / "mirrors")
    assert (opened.name, opened.path) == (ADDRESS, ADDRESS + "?region=x")
    next((tmp_path / "mirrors").rglob("a.parquet")).write_text("damaged")
    with pytest.raises(CatalogueError, match=r"^s3://bucket/prefix/a\.parquet: "):
        ids(opened)


def remember(store: Path, **others: object) -> None:
    store.mkdir()
    settings = StoreSettings("compact", ADDRESS + "?region=x", {}, (), **others)  # type: ignore
    write_settings(store, settings)
    assert read_settings(store) == settings


def test_a_store_remembers_its_address_and_gc_keeps_its_mirror(
    bucket: Bucket, tmp_path: Path
) -> None:
    put(bucket, "a.parquet", 1)
    store = tmp_path / "store"
    remember(store)
    with pytest.raises(CatalogueError, match="has not been fetched yet"):
        open_remembered(store, fetch="nothing")
    assert ids(open_remembered(store)) == ["p0001"]
    assert ids(open_remembered(store, ADDRESS + "/a.parquet")) == ["p0001"]
    bucket.refused = {"": ConnectionRefusedError("no")}
    assert ids(open_remembered(store, fetch="nothing")) == ["p0001"]
    gone = store / "mirrors" / mirror_name(ADDRESS + "/a.parquet")
    assert collect_garbage(store, seconds=-1).removed == [gone]
    assert ids(open_remembered(store, fetch="nothing")) == ["p0001"]


def test_two_runs_do_not_fetch_at_once(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1)
    remember(tmp_path / "store")
    with lock_store(tmp_path / "store"), pytest.raises(LockedError):
        open_remembered(tmp_path / "store")


def test_a_store_that_leaves_columns_out_keeps_no_mirror(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.parquet", 1)
    store = tmp_path / "store"
    remember(store, leave_out=("price",))
    assert ids(open_remembered(store)) == ["p0001"]
    assert not (store / "mirrors").exists()
    (store / "mirrors" / mirror_name(ADDRESS)).mkdir(parents=True)  # of earlier nights
    assert len(collect_garbage(store, seconds=-1).removed) == 1


def test_a_directory_is_read_as_before(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", products(2))
    assert ids(open_catalogue(tmp_path)) == ["p0000", "p0001"]
    with pytest.raises(ProdmatchError, match=str(tmp_path)):
        open_catalogue(tmp_path / "none")


def test_a_night_from_an_address_is_that_from_a_directory(bucket: Bucket, tmp_path: Path) -> None:
    model, store, local = save_tiny_model(tmp_path / "tiny"), tmp_path / "store", tmp_path / "local"
    put(bucket, "a.parquet", *range(20))
    put(bucket, "b.parquet", *range(20, 40))
    save_query_encoders(store, model)
    save_query_encoders(local, model)
    embed_tiny(open_remembered(store, f"{ADDRESS}?region=x"), model, store)
    index_embeddings(store, model=model)
    night(bucket.files, model, local)
    assert contents(store) == contents(local)
    settings = read_settings(store)
    assert settings is not None
    assert settings.catalogue == f"{ADDRESS}?region=x"
    before = contents(store)
    put(bucket, "b.parquet", *range(20, 41), age=3600)
    bucket.cut = {"b.parquet": 100}
    with pytest.raises(RemoteError):
        embed_tiny(open_remembered(store), model, store)
    assert contents(store) == before
    bucket.cut = {}
    assert embed_tiny(open_remembered(store), model, store).rows == 41


@pytest.mark.skipif(SERVER not in os.environ, reason=f"{SERVER} names no folder of a server")
def test_a_real_server(tmp_path: Path) -> None:
    place = os.environ[SERVER].replace("?", f"/{tmp_path.name}?")
    folder = mirror_module.open_remote(place)
    for name, numbers in (("a b.parquet", [1]), ("day=2/ü.parquet", [2, 3])):
        path = write(tmp_path / "local.parquet", [product(number) for number in numbers])
        with path.open("rb") as file:
            folder.put(name, file)
    assert read(tmp_path, place) == ["p0001", "p0002", "p0003"]
    folder.remove("a b.parquet")
    assert read(tmp_path, place) == ["p0002", "p0003"]
    with pytest.raises(RemoteError, match="There is no such bucket"):
        read(tmp_path, place.replace("s3://", "s3://no-such-"))
