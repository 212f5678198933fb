"""A product has one score for a query, and is an answer or none, whatever page it is on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import COUNT, encoded, publish_drawn, unit

from prodmatch.search.encoded_query import EncodedQuery, Excluded
from prodmatch.search.exclusion import cosines
from prodmatch.search.options import SearchOptions
from prodmatch.search.scoring import bm25_scale
from prodmatch.search.searcher import Searcher
from prodmatch.storage.vectors import normalise, split_parts

WEIGHTS = {"lexical": 0.4, "text": 0.3, "image": 0.3}


@pytest.fixture(scope="module")
def opened(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """Products of which two in five lack their text or their picture."""
    return publish_drawn(published, tmp_path_factory.mktemp("lacking"), lacking=0.2)


def lamps(opened: Searcher, seed: int) -> EncodedQuery:
    return replace(encoded(seed), words="red lamp")


def lamps_not_blue(opened: Searcher, seed: int) -> EncodedQuery:
    """The same without what says "blue", or is as products are that say it."""
    text, _ = split_parts(opened.ann.vectors(opened.products.rows_with("blue")))
    excluded = Excluded("blue", normalise(normalise(text.sum(axis=0)) + 0.1 * unit(seed)))
    return replace(lamps(opened, seed), without=(excluded,))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(one_per="rare"),
        SearchOptions(one_per="parent"),
        SearchOptions(boost={"price": 0.5}),
        SearchOptions(diverse=0.5),
        SearchOptions(offset=250),
    ],
)
@pytest.mark.parametrize("make_query", [lamps, lamps_not_blue])
def test_a_product_scores_alike_on_every_page(
    opened: Searcher, seed: int, options: SearchOptions, make_query: Callable[..., EncodedQuery]
) -> None:
    query = make_query(opened, seed)
    whole = opened.find_page(query, SearchOptions(top=COUNT, weights=WEIGHTS)).hits
    scores = {hit.product_id: hit.score for hit in whole}
    options = replace(options, weights=WEIGHTS, top=300)
    hits = opened.find_page(query, options).hits
    assert hits
    for hit in hits:
        assert hit.score - (hit.boost or 0) == pytest.approx(scores[hit.product_id], abs=2e-6)


def test_the_place_of_a_product_has_the_score_of_the_page(opened: Searcher) -> None:
    query = lamps(opened, 1)
    for hit in opened.find_page(query, SearchOptions(top=COUNT)).hits[:: COUNT // 20]:
        row = opened.products.row_of(hit.product_id)
        assert row is not None
        assert opened.place(query, row, SearchOptions()).score == hit.score


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("where", [None, "price < 40"])
def test_what_shows_the_excluded_is_neither_counted_nor_in_a_group(
    opened: Searcher, seed: int, where: str | None
) -> None:
    query, options = lamps_not_blue(opened, seed), SearchOptions(where, top=COUNT, weights=WEIGHTS)
    hits = opened.find_page(query, options).hits
    said = opened.find_page(replace(query, without=()), options).hits
    blue = set(opened.products.ids(opened.products.rows_with("blue")))
    assert 0 < len(hits) < len([hit for hit in said if hit.product_id not in blue])
    words = set(opened.products.ids(opened.products.rows_with("red lamp")))
    likely = [hit for hit in hits if hit.probability >= 0.3 or hit.product_id in words]
    assert opened.find_page(query, replace(options, count=True)).match_count == len(likely)
    for hit in opened.find_page(query, replace(options, one_per="parent")).hits:
        same = [each for each in hits if each.metadata["parent"] == hit.metadata["parent"]]
        assert hit.group_size == len(same)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("where", ["price < 40", "brand = 'Ash'"])
def test_no_condition_changes_what_is_excluded(opened: Searcher, seed: int, where: str) -> None:
    query, options = lamps_not_blue(opened, seed), SearchOptions(top=COUNT, weights=WEIGHTS)
    met = set(opened.products.ids(opened.products.rows_where(where)))
    whole = {hit.product_id for hit in opened.find_page(query, options).hits}
    hits = opened.find_page(query, replace(options, where=where)).hits
    assert {hit.product_id for hit in hits} == whole & met != met


def test_a_negation_that_leaves_nothing_over_says_nothing_else(opened: Searcher) -> None:
    options = SearchOptions("brand = 'Ash'", weights=WEIGHTS, count=True, one_per="stock")
    page = opened.find_page(lamps_not_blue(opened, 0), replace(options, where="price > 1e9"))
    assert (page.hits, page.match_count) == ([], 0)


@pytest.mark.parametrize("top", [50, 300])
def test_pictures_count_more_for_a_word_that_no_product_says(opened: Searcher, top: int) -> None:
    query = lamps(opened, 3)
    longer = replace(query, words="red lamp anthracite")
    contained = opened.products.match("red lamp anthracite").most_contained
    assert opened.products.match("red lamp").most_contained == 1 > contained > 0
    pages = [opened.find_page(each, SearchOptions(top=top)).hits for each in (query, longer)]
    of_part = [{hit.product_id: hit.image / hit.text for hit in hits if hit.text} for hits in pages]
    both = [name for name in of_part[0] if name in of_part[1] and of_part[0][name]]
    grown = [of_part[1][name] / of_part[0][name] for name in both]
    assert len(grown) > 3
    assert grown == pytest.approx([1 + 2 * (1 - contained)] * len(grown), rel=0.05)


@pytest.mark.parametrize("image", [0.3, 0.0])
def test_a_picture_may_show_the_words_that_a_text_lacks(opened: Searcher, image: float) -> None:
    query, weights = lamps(opened, 3), {"lexical": 0.7 - image, "text": 0.3, "image": image}
    matches = opened.products.match("red lamp")
    _, pictures = split_parts(opened.ann.vectors(matches.rows))
    likely = opened.encoders.description.calibration.probability(cosines(pictures, query.image))
    likely *= pictures.any(axis=1) & bool(image)
    kept = matches.coverage + (1 - matches.coverage) * likely
    expected = (0.7 - image) * matches.scores * kept / bm25_scale(COUNT)
    by_id = dict(zip(opened.products.ids(matches.rows), expected, strict=True))
    hits = opened.find_page(query, SearchOptions(top=COUNT, weights=weights)).hits
    pictured = {hit.product_id: hit for hit in hits if hit.image or not image}
    checked = [name for name in by_id if name in pictured]
    assert len(checked) > COUNT // 3
    for name in checked:
        assert pictured[name].lexical == pytest.approx(by_id[name], abs=2e-6)
