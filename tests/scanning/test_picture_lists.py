"""A product with a list of pictures has the mean of their vectors, and shows the first."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import draw
from tiny import embed_tiny, lenient, save_query_encoders

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.check import check_catalogue
from prodmatch.model.description import Model
from prodmatch.scanning.picture_lists import average_pictures
from prodmatch.storage.embeddings import require_embeddings, vectors_of
from prodmatch.storage.vectors import Vectors, normalise, split_parts

RED, BLUE, LIME = (draw(colour, 0) for colour in ((200, 0, 0), (0, 0, 200), (0, 200, 0)))
BROKEN = b"\x89PNG\r\n\x1a\nbroken"


def open_lists(folder: Path, cells: object, **options: object) -> Catalogue:
    column = cells if isinstance(cells, pa.Array) else pa.array(cells, pa.list_(pa.binary()))
    rows = [f"p{row}" for row in range(len(column))]
    pq.write_table(pa.table({"product_id": rows, "image": column}), folder / "c.parquet")
    return open_catalogue(folder / "c.parquet", CatalogueOptions(**options))  # type: ignore[arg-type]


@pytest.fixture
def tiny_store(tiny: Model, tmp_path: Path) -> Path:
    """A store with the query encoders that `embed` would export."""
    save_query_encoders(tmp_path / "store", tiny)
    return tmp_path / "store"


def images(store: Path) -> dict[str, Vectors]:
    """The image part of every product."""
    table = pa.Table.from_batches(require_embeddings(store).batches(["product_id", "vector"]))
    _, parts = split_parts(vectors_of(table["vector"].combine_chunks()))
    return dict(zip(table["product_id"].to_pylist(), parts, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_list_gives_the_mean_of_its_pictures(
    workers: int, tiny: Model, tiny_store: Path, tmp_path: Path, count_cases: Counting
) -> None:
    cells = [
        [RED], [BLUE], [LIME], [RED, BLUE], [BLUE, RED], [RED, BLUE, LIME], [RED, RED],
        [RED, BROKEN], [BROKEN, RED], [None, RED, b""], [BROKEN, BLUE, BROKEN, RED],
    ]  # fmt: skip
    wanted = ["0", "1", "2", "01", "01", "012", "0", "0", "0", "0", "01"]
    report = embed_tiny(open_lists(tmp_path, cells), tiny, tiny_store, lenient(workers))
    assert (report.embedded, report.images_encoded, report.images_unusable) == (11, 4, {})
    found = images(tiny_store)
    for row, names in enumerate(wanted):
        mean = normalise(np.sum([found[f"p{name}"] for name in names], axis=0)[None])[0]
        np.testing.assert_allclose(found[f"p{row}"], mean, atol=1e-6)
    count_cases("pictures given", len(cells))


def test_only_new_pictures_of_a_list_are_encoded(
    tiny: Model, tiny_store: Path, tmp_path: Path
) -> None:
    first = embed_tiny(open_lists(tmp_path, [[RED, BLUE], [BLUE]]), tiny, tiny_store)
    again = embed_tiny(open_lists(tmp_path, [[RED, BLUE], [BLUE]]), tiny, tiny_store)
    more = embed_tiny(open_lists(tmp_path, [[RED, BLUE, LIME], [BLUE]]), tiny, tiny_store)
    counts = [(each.images_encoded, each.reused, each.changed) for each in (first, again, more)]
    assert counts == [(2, 0, 0), (0, 2, 0), (1, 2, 1)]
    assert first.embeddings == again.embeddings != more.embeddings


def test_a_list_without_a_usable_picture_says_why(
    tiny: Model, tiny_store: Path, tmp_path: Path
) -> None:
    cells = [[RED], None, [], [None], [BROKEN, BROKEN]]
    report = embed_tiny(open_lists(tmp_path, cells), tiny, tiny_store)
    assert report.embedded == 1
    assert report.rejects == {"no_content": 3, "image_broken": 1}


LISTS: dict[str, pa.Array] = {
    "bytes": pa.array([[RED, BLUE]], pa.list_(pa.binary())),
    "large": pa.array([[RED, BLUE]], pa.large_list(pa.large_binary())),
    "of two": pa.array([[RED, BLUE]], pa.list_(pa.binary(), 2)),
    "structs": pa.array([[{"bytes": RED, "path": "x"}, {"bytes": None, "path": "blue.png"}]]),
    "paths": pa.array([["red.png", "none.png", "./blue.png"]]),
    "addresses too": pa.array([["https://shop.example/a.png", "red.png", "blue.png"]]),
    "text": pa.array(["red.png, blue.png"]),
    "texts in a list": pa.array([["red.png|none.png", '["blue.png"]']]),
    "JSON": pa.array(['["red.png", "blue.png"]']),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_every_kind_is_read(kind: str, tmp_path: Path, count_cases: Counting) -> None:
    (tmp_path / "red.png").write_bytes(RED)
    (tmp_path / "blue.png").write_bytes(BLUE)
    catalogue = open_lists(tmp_path, LISTS[kind], image_root=tmp_path)
    (batch,) = catalogue.batches()
    assert (batch.images, batch.more_images, batch.image_rejects) == ([RED], {0: [BLUE]}, [None])
    assert dict(catalogue.pictures(np.array([0]))) == {0: RED}
    assert catalogue.find_all_pictures(["p0"]) == {"p0": [RED, BLUE]}
    count_cases("pictures given", 1)


def test_a_text_that_names_several_pictures_is_embedded_as_their_list(
    tiny: Model, tmp_path: Path
) -> None:
    (tmp_path / "red.png").write_bytes(RED)
    (tmp_path / "blue.png").write_bytes(BLUE)
    listed = pa.array([["red.png", "blue.png"], ["red.png"]])
    found = {}
    for number, cells in enumerate((listed, pa.array(["red.png;blue.png", "red.png"]))):
        save_query_encoders(tmp_path / f"store{number}", tiny)
        catalogue = open_lists(tmp_path, cells, image_root=tmp_path)
        embed_tiny(catalogue, tiny, tmp_path / f"store{number}")
        found[number] = images(tmp_path / f"store{number}")
    assert found[0]["p0"].tolist() == found[1]["p0"].tolist() != found[1]["p1"].tolist()


def test_opposite_pictures_leave_the_first() -> None:
    first = np.array([[1, 0], [0, 1]], np.float32)
    found = average_pictures(first, -first[:1], np.array([0]))
    assert found.tolist() == first.tolist()


GALLERIES: dict[str, tuple[list[object], dict[str, int]]] = {
    "the last broken": ([RED, BLUE, BROKEN], {"image_broken": 1}),
    "the first broken": ([BROKEN, BLUE, RED], {"image_broken": 1}),
    "the middle broken": ([RED, BROKEN, BLUE], {"image_broken": 1}),
    "two broken": ([BROKEN, BROKEN + b"!", RED], {"image_broken": 2}),
    "one broken twice": ([BROKEN, RED, BROKEN], {"image_broken": 1}),
    "a page": ([RED, b"<html><body>not found"], {"image_html_page": 1}),
    "a pointer": ([b"version https://git-lfs.github.com/spec/v1", RED],
                  {"image_git_lfs_pointer": 1}),
    "cut": ([RED, BLUE[:150]], {"image_broken": 1}),
    "a text": ([b"no picture", LIME], {"image_text": 1}),
    "missing": (["red.png", "none.png"], {"image_missing": 1}),
    "missing first": (["none.png", "red.png", "./blue.png"], {"image_missing": 1}),
    "one missing twice": (["none.png", "red.png", "none.png"], {"image_missing": 1}),
    "two missing": (["none.png", "red.png", "other.png"], {"image_missing": 2}),
    "an address": (["https://shop.example/a.png", "red.png"], {"image_address": 1}),
    "outside": (["../a.png", "red.png"], {"image_outside_root": 1}),
    "missing and broken": (["none.png", "broken.png", "red.png"],
                           {"image_missing": 1, "image_broken": 1}),
    "none of them": (["none.png", "broken.png"], {}),
    "all there": ([RED, BLUE, None, b""], {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", GALLERIES)
def test_broken_pictures_of_a_list_are_named_and_their_product_stays(
    kind: str, tiny: Model, tiny_store: Path, tmp_path: Path, count_cases: Counting
) -> None:
    for name, data in (("red", RED), ("blue", BLUE), ("broken", BROKEN)):
        (tmp_path / f"{name}.png").write_bytes(data)
    cells, reasons = GALLERIES[kind]
    good = ["red.png"] if isinstance(cells[0], str) else [RED]
    column = pa.array([good, cells, good])
    catalogue = open_lists(tmp_path, column, image_root=tmp_path)
    report = embed_tiny(catalogue, tiny, tiny_store)
    assert report.rejected == (0 if reasons or kind == "all there" else 1)
    count = sum(reasons.values())
    expected = (
        f"{count} pictures of lists cannot be used "
        f"({', '.join(f'{name} {number}' for name, number in reasons.items())}); "
        "their products have others ('p1')"
    )
    checked = check_catalogue(catalogue, workers=0).warnings
    for warnings in (report.warnings, checked):
        found = [text for text in warnings if "pictures of lists" in text]
        assert found == ([expected] if reasons else [])
    path = tiny_store / "rejects" / f"{report.embeddings}.parquet"
    listed = pq.read_table(path).filter(pc.field("embedded")).to_pylist()
    assert [(row["product_id"], row["row"]) for row in listed] == [("p1", 1)] * count
    assert sorted(row["reason"] for row in listed) == sorted(
        name for name, number in reasons.items() for _ in range(number)
    )
    count_cases("broken pictures of lists", 1)


def test_up_to_five_products_are_named(tiny: Model, tiny_store: Path, tmp_path: Path) -> None:
    report = embed_tiny(open_lists(tmp_path, [[RED, BROKEN]] * 7), tiny, tiny_store)
    assert report.warnings[-1] == (
        "7 pictures of lists cannot be used (image_broken 7); their products have others "
        "('p0', 'p1', 'p2', 'p3', 'p4', ...)"
    )
