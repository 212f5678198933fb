"""Products that say that they have none of something stay, and are first where it is unwanted."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import night, save_query_encoders

from prodmatch import Answer, Query, SearchOptions, open_index
from prodmatch.model.description import Model
from prodmatch.search.product_index import ProductIndex

CHANCE = 200  # products, of which one says "free" behind a word by chance
COUNT = 12  # enough to learn how near products are to what they contain


@pytest.fixture(scope="module")
def index(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    folder = tmp_path_factory.mktemp("free")
    texts = [
        *(f"red lamp blue number {number}" for number in range(COUNT)),
        *(f"red lamp blue free number {number}" for number in range(COUNT)),
        *(f"red lamp green number {number}" for number in range(COUNT)),
    ]
    with publish(texts, folder, tiny) as opened:
        yield opened


@pytest.fixture(scope="module")
def vases(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    pink = [f"pink vase number {number}" for number in range(CHANCE)]
    texts = [
        *pink,
        "pink free people vase",
        "vase not pink",
        "no pink jug",
        "vase not in pink",
        "green vase",
        "a blue free vase",
    ]
    with publish(texts, tmp_path_factory.mktemp("vases"), tiny) as opened:
        yield opened


def publish(texts: list[str], folder: Path, tiny: Model) -> ProductIndex:
    ids = [f"p{row:02}" for row in range(len(texts))]
    pq.write_table(pa.table({"product_id": ids, "title": texts}), folder / "c.parquet")
    save_query_encoders(folder / "store", tiny)
    night(folder / "c.parquet", tiny, folder / "store")
    return open_index(folder / "store")


def ask(index: ProductIndex, text: str, *, exact: bool = False) -> Answer:
    (answer,) = index.answer([Query(text=text)], SearchOptions(top=300, exact=exact))
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


def test_a_word_before_free_by_chance_is_no_denial(vases: ProductIndex) -> None:
    answer = ask(vases, "pink free people vases")
    assert answer.understood is None
    assert sum("pink vase" in str(hit.metadata["title"]) for hit in answer.hits) == CHANCE
    answer = ask(vases, "vase -pink")
    assert answer.searched_for == "vase"
    assert answer.hits[0].metadata["title"] != "pink free people vase"
    assert all("pink vase" not in str(hit.metadata["title"]) for hit in answer.hits)


@pytest.mark.parametrize("text", ["vases not in pink", "vases not pink", "vases no pink"])
def test_words_behind_not_by_chance_are_a_negation(vases: ProductIndex, text: str) -> None:
    assert ask(vases, text).understood == "without pink"


@pytest.mark.parametrize(("text", "hints"), [("vase pink-free", 1), ("vase blue-free", 0)])
def test_what_nothing_is_said_to_be_free_of_is_hinted_at(
    vases: ProductIndex, text: str, hints: int
) -> None:
    found = [hint for hint in ask(vases, text).hints if "searched for as words" in hint]
    assert len(found) == hints
    assert "'-pink' leaves out what contains it" in " ".join(found) or not hints


DENIALS = [
    ("beer without alcohol", "non-alcoholic beer", "beer with alcohol"),
    ("jam without sugar", "jam no added sugar", "jam with sugar"),
    ("vase without lilies", "vase no lily", "vase with lilies"),
    ("watch without dust", "dust-proof watch", "watch with dust"),
    ("soap without scent", "unscented soap", "soap of rose"),
    ("dress without sleeves", "sleeveless dress", "long dress"),
    ("eggs not organic", "eggs", "organic free range eggs"),
    ("drill no battery", "drill", "battery free tester"),
    ("toner without rum", "toner with rum free gel", "toner with rum gel"),
    ("jelly without rum", "jelly with non rum gel", "jelly with rum gel"),
]


@pytest.fixture(scope="module")
def shop(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    texts = [title for _, *titles in DENIALS for title in titles[::-1]]
    texts += ["grey mug", "cabinet with 2 doors, also without doors", "cabinet without doors"]
    texts += ["cabinet with no doors", "stainless pot", "timeless pot", "zip pot to unzip"]
    with publish(texts, tmp_path_factory.mktemp("shop"), tiny) as opened:
        yield opened


@pytest.mark.parametrize(("text", "first", "other"), DENIALS)
def test_other_forms_deny_too(shop: ProductIndex, text: str, first: str, other: str) -> None:
    titles = [str(hit.metadata["title"]) for hit in ask(shop, text).hits]
    assert titles[0] == first
    if "organic" in other or "with" in other:
        assert other not in titles


@pytest.mark.parametrize("text", ["beer with alcohol", "dress with sleeves"])
def test_what_denies_what_is_wanted_is_left_out(shop: ProductIndex, text: str) -> None:
    answer = ask(shop, text)
    titles = {str(hit.metadata["title"]) for hit in answer.hits}
    assert answer.understood == f"with {text.split()[-1]}"
    assert not titles & {"non-alcoholic beer", "sleeveless dress"}
    assert titles


def test_a_negation_is_of_the_other_spelling_too(shop: ProductIndex) -> None:
    answer = ask(shop, "mug not gray")
    assert answer.understood == "without gray; without grey"
    assert "grey mug" not in {str(hit.metadata["title"]) for hit in answer.hits}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cabinet with doors", {"cabinet with 2 doors, also without doors"}),
        ("cabinet without doors", {"cabinet without doors", "cabinet with no doors"}),
    ],
)
def test_what_says_both_has_it(shop: ProductIndex, text: str, found: set[str]) -> None:
    titles = {str(hit.metadata["title"]) for hit in ask(shop, text).hits}
    assert {title for title in titles if "cabinet" in title} == found


@pytest.mark.parametrize("name", ["stain", "time", "zip"])
def test_stainless_is_no_denial(shop: ProductIndex, name: str) -> None:
    assert ask(shop, f"pot with {name}").understood is None
