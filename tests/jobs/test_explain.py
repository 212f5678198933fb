"""Explanations: the split is the query's own, words and regions are measured."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small import draw, embed, products, run, write

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.errors import QueryError
from prodmatch.explain import CLEAR_CHANGE, explain_product
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.reports.html import explanation_page
from prodmatch.search.answers.explanation import HeatMap, paint
from prodmatch.storage.vectors import normalise, split_parts


@pytest.fixture(scope="module")
def index(published: Path) -> ProductIndex:
    return open_index(published)


@pytest.mark.parametrize("weights", [None, {"text": 0.5, "image": 0.5}])
def test_the_split_is_that_of_the_query_and_adds_up(
    index: ProductIndex, weights: dict[str, float] | None
) -> None:
    options = SearchOptions(weights=weights)
    for hit in index.search("red shirt", top=60, weights=weights)[::7]:
        found = explain_product(index, Query(text="red shirt"), hit.product_id, options=options)
        assert found.hit == hit
        assert abs(hit.score - hit.lexical - hit.text - hit.image) < 1e-4


def test_a_product_that_no_leg_finds_is_placed_below_those_it_scores_less_than(
    index: ProductIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prodmatch.search.searcher.CANDIDATES", (3,))
    best = [hit.product_id for hit in index.search("red shirt", top=60)]
    encoded = index.searcher.encode_one(Query(text="red shirt"))
    few = index.searcher._ranker(encoded, None, 3).rank(None, 3)
    beyond = next(
        each for each in best[::-1] if index.searcher.products.row_of(each) not in few.rows.tolist()
    )
    hit = explain_product(index, Query(text="red shirt"), beyond).hit
    assert hit.product_id == beyond
    assert 1 <= hit.rank <= len(few.rows) + 1


def test_a_words_share_is_what_is_lost_without_it(index: ProductIndex) -> None:
    found = explain_product(index, Query(text="red shirt"), "p0000")
    text, _ = split_parts(index.searcher.ann.vectors(np.array([0])))
    whole, without = index.searcher.encoders.texts(["red shirt", "shirt"]) @ normalise(text)[0]
    first = found.query_words[0]
    assert first.word == "red"
    assert first.text == pytest.approx(whole - without, abs=1e-5)
    scores = [
        index.searcher.products.match(words).of(np.array([0]))[0]
        for words in ("red shirt", "shirt")
    ]
    assert first.lexical == pytest.approx(scores[0] - scores[1], abs=1e-5)
    assert found.text_cosine == pytest.approx(whole, abs=1e-5)


def test_the_products_words_are_those_embedded(index: ProductIndex) -> None:
    found = explain_product(index, Query(text="red shirt"), "p0045")
    said = "red shirt number 45. A shirt to try."
    assert [share.word for share in found.product_words] == said.split()
    texts = [said, "red shirt number A shirt to try."]
    encoded = index.searcher.encode_one(Query(text="red shirt"))
    whole, without = index.searcher.encoders.texts(texts, passage=True) @ encoded.text
    assert found.product_words[3].text == pytest.approx(whole - without, abs=1e-5)


def test_the_only_word_carries_all(index: ProductIndex) -> None:
    (share,) = explain_product(index, Query(text="shirt"), "p0000").query_words
    found = explain_product(index, Query(text="shirt"), "p0000")
    assert share.text == pytest.approx(found.text_cosine, abs=1e-5)
    assert share.lexical == pytest.approx(found.bm25, abs=1e-5)


def test_a_query_of_words_and_picture_keeps_the_picture_when_a_word_is_left_out(
    index: ProductIndex,
) -> None:
    asked = Query(text="shirt", image=draw((20, 60, 200), 1))
    (share,) = explain_product(index, asked, "p0000").query_words
    both, alone = index.searcher.encode([asked, Query(image=asked.image)])
    text = normalise(split_parts(index.searcher.ann.vectors(np.array([0])))[0])[0]
    assert share.text == pytest.approx(float(text @ both.text - text @ alone.text), abs=1e-5)


def heat_of(index: ProductIndex, picture: bytes, query: Query) -> HeatMap:
    heat_map = explain_product(index, query, "p0000", pictures=[picture]).heat_map
    assert heat_map is not None
    return heat_map


def test_the_heat_is_what_a_piece_brings_covered_and_alone(index: ProductIndex) -> None:
    picture = products(1)[0]["image"]
    assert isinstance(picture, bytes)
    query = Query(image=picture)
    heat_map = heat_of(index, picture, query)
    side, pixels = len(heat_map.pixels), heat_map.pixels
    edge = np.concatenate([pixels[[0, -1]].reshape(-1, 3), pixels[:, [0, -1]].reshape(-1, 3)])
    backdrop = np.median(edge, axis=0).astype(np.uint8)
    blank = np.broadcast_to(backdrop, pixels.shape)
    covered, alone = pixels.copy(), blank.copy()
    covered[: side // 4, : side // 4] = backdrop
    alone[: side // 4, : side // 4] = pixels[: side // 4, : side // 4]
    encoded = index.searcher.encode_one(query)
    stack = np.stack([pixels, covered, alone, blank])
    whole, less, piece, none = index.searcher.encoders.pictures(stack) @ encoded.image
    assert heat_map.cosine == pytest.approx(whole, abs=1e-5)
    change = np.abs(pixels[0, 0].astype(float) - backdrop).max() / CLEAR_CHANGE
    expected = (whole - less + piece - none) / 2 * min(1.0, change)
    assert heat_map.heat[0, 0] == pytest.approx(expected, abs=1e-5)  # one window covers it
    assert heat_map.heat.shape == (side, side)
    red, _, blue = np.asarray(paint(heat_map, side), np.int16).transpose(2, 0, 1)
    warm = red > blue + 20
    assert (heat_map.heat[warm] > 0).mean() > 0.95


def test_a_background_has_no_heat(index: ProductIndex) -> None:
    picture = products(1)[0]["image"]
    assert isinstance(picture, bytes)
    small = Image.open(io.BytesIO(picture)).resize((40, 40))
    canvas = Image.new("RGB", (120, 120), (250, 250, 250))
    canvas.paste(small, (40, 40))
    out = io.BytesIO()
    canvas.save(out, "PNG")
    heat = heat_of(index, out.getvalue(), Query(text="red shirt")).heat
    side = len(heat)
    inside = np.zeros((side, side), bool)
    margin = side // 3 - 2, side - side // 3 + 2
    inside[margin[0] : margin[1], margin[0] : margin[1]] = True
    assert np.abs(heat[inside]).max() > 0
    assert np.abs(heat[~inside]).max() < 0.1 * np.abs(heat[inside]).max()


def test_another_picture_than_the_embedded_one_is_refused(
    index: ProductIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "prodmatch.explain.SAME_PICTURE", 0.9999
    )  # to untrained layers all look alike
    for picture, message in (
        (draw((250, 250, 10), 9), "is not the one that the product was embedded with"),
        (b"no picture", "cannot be used"),
    ):
        with pytest.raises(QueryError, match=message):
            explain_product(index, Query(text="red shirt"), "p0000", pictures=[picture])


@pytest.fixture(scope="module")
def of_lists(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose products have a picture of their own colour between two others."""
    folder = tmp_path_factory.mktemp("lists")
    table = pq.read_table(write(folder / "c.parquet", products(12)))
    blank, grey = b"no picture", draw((120, 120, 120), 5)
    pictures = [[blank, grey, picture] for picture in table["image"].to_pylist()]
    table = table.set_column(table.column_names.index("image"), "image", [pictures])
    pq.write_table(table, folder / "c.parquet")
    embed(folder / "c.parquet", model, folder / "store")
    index_embeddings(folder / "store")
    return folder / "store"


