"""A pushed generation is there complete or not at all, and so is a pulled one."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from remote_faults import ADDRESS, Bucket
from small import run

from prodmatch.errors import DamagedError, LockedError, RemoteError, StoreError
from prodmatch.exports.pushed import ListedFile, manifest_name, read_listed, write_pointer
from prodmatch.storage.atomic import remove_path
from prodmatch.storage.generations import (
    current_number,
    generation_numbers,
    open_generation,
    publish_generation,
    roll_back,
    verify_generation,
)
from prodmatch.storage.locks import lock_store
from prodmatch.storage.places.remote import open_folder
from prodmatch.transfer import pull_generation, push_generation

OF_NO_MODEL = {"dim": 2, "model": "none", "model_fingerprint": "", "products": 1}
SERVER = "PRODMATCH_TEST_S3"


def publish(store: Path, text: str) -> None:
    def fill(folder: Path) -> dict[str, object]:
        (folder / "same").write_text("the encoders, which stay as they are")
        (folder / "deep").mkdir()
        (folder / "deep" / "own").write_text(text)
        return dict(OF_NO_MODEL)

    publish_generation(store, fill)


def own_text(store: Path) -> str:
    generation = open_generation(store)
    verify_generation(generation)
    return (generation.folder / "deep" / "own").read_text()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    publish(tmp_path / "store", "one")
    return tmp_path / "store"


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path / "remote")


def age(bucket: Bucket) -> None:
    for path in bucket.files.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)


def test_only_what_differs_is_moved(store: Path, bucket: Bucket, tmp_path: Path) -> None:
    other = tmp_path / "other"
    pushed = push_generation(store, bucket.folder())
    assert (pushed.generation, pushed.files, pushed.sent, pushed.target) == (1, 2, 2, ADDRESS)
    assert bucket.written[-1] == "CURRENT"
    pulled = pull_generation(other, bucket.folder())
    assert (pulled.generation, pulled.fetched, pulled.new) == (1, 2, True)
    assert own_text(other) == "one"
    publish(store, "two")
    pushed = push_generation(store, bucket.folder())
    assert (pushed.generation, pushed.sent, pushed.bytes) == (2, 1, 3)
    pulled = pull_generation(other, bucket.folder())
    assert (pulled.generation, pulled.fetched, pulled.bytes) == (2, 1, 3)
    assert own_text(other) == "two"


def test_nothing_new_changes_nothing(store: Path, bucket: Bucket, tmp_path: Path) -> None:
    other = tmp_path / "other"
    push_generation(store, bucket.folder())
    pull_generation(other, bucket.folder())
    before = {path: path.stat().st_mtime_ns for path in (other / "index").rglob("*")}
    bucket.read.clear()
    report = pull_generation(other, bucket.folder())
    assert not report.new
    assert not [name for name in bucket.read if name.startswith("objects/")]
    assert before == {path: path.stat().st_mtime_ns for path in (other / "index").rglob("*")}
    bucket.written.clear()
    assert push_generation(store, bucket.folder()).sent == 0
    assert not [name for name in bucket.written if name.startswith("objects/")]


def test_a_roll_back_is_followed_without_moving_a_file(
    store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    push_generation(store, bucket.folder())
    pull_generation(other, bucket.folder())
    publish(store, "two")
    push_generation(store, bucket.folder())
    pull_generation(other, bucket.folder())
    roll_back(store)
    assert push_generation(store, bucket.folder()).sent == 0
    report = pull_generation(other, bucket.folder())
    assert (report.generation, report.fetched, report.new) == (1, 0, True)
    assert own_text(other) == "one"


@pytest.mark.parametrize("most", [0, 2])
def test_an_upload_cut_off_leaves_readers_with_what_they_had(
    most: int, store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    push_generation(store, bucket.folder())
    publish(store, "two")
    names = {each.object for each in _listed(store)}
    bucket.cut = dict.fromkeys(names, most)
    with pytest.raises(RemoteError, match=r"s3://bucket/prefix/objects/.*Run again"):
        push_generation(store, bucket.folder())
    bucket.cut = {}
    pull_generation(tmp_path / "other", bucket.folder())
    assert own_text(tmp_path / "other") == "one"
    assert push_generation(store, bucket.folder()).sent == 1  # the part that was left is replaced
    pull_generation(tmp_path / "other", bucket.folder())
    assert own_text(tmp_path / "other") == "two"


def _listed(store: Path) -> list[ListedFile]:
    return read_listed(open_generation(store).manifest, "here")


def own_object(bucket: Bucket) -> str:
    """The file that only the second generation has."""
    return next(name for name in objects(bucket) if (bucket.files / name).read_text() == "two")


def cut_object(bucket: Bucket) -> None:
    bucket.cut = {own_object(bucket): 1}


def lose_object(bucket: Bucket) -> None:
    (bucket.files / own_object(bucket)).unlink()


def change_object(bucket: Bucket) -> None:
    (bucket.files / own_object(bucket)).write_text("owt")


def lengthen_object(bucket: Bucket) -> None:
    (bucket.files / own_object(bucket)).write_text("two and more")


def change_manifest(bucket: Bucket) -> None:
    path = next((bucket.files / "generations").glob("000002*"))
    path.write_text(path.read_text().replace("none", "some"))


def cut_pointer(bucket: Bucket) -> None:
    (bucket.files / "CURRENT").write_text('{"format": 1')


def lose_pointer(bucket: Bucket) -> None:
    (bucket.files / "CURRENT").unlink()


def refuse(bucket: Bucket) -> None:
    bucket.refused = {own_object(bucket): PermissionError("access denied")}


def objects(bucket: Bucket) -> list[str]:
    return sorted(f"objects/{path.name}" for path in (bucket.files / "objects").iterdir())


@pytest.mark.parametrize(
    "harm",
    [cut_object, lose_object, change_object, lengthen_object, change_manifest, cut_pointer,
     lose_pointer, refuse],
)  # fmt: skip
def test_what_is_not_as_it_was_pushed_is_refused_and_the_old_generation_stays(
    harm: Callable[[Bucket], None], store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    push_generation(store, bucket.folder())
    pull_generation(other, bucket.folder())
    publish(store, "two")
    push_generation(store, bucket.folder())
    harm(bucket)
    for each in (other, tmp_path / "fresh"):
        with pytest.raises((RemoteError, DamagedError)):
            pull_generation(each, bucket.folder())
    assert not generation_numbers(tmp_path / "fresh" / "index")
    assert own_text(other) == "one"
    assert generation_numbers(other / "index") == [1]


def test_a_changed_object_is_named_with_what_to_do(
    store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    publish(store, "two")
    push_generation(store, bucket.folder())
    name = own_object(bucket)
    change_object(bucket)
    message = rf"^{ADDRESS}/{name}: .* remove that file there and push again"
    with pytest.raises(DamagedError, match=message):
        pull_generation(tmp_path / "other", bucket.folder())


@pytest.mark.parametrize(
    "name", ["../../out", "/elsewhere/out", "a/../../out", "manifest.json", ""]
)
def test_a_manifest_that_names_files_elsewhere_is_refused(
    name: str, store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    manifest = dict(open_generation(store).manifest)
    manifest["files"] = {name: {"bytes": 3, "sha256": "0" * 64}}
    content = json.dumps(manifest).encode()
    digest = hashlib.sha256(content).hexdigest()
    (bucket.files / "generations").mkdir()
    (bucket.files / "generations" / manifest_name(1, digest)).write_bytes(content)
    (bucket.files / "CURRENT").write_bytes(write_pointer(1, digest))
    with pytest.raises(DamagedError, match="is no file's"):
        pull_generation(tmp_path / "other", bucket.folder())
    assert not (tmp_path / "out").exists()


def test_a_store_with_generations_of_its_own_is_not_mixed(
    store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    publish(tmp_path / "other", "another")
    push_generation(store, bucket.folder())
    with pytest.raises(StoreError, match="has another generation 1 than s3://bucket/prefix"):
        pull_generation(tmp_path / "other", bucket.folder())
    assert own_text(tmp_path / "other") == "another"


def test_a_damaged_generation_is_fetched_again(store: Path, bucket: Bucket, tmp_path: Path) -> None:
    other = tmp_path / "other"
    push_generation(store, bucket.folder())
    pull_generation(other, bucket.folder())
    (other / "index" / "000001" / "deep" / "own").write_text("cut")
    report = pull_generation(other, bucket.folder())
    assert (report.fetched, report.new) == (2, True)
    assert own_text(other) == "one"


def test_a_damaged_generation_is_not_pushed(store: Path, bucket: Bucket) -> None:
    (store / "index" / "000001" / "deep" / "own").write_text("two")
    with pytest.raises(DamagedError):
        push_generation(store, bucket.folder())
    assert not bucket.written


def test_what_is_being_pushed_may_lose_its_name_meanwhile(
    store: Path, bucket: Bucket, tmp_path: Path
) -> None:
    def collect() -> None:
        if (store / "index" / "000001").exists():
            remove_path(store / "index" / "000001")

    put = bucket.open_output_stream
    bucket.open_output_stream = lambda *given: (collect(), put(*given))[1]  # type: ignore
    push_generation(store, bucket.folder())
    pull_generation(tmp_path / "other", bucket.folder())
    assert own_text(tmp_path / "other") == "one"


def test_old_generations_go_and_what_others_use_stays(store: Path, bucket: Bucket) -> None:
    for text in ("two", "three"):
        push_generation(store, bucket.folder(), keep=2)
        publish(store, text)
    age(bucket)
    report = push_generation(store, bucket.folder(), keep=2)
    assert report.removed == [1]
    assert sorted(path.name[:6] for path in (bucket.files / "generations").iterdir()) == [
        "000002", "000003",
    ]  # fmt: skip
    texts = [(bucket.files / name).read_text() for name in objects(bucket)]
    assert sorted(texts) == ["the encoders, which stay as they are", "three", "two"]


def test_what_another_push_has_just_sent_stays(store: Path, bucket: Bucket) -> None:
    (bucket.files / "objects").mkdir()
    (bucket.files / "objects" / ("0" * 64)).write_text("of a push that is not at its end")
    push_generation(store, bucket.folder())
    assert len(objects(bucket)) == 3
    age(bucket)
    push_generation(store, bucket.folder())
    assert len(objects(bucket)) == 2


def test_a_push_is_done_where_old_generations_cannot_be_removed(
    store: Path, bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    push_generation(store, bucket.folder())
    publish(store, "two")
    first = next((bucket.files / "generations").iterdir()).name
    bucket.refused = {f"generations/{first}": PermissionError("no")}
    assert push_generation(store, bucket.folder(), keep=1).generation == 2
    assert "old generations are not removed" in caplog.text
    pull_generation(tmp_path / "other", bucket.folder())
    assert own_text(tmp_path / "other") == "two"


def test_pulling_waits_for_nobody(store: Path, bucket: Bucket, tmp_path: Path) -> None:
    push_generation(store, bucket.folder())
    with lock_store(tmp_path / "other"), pytest.raises(LockedError):
        pull_generation(tmp_path / "other", bucket.folder())


def test_credentials_in_an_address_are_refused() -> None:
    with pytest.raises(RemoteError, match="holds credentials") as raised:
        open_folder("s3://key:word@bucket/prefix")
    assert "word" not in str(raised.value)
    with pytest.raises(RemoteError, match=r"gs://bucket/x: .* GOOGLE_APPLICATION_CREDENTIALS"):
        open_folder("gs://key@bucket/x")


def test_a_public_bucket_of_google_has_a_user_without_credentials() -> None:
    found = open_folder("gs://anonymous@bucket/a@b")
    assert (found.address, found.path) == ("gs://anonymous@bucket/a@b", "bucket/a@b")
    (options,) = found.system.__reduce__()[1]
    assert options["anonymous"] is True


@pytest.mark.parametrize("address", ["s3://", "s3://bucket/x?endpoint_overide=a", "gs:///x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(RemoteError, match=r"^(s3|gs)://"):
        open_folder(address)


def test_an_address_may_have_spaces_and_accents() -> None:
    address = "s3://bucket/a b/ü"
    found = open_folder(f"{address}?endpoint_override=127.0.0.1:1&scheme=http&region=x")
    assert (found.address, found.path) == (address, "bucket/a b/ü")


def test_commands_push_to_a_directory_and_pull_from_it(published: Path, tmp_path: Path) -> None:
    place, other = tmp_path / "place", tmp_path / "other"
    done = run("push", place, "--store", published)
    assert done.code == 0, done.err
    assert json.loads(done.out)["target"] == str(place)
    done = run("pull", place, "--store", other)
    assert (done.code, json.loads(done.out)["new"]) == (0, True), done.err
    done = run("pull", place, "--store", other)
    assert (done.code, json.loads(done.out)["new"]) == (0, False), done.err
    one, two = (run("query", "red shirt", "--store", each) for each in (published, other))
    assert one.code == 0
    assert one.out == two.out
    assert run("gc", "--store", other).code == 0
    assert current_number(other) == current_number(published)
    done = run("pull", tmp_path / "nowhere", "--store", other)
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path / 'nowhere'}/CURRENT: there is nothing" in done.err


@pytest.mark.skipif(SERVER not in os.environ, reason=f"{SERVER} names no folder of a server")
def test_a_real_server(store: Path, tmp_path: Path) -> None:
    place = os.environ[SERVER].replace("?", f"/{tmp_path.name}?")
    push_generation(store, open_folder(place))
    publish(store, "two")
    assert push_generation(store, open_folder(place), keep=1).removed == [1]
    pull_generation(tmp_path / "other", open_folder(place))
    assert own_text(tmp_path / "other") == "two"
    missing = place.replace("s3://", "s3://no-such-")
    with pytest.raises(RemoteError, match="There is no such bucket"):
        push_generation(store, open_folder(missing))
