"""Manifests are checked in format and shape, and advice to roll back works where it is given."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Counting
from small import run
from tiny import embed_tiny, night, save_catalogue, save_query_encoders

from prodmatch.errors import DamagedError, MismatchError, ProdmatchError, StoreError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.storage.atomic import digest_file
from prodmatch.storage.embeddings import open_embeddings
from prodmatch.storage.generations import current_number, open_generation, roll_back

FIELDS = {
    "embeddings": ("rows", "embedded", "rejected", "dim", "model", "model_fingerprint",
        "catalogue", "features", "images_unusable", "files"),
    "index": ("generation", "products", "dim", "model", "model_fingerprint", "files"),
}  # fmt: skip
WRONG: tuple[object, ...] = (None, -1, 1.5, True, "x", [], {}, "missing")


@pytest.fixture(scope="module")
def two(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two generations; tests copy it."""
    store = tmp_path_factory.mktemp("two") / "store"
    save_query_encoders(store, tiny)
    for first in (0, 2):
        night(save_catalogue(store.with_name("c.parquet"), 9, first=first), tiny, store)
    return store


@pytest.fixture
def copied(two: Path, quick_disk: Path) -> Path:
    return Path(shutil.copytree(two, quick_disk / "store"))


def rewrite(folder: Path, changes: dict[str, object]) -> None:
    """Another manifest, and a pointer that names it: as another program would write them."""
    path, pointer = folder / "manifest.json", folder.parent / "CURRENT"
    content = {**json.loads(path.read_text()), **changes}
    path.unlink()
    path.write_text(json.dumps({n: v for n, v in content.items() if v != "missing"}))
    named = {**json.loads(pointer.read_text()), "manifest_sha256": digest_file(path)}
    pointer.write_text(json.dumps(named))


def current(store: Path, kind: str) -> Path:
    if kind == "index":
        return open_generation(store).folder
    embeddings = open_embeddings(store / "embeddings")
    assert embeddings is not None
    return embeddings.folder


@pytest.mark.parametrize("kind", ["embeddings", "index"])
def test_a_field_missing_or_of_another_type_is_named(
    kind: str, copied: Path, count_cases: Counting
) -> None:
    folder = current(copied, kind)
    content = json.loads((folder / "manifest.json").read_text())
    assert content["format"] == 1
    for field in FIELDS[kind]:
        for wrong in WRONG:
            if wrong != "missing" and isinstance(wrong, type(content[field])) and wrong != -1:
                continue
            rewrite(folder, {**content, field: wrong})
            with pytest.raises(DamagedError, match=f"'{field}' must be "):
                current(copied, kind)
            count_cases("manifests of another shape", 1)


@pytest.mark.parametrize("kind", ["embeddings", "index"])
@pytest.mark.parametrize("version", [None, 0, 2, "1", True, [], "missing"])
def test_another_format_is_no_damage_but_another_version(
    kind: str, version: object, copied: Path
) -> None:
    rewrite(current(copied, kind), {"format": version})
    with pytest.raises(MismatchError, match="another version of prodmatch wrote it"):
        current(copied, kind)


def test_embeddings_of_another_version_are_made_again(
    copied: Path, tiny: Model, tmp_path: Path
) -> None:
    rewrite(current(copied, "embeddings"), {"format": 0})
    with pytest.raises(MismatchError, match=r"Run `embed\(\)` again"):
        index_embeddings(copied)
    report = embed_tiny(save_catalogue(tmp_path / "c.parquet", 9, first=2), tiny, copied)
    assert report.texts_encoded == 0
    assert any("compared with the published generation 2" in text for text in report.warnings)
    assert index_embeddings(copied).products == 9


POINTERS = (b"", b"{", b"[]", b'{"generation": "2"}', b'{"generation": true}', b'{"generation": 2}',
    b'{"generation": -1, "manifest_sha256": ""}')  # fmt: skip


@pytest.mark.parametrize("content", [None, *POINTERS])
def test_rollback_sets_a_pointer_right_that_names_nothing(
    content: bytes | None, copied: Path
) -> None:
    path = copied / "index" / "CURRENT"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"`rollback\(\)`"):
        open_generation(copied)
    assert roll_back(copied).number == 2
    assert open_generation(copied).number == 2


def break_file(store: Path, number: int) -> None:
    path = store / "index" / f"{number:06d}" / "products.parquet"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + b"#")


def test_rollback_goes_past_what_is_damaged(copied: Path, tiny: Model, tmp_path: Path) -> None:
    night(save_catalogue(tmp_path / "c.parquet", 9, first=3), tiny, copied)
    for number in (3, 2):
        break_file(copied, number)
    with pytest.raises(DamagedError, match=r"`rollback\(number=1\)`"):
        open_generation(copied)
    assert roll_back(copied).number == 1
    assert current_number(copied) == 1


def test_rollback_is_not_advised_where_it_cannot_work(copied: Path) -> None:
    roll_back(copied, 1)
    break_file(copied, 1)
    with pytest.raises(DamagedError, match=r"`rollback\(number=2\)`"):
        open_generation(copied)
    with pytest.raises(StoreError, match=r"no generation before 1.*`rollback\(number=2\)`"):
        roll_back(copied)
    assert roll_back(copied, 2).number == 2
    roll_back(copied, 2)
    shutil.rmtree(copied / "index" / "000001")
    break_file(copied, 2)
    for act in (open_generation, roll_back):
        with pytest.raises(ProdmatchError) as caught:
            act(copied)
        assert "rollback" not in str(caught.value)
        assert "Publish a new one with `index()`" in str(caught.value)


def test_damaged_embeddings_do_not_advise_rollback(copied: Path) -> None:
    (shard,) = current(copied, "embeddings").glob("part-*.parquet")
    shard.unlink()
    with pytest.raises(DamagedError, match=r"found nothing\. Run `embed\(\)` again"):
        index_embeddings(copied)


def test_the_shell_says_it_in_a_line_and_exits_with_3(copied: Path) -> None:
    rewrite(current(copied, "index"), {"dim": "missing"})
    for command in (("query", "red shirt"), ("verify",), ("generations",)):
        done = run(*command, "--store", copied)
        assert (done.code, len(done.err.splitlines())) == (3, 1)
        assert ("damaged" in done.out) == (command == ("generations",))  # it lists the others
        assert "'dim' must be a whole number, found nothing" in done.err
    *_, damaged = json.loads(run("generations", "--store", copied, "--format", "json").out)
    assert (damaged["current"], damaged["products"]) == (True, None)
    assert "'dim' must be" in damaged["error"]


@pytest.mark.parametrize("kept", [(1, 2), (2,)])
def test_a_damaged_product_file_advises_what_works(kept: tuple[int, ...], copied: Path) -> None:
    for number in {1, 2} - set(kept):
        shutil.rmtree(copied / "index" / f"{number:06d}")
    with open_index(copied) as index:
        path = copied / "index" / "000002" / "products.sqlite"
        content = path.read_bytes()
        path.write_bytes(content[:100] + b"#" * (len(content) - 100))
        advised = r"Go to another with `rollback\(number=1\)`" if 1 in kept else "Publish a new"
        with pytest.raises(DamagedError, match=advised):
            index.search("red shirt", where="price < 50")
    if 1 in kept:
        assert roll_back(copied, 1).number == 1