def test_of_a_list_of_pictures_the_nearest_is_told_and_painted(of_lists: Path) -> None:
    row = products(4)[3]
    assert isinstance(row["image"], bytes)
    query, pictures = Query(image=row["image"]), [draw((120, 120, 120), 5), row["image"]]
    index = open_index(of_lists)
    found = explain_product(index, query, "p0003", pictures=[b"no picture", *pictures])
    assert found.pictures is not None
    unusable, grey, own = found.pictures.cosines
    assert (found.pictures.best, unusable) == (2, None)
    assert grey is not None
    assert own is not None
    assert grey < own
    assert found.heat_map is not None
    assert found.heat_map.cosine == pytest.approx(own, abs=1e-4)
    assert "Picture 3 of 3, the nearest to the query." in explanation_page(found)
    with_repeats = [*pictures, *pictures[:1] * 9]  # each counts once, as it was embedded
    assert explain_product(index, query, "p0003", pictures=with_repeats, heat=False).pictures


def test_the_command_tells_the_best_picture_without_being_told_where_it_is(
    of_lists: Path, published: Path, tmp_path: Path
) -> None:
    picture = products(4)[3]["image"]
    assert isinstance(picture, bytes)
    (tmp_path / "query.png").write_bytes(picture)
    given = ["", "p0003", "--image", tmp_path / "query.png", "--store", of_lists]
    done = run("explain", *given, "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert done.last["best_picture"] == 3
    assert "best picture 3 of 3 (cosines unusable, " in run("explain", *given).out
    of_single = run("explain", "red shirt", "p0003", "--store", published, "--format", "json")
    assert (of_single.last["best_picture"], of_single.last["picture_cosines"]) == (None, [])


def test_the_command_writes_a_picture_and_a_page(published: Path, tmp_path: Path) -> None:
    catalogue = published.with_name("sixty.parquet")
    where = ["--store", published, "--catalogue", catalogue]
    made = ["--png", tmp_path / "heat.png", "--html", tmp_path / "why.html"]
    done = run("explain", "red shirt", "p0003", *where, *made, "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert done.last["product_id"] == "p0003"
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.size == (320, 320)
    assert (tmp_path / "why.html").read_text().count("data:image/webp") == 2
    table = run("explain", "red shirt", "p0003", "--store", published)
    assert table.code == 0
    assert max(map(len, table.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["red shirt", "nobody"], 2, "PRODUCT_ID nobody: the index has no product of this id"),
        (["", "p0001"], 2, "neither text nor picture"),
        (["red shirt", "p0001", "--catalogue", "none.parquet"], 1, "there is no such file"),
    ],
)
def test_an_explanation_that_cannot_be_given_is_one_clear_line(
    published: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run("explain", *arguments, "--store", published)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_pictures_are_found_by_id_wherever_they_lie(tmp_path: Path) -> None:
    rows = products(100)
    rows[50]["image"] = None
    write(tmp_path / "a.parquet", rows[:70])
    write(tmp_path / "b.parquet", [*rows[70:], {**rows[0], "image": draw((1, 2, 3), 4)}])
    asked = {"p0099", "p0000", "p0041", "p0050", "nobody"}
    found = open_catalogue(tmp_path).find_all_pictures(asked)
    assert found == {
        f"p{row:04d}": [rows[row]["image"]] for row in (0, 41, 99)
    }  # the first of a repeated id


def test_pictures_named_by_paths_stay_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.png").write_bytes(draw((1, 2, 3), 1))
    (tmp_path / "out.png").write_bytes(draw((1, 2, 3), 2))
    table = pq.read_table(write(tmp_path / "c.parquet", products(2))).drop_columns(["image"])
    paths = ["a.png", "../out.png"]
    pq.write_table(table.append_column("image", [paths]), tmp_path / "c.parquet")
    options = CatalogueOptions(image_root=tmp_path / "root")
    found = open_catalogue(tmp_path / "c.parquet", options).find_all_pictures({"p0000", "p0001"})
    assert found == {"p0000": [draw((1, 2, 3), 1)]}
