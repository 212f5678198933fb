"""Pictures below an address: those named are fetched once, under the rules of a directory."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from remote_faults import Bucket

from prodmatch.catalogue.pictures import mirror as picture_mirror
from prodmatch.catalogue.pictures.images import MOST_BYTES
from prodmatch.catalogue.reader import Batch, CatalogueOptions, open_catalogue
from prodmatch.errors import RemoteError
from prodmatch.storage.places.remote import RemoteFolder

ROOT = "s3://bucket/prefix"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket(tmp_path / "remote")

    def open_there(address: str) -> RemoteFolder:
        return bucket.folder(address.partition("?")[0])

    monkeypatch.setattr(picture_mirror, "open_remote", open_there)
    return bucket


def put(bucket: Bucket, name: str, content: bytes, age: float = 7200) -> None:
    path = bucket.files / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)


def read(tmp_path: Path, *names: object, root: str | Path = ROOT) -> Batch:
    """The rows of a catalogue whose pictures have these names."""
    rows = {"product_id": [str(n) for n in range(len(names))], "title": ["a"] * len(names)}
    kind = pa.list_(pa.string()) if isinstance(names[0], list) else None
    table = pa.table({**rows, "image": pa.array(names, kind)})
    pq.write_table(table, tmp_path / "catalogue.parquet")
    opened = open_catalogue(
        tmp_path / "catalogue.parquet",
        CatalogueOptions(image_root=root),
        mirrors=tmp_path / "mirrors",
    )
    (batch,) = opened.batches()
    return batch


def reasons(batch: Batch) -> list[str | None]:
    return [None if each is None else each.reason for each in batch.image_rejects]


def fetched(bucket: Bucket) -> list[str]:
    names, bucket.read = sorted(bucket.read), []
    return names


def test_only_named_and_new_pictures_are_fetched(bucket: Bucket, tmp_path: Path) -> None:
    for name in ("a.jpg", "deep/b c.jpg", "unnamed.jpg"):
        put(bucket, name, name.encode())
    names = ("a.jpg", "deep/b%20c.jpg", "./deep/../a.jpg")
    assert read(tmp_path, *names).images == [b"a.jpg", b"deep/b c.jpg", b"a.jpg"]
    assert fetched(bucket) == ["a.jpg", "deep/b c.jpg"]
    assert read(tmp_path, *names).images == [b"a.jpg", b"deep/b c.jpg", b"a.jpg"]
    assert fetched(bucket) == []
    put(bucket, "a.jpg", b"new", age=3600)
    (bucket.files / "deep" / "b c.jpg").unlink()
    batch = read(tmp_path, *names)
    assert batch.images == [b"new", None, b"new"]
    assert reasons(batch) == [None, "image_missing", None]
    assert fetched(bucket) == ["a.jpg"]
    read(tmp_path, "unnamed.jpg")
    mirrored = [path.name for path in (tmp_path / "mirrors").rglob("*.jpg")]
    assert mirrored == ["unnamed.jpg"]


def test_the_pictures_of_a_list_are_fetched(bucket: Bucket, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        put(bucket, name, name.encode())
    batch = read(tmp_path, ["a.jpg", "b.jpg"], ["b.jpg"])
    assert (batch.images, batch.more_images) == ([b"a.jpg", b"b.jpg"], {0: [b"b.jpg"]})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.jpg", "image_outside_root"),
        ("/etc/hostname", "image_outside_root"),
        ("file:///etc/hostname", "image_outside_root"),
        ("a/../../secret.jpg", "image_outside_root"),
        ("none.jpg", "image_missing"),
        ("https://shop.example/a.jpg", "image_address"),
    ],
)
def test_names_are_refused_as_below_a_directory(
    name: str, reason: str, bucket: Bucket, tmp_path: Path
) -> None:
    (bucket.files.parent / "secret.jpg").write_bytes(b"secret")
    put(bucket, "a.jpg", b"a")
    (tmp_path / "local").mkdir()
    assert reasons(read(tmp_path, name, root=tmp_path / "local")) == [reason]
    assert reasons(read(tmp_path, name)) == [reason]
    assert fetched(bucket) == []


def test_a_picture_that_cannot_be_fetched_costs_itself_alone(
    bucket: Bucket, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        put(bucket, name, name.encode())
    read(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        put(bucket, name, name.encode() + b" new", age=3600)
    bucket.refused = {"a.jpg": PermissionError("no")}
    bucket.cut = {"c.jpg": 2}
    batch = read(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    assert batch.images == [None, b"b.jpg new", None]
    assert reasons(batch) == ["image_not_fetched", None, "image_not_fetched"]
    details = [each.detail for each in batch.image_rejects if each is not None]
    assert details[0].startswith("s3://bucket/prefix/a.jpg: it may not be read")
    assert details[1].startswith("s3://bucket/prefix/c.jpg: 9 bytes expected, 2 came")


def test_a_picture_that_is_too_large_is_not_fetched(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a.jpg", b"")
    with (bucket.files / "a.jpg").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert reasons(read(tmp_path, "a.jpg")) == ["image_too_many_bytes"]
    assert fetched(bucket) == []


def test_where_no_picture_can_be_fetched_the_run_ends(bucket: Bucket, tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(60)]
    for name in names:
        put(bucket, name, b"a")
    bucket.refused = dict.fromkeys(names, ConnectionRefusedError("refused"))
    with pytest.raises(RemoteError, match="s3://bucket/prefix: none of the first 50 pictures"):
        read(tmp_path, *names)


def test_an_address_that_cannot_be_listed_ends_the_run(bucket: Bucket, tmp_path: Path) -> None:
    bucket.refused = {"": OSError("AWS Error NO_SUCH_BUCKET")}
    with pytest.raises(RemoteError, match=r"s3://bucket/prefix: .*There is no such bucket"):
        read(tmp_path, "a.jpg")


def test_pictures_in_the_catalogue_need_no_listing(bucket: Bucket, tmp_path: Path) -> None:
    assert read(tmp_path, b"bytes").images == [b"bytes"]
    assert bucket.listed == 0


def test_a_picture_is_fetched_in_another_case_where_one_alone_has_it(
    bucket: Bucket, tmp_path: Path
) -> None:
    for name in ("Deep/A.JPG", "b.png", "u/Y.a.png", "u/y.A.png"):
        put(bucket, name, name.encode())
    names = ("deep/a.jpg", "B.PNG", "C:\\deep\\a.jpg", "u/y.a.png", "c.png")
    batch = read(tmp_path, *names)
    assert batch.images == [b"Deep/A.JPG", b"b.png", b"Deep/A.JPG", None, None]
    assert fetched(bucket) == ["Deep/A.JPG", "b.png"]
