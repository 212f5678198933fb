"""The map of a catalogue: a page of its own, a table, and the pictures that show nothing."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter
from shell import Shell
from small import COLOURS, KINDS
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.check_deep import map_products
from prodmatch.errors import QueryError
from prodmatch.index import index_embeddings
from prodmatch.maps.product_map import ProductMap
from prodmatch.model.description import Model
from prodmatch.reports.map import colour_groups, map_page
from prodmatch.search.product_index import open_index

COUNT, EMPTY, BLURRED, BROKEN = 120, 7, 12, 20
NAMES = list(COLOURS)


def picture(number: int) -> bytes:
    """A noisy picture of a colour, 64 pixels wide; one is empty, one blurred, one no picture."""
    if number == BROKEN:
        return b"no picture"
    rng = np.random.default_rng(number)
    noise = 0 if number == EMPTY else 60
    colour = np.array(COLOURS[NAMES[number % 3]])
    pixels = np.clip(colour + rng.integers(-noise, noise + 1, (64, 64, 1)), 0, 255)
    made = Image.fromarray(pixels.astype(np.uint8))
    if number == BLURRED:
        made = made.filter(ImageFilter.GaussianBlur(1.5))
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    numbers = range(COUNT)
    table = {
        "product_id": [f"p{number:04d}" for number in numbers],
        "title": [f"{NAMES[n % 3]} {KINDS[n % 5]} {n} </script>" for n in numbers],
        "category": [f"home > {KINDS[n % 5]}" if n % 4 else None for n in numbers],
        "image": [picture(number) for number in numbers],
    }
    path = tmp_path_factory.mktemp("mapped") / "c.parquet"
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module")
def store(tiny: Model, catalogue: Path) -> Path:
    store = catalogue.with_name("store")
    save_query_encoders(store, tiny)
    embed_tiny(catalogue, tiny, store)
    index_embeddings(store)
    return store


@pytest.fixture(scope="module")
def found(store: Path, catalogue: Path) -> ProductMap:
    with open_index(store) as index:
        return map_products(index, open_catalogue(catalogue), workers=0)


def test_empty_and_blurred_pictures_are_listed(found: ProductMap) -> None:
    listed = {kind: [each.position for each in all_of] for kind, all_of in found.outliers.items()}
    assert listed["empty_picture"] == [EMPTY]
    assert listed["blurred_picture"] == [BLURRED]
    assert found.report.pictures == COUNT - 1
    assert not found.pictures.there[BROKEN]


def test_small_pictures_stand_in_the_order_of_the_rows(found: ProductMap) -> None:
    (sheet,) = found.pictures.sheets
    pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"), np.float64)
    for position in (0, 1, 2, 35, 119):
        row, column = divmod(position, 32)
        mean = pixels[32 * row : 32 * row + 32, 32 * column : 32 * column + 32].mean(axis=(0, 1))
        nearest = min(NAMES, key=lambda name: np.abs(mean - COLOURS[name]).sum())
        assert nearest == NAMES[position % 3]


def test_the_page_is_one_file_that_holds_everything(found: ProductMap) -> None:
    page = map_page(found)
    policy = re.search(r'content="(default-src[^"]*)"', page)
    assert policy
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[^']+'",
        policy[1],
    )
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert page.count("<script>") == 1  # titles cannot end it: they are packed, or escaped
    assert page.count("</script>") == 1 + len(re.findall("<script type", page))
    assert 'data-place="7"' in page
    assert len(page) < 15_000_000


def test_colours_go_to_the_deepest_level_that_is_not_too_fine() -> None:
    names = ("a > b > c", "a > d > e", "f")
    groups, codes = colour_groups(names, np.array([0, 1, 1, 2, -1]))
    assert groups == ["a > d > e", "a > b > c", "f", "others"]
    assert codes.tolist() == [1, 0, 0, 2, 3]
    many = tuple(f"{number % 3} > {number}" for number in range(40))
    groups, codes = colour_groups(many, np.arange(40))
    assert groups == ["0", "1", "2", "others"]
    assert codes.tolist() == [number % 3 for number in range(40)]
    groups, codes = colour_groups(tuple("abcdefghijklmnop"), np.array([15, 15, 3]))
    assert (len(groups), groups[:2], groups[-1]) == (12, ["p", "d"], "others")


def test_the_command_writes_page_and_table(
    store: Path,
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shell = Shell(store, monkeypatch, capsys)
    html, out = str(tmp_path / "m.html"), str(tmp_path / "m.parquet")
    done = shell(
        "check", str(catalogue), "--deep", "--no-decode", "--workers", "0", "--html", html,
        "--out", out, "--format", "json",
    )  # fmt: skip
    assert done.code == 0
    deep = json.loads(done.out)["deep"]
    assert (deep["shown"], deep["coloured_by"]) == (COUNT, "category")
    listed = deep["outliers"]["wrong_picture"]  # by a model that was never trained
    assert f"warning: wrong_picture: {listed} of {COUNT - 1} products are listed." in done.err
    table = pq.read_table(out)
    assert table.column_names == ["id", "x", "y", "title", "category", "cluster", "outlier"]
    assert table["id"].to_pylist() == [f"p{number:04d}" for number in range(COUNT)]
    assert table["category"].to_pylist()[:3] == [None, "home > mug", "home > chair"]
    assert table["outlier"].to_pylist()[EMPTY] == "empty_picture"
    assert Path(html).stat().st_size > 20_000
    done = shell("check", str(catalogue), "--html", html)
    assert (done.code, "goes with --deep." in done.err) == (2, True)


def test_the_command_reads_the_catalogue_as_the_store_remembers(
    store: Path,
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = tmp_path / "own"
    shutil.copytree(store, own)
    settings = {
        "format": 1, "catalogue": str(catalogue), "columns": {}, "text_columns": ["title"],
        "image_root": None, "leave_out": [], "model": "compact", "precision": "float32",
        "synonyms": None, "groups": None,
    }  # fmt: skip
    (own / "store.json").write_text(json.dumps(settings))
    shell = Shell(own, monkeypatch, capsys)
    done = shell("check", str(catalogue), "--deep", "--no-decode", "--format", "json")
    assert json.loads(done.out)["text_columns"] == ["title"]


def test_an_unknown_column_is_named(store: Path, catalogue: Path) -> None:
    with open_index(store) as index, pytest.raises(QueryError, match="did you mean category"):
        map_products(index, open_catalogue(catalogue), colour_by="categroy")


def test_a_catalogue_of_other_products_is_refused_or_named(
    store: Path, catalogue: Path, tmp_path: Path
) -> None:
    table = pq.read_table(catalogue)
    others = pa.array([f"other{row}" for row in range(COUNT)])
    pq.write_table(table.set_column(0, "product_id", others), tmp_path / "c.parquet")
    pq.write_table(table.slice(2), tmp_path / "fewer.parquet")
    with open_index(store) as index:
        with pytest.raises(QueryError, match=f"has none of the {COUNT} products of the index"):
            map_products(index, open_catalogue(tmp_path / "c.parquet"), workers=0)
        fewer = map_products(index, open_catalogue(tmp_path / "fewer.parquet"), workers=0)
        same = map_products(index, open_catalogue(catalogue), workers=0)
    (warning,) = [each for each in fewer.report.warnings if "lacks" in each]
    assert "lacks 2 products of the index" in warning
    assert "('p0000', 'p0001')" in warning
    assert not [each for each in same.report.warnings if "lacks" in each]
