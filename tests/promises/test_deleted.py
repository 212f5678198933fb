"""A product taken out of the catalogue is gone for good, as docs/privacy.md says."""

from pathlib import Path

from small import product
from store_files import files_with
from tiny import night, save_catalogue, save_query_encoders

from prodmatch.model.description import Model
from prodmatch.storage.features import content_key
from prodmatch.storage.garbage import collect_garbage

GONE = product(0)


def test_no_file_holds_a_deleted_product_but_its_vectors(tiny: Model, tmp_path: Path) -> None:
    store = tmp_path / "store"
    save_query_encoders(store, tiny)
    night(save_catalogue(tmp_path / "before.parquet", 9), tiny, store)
    after = save_catalogue(tmp_path / "after.parquet", 9, first=1)
    night(after, tiny, store)
    named = [str(GONE["product_id"]), str(GONE["title"])]
    assert all(files_with(store, word) for word in named)  # to roll back to
    collect_garbage(store, 1, seconds=0)
    assert [files_with(store, word) for word in named] == [[], []]

    text = f"{GONE['title']}. {GONE['description']}"
    (place,) = files_with(store, str(content_key(text.encode())))
    assert place.startswith("features/text-")  # the digest, with a vector, next to others
