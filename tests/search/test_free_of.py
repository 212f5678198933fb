"""Products that say that they have none of something stay, and are first where it is unwanted."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import night, save_query_encoders

from prodmatch import Answer, Query, SearchOptions, open_index
from prodmatch.model.description import Model
from prodmatch.search.product_index import ProductIndex

COUNT = 12  # enough to learn how near products are to what they contain


@pytest.fixture(scope="module")
def index(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    folder = tmp_path_factory.mktemp("free")
    texts = [
        *(f"red lamp blue number {number}" for number in range(COUNT)),
        *(f"red lamp blue free number {number}" for number in range(COUNT)),
        *(f"red lamp green number {number}" for number in range(COUNT)),
    ]
    ids = [f"p{row:02}" for row in range(len(texts))]
    pq.write_table(pa.table({"product_id": ids, "title": texts}), folder / "c.parquet")
    save_query_encoders(folder / "store", tiny)
    night(folder / "c.parquet", tiny, folder / "store")
    with open_index(folder / "store") as opened:
        yield opened


def ask(index: ProductIndex, text: str, *, exact: bool = False) -> Answer:
    (answer,) = index.answer([Query(text=text)], SearchOptions(top=100, exact=exact))
    return answer


def kinds(answer: Answer) -> list[int]:
    """Which of the three kinds the hits are of: that contain it, deny it, or say nothing of it."""
    return [int(hit.product_id[1:]) // COUNT for hit in answer.hits]


@pytest.mark.parametrize("text", ["red lamp without blue", "red lamp -blue"])
def test_what_denies_it_is_first(index: ProductIndex, text: str) -> None:
    answer = ask(index, text)
    assert (answer.searched_for, answer.understood) == ("red lamp", "without blue")
    assert kinds(answer)[:COUNT] == [1] * COUNT
    assert 0 not in kinds(answer)


@pytest.mark.parametrize("text", ["blue free red lamp", "red lamp blue-free"])
def test_what_contains_it_is_left_out_though_the_words_stay(index: ProductIndex, text: str) -> None:
    answer = ask(index, text)
    assert (answer.searched_for, answer.understood) == (None, "without blue")
    assert kinds(answer) == [1] * COUNT + [2] * COUNT
    assert 0 in kinds(ask(index, text, exact=True))


def test_what_is_not_free_of_it_is_all_but_what_denies_it(index: ProductIndex) -> None:
    answer = ask(index, "red lamp not blue free")
    assert (answer.searched_for, answer.understood) == ("red lamp", "without blue free")
    assert 1 not in kinds(answer)
    assert 0 in kinds(answer)
