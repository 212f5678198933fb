"""The lexical signal: what counts as the same word, and what a filter may say."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodmatch.errors import DamagedError, QueryError
from prodmatch.lexical.bm25 import FIRST_TERMS
from prodmatch.lexical.spelling import within_edits
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.terms import query_terms, split_terms
from prodmatch.lexical.word_lists.low_information import low_information_weights
from prodmatch.products.filters import connect
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

TEXTS = [
    "Men's Red T-Shirt",
    "Blue tshirt, long-sleeve",
    "Oxford shirt for women",
    "Sony WH-1000XM4 headphones",
    "Café curtains",
    "红色的T恤",
    "เสื้อยืดสีแดง",
    "Sneakers sneakers",
    "Longsleeve top",
    "",
]


def make(folder: Path, texts: list[str]) -> Products:
    folder.mkdir(exist_ok=True)
    table = pa.table(
        {
            "product_id": [f"p{row}" for row in range(len(texts))],
            "text": pa.array([text or None for text in texts], pa.string()),
            "price": [float(row) for row in range(len(texts))],
            "brand name": ["it's" if row % 2 else None for row in range(len(texts))],
        }
    )
    write_products(folder / "products.sqlite", table.schema, table.to_batches(3))
    return Products(folder / "products.sqlite")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Products:
    return make(tmp_path_factory.mktemp("shop"), TEXTS)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("t-shirt", {0, 1}),
        ("tshirt", {0, 1}),
        ("t shirt", {0, 1}),
        ("T-SHIRTS", {0, 1}),
        ("shirts", {0, 2}),
        ("long sleeve", {1, 8}),
        ("longsleeve", {1, 8}),
        ("wh1000xm4", {3}),
        ("WH 1000XM4", {3}),
        ("cafe curtain", {4}),
        ("红色", {5}),
        ("สีแดง", {6}),
        ("sneaker", {7}),
        ("a red", {0}),
        ("a sneaker", {7}),
        ("size m curtain", {4}),
        ("i want curtains", {4}),
        ("s m l top", {8}),
        ("the for with", {2}),
        ("zzzz", set()),
    ],
)
def test_finds_words_however_they_are_written(shop: Products, query: str, rows: set[int]) -> None:
    assert set(shop.match(query).rows.tolist()) == rows


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("قَمِيص قطن", "قميص"),  # vowels
        ("فستان أحمر", "احمر"),  # hamza
        ("حـــذاء", "حذاء"),  # stretched
        ("حقيبة سفر", "حقيبه"),
        ("كرسى", "كرسي"),
        ("کیف چرم", "كيف"),  # letters of Persian
        ("شامبو \u0665\u0660\u0660 مل", "500"),
        ("كابل \u0661\u066b\u0665 متر", "1.5"),
        ("शैम्पू ५०० मिली", "500"),
        ("שִׂמְלָה אדומה", "שמלה"),  # points
    ],
)
def test_marks_and_letters_that_few_type_make_no_other_word(
    tmp_path: Path, written: str, typed: str
) -> None:
    products = make(tmp_path, [written, typed, "mug"])
    assert products.match(typed).rows.tolist() == [0, 1]
    assert 1 in products.match(written).rows


def test_stop_words_say_nothing_beside_others(shop: Products) -> None:
    assert shop.match("the red for").rows.tolist() == [0]


def test_scores_agree_with_bm25_by_hand(tmp_path: Path) -> None:
    shop = make(tmp_path, ["lamp", "lamp lamp chair", "chair vase vase", "table", "bed", "desk"])
    found = shop.match("lamp")
    lengths = np.array([1, 3, 3, 1, 1, 1])
    idf = np.log(1 + (6 - 2 + 0.5) / (2 + 0.5))
    expected = [
        idf * tf * 2.2 / (tf + 1.2 * (1 - 0.75 + 0.75 * length / lengths.mean()))
        for tf, length in ((1, 1), (2, 3))
    ]
    assert found.rows.tolist() == [0, 1]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5)


def test_scores_agree_with_the_full_text_search_of_sqlite(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = ["shirt", "shirts", "running", "red", "caf\u00e9", "\u7ea2\u8272", "xl", "boots"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(60)]
    shop = make(tmp_path, texts)
    reference = sqlite3.connect(":memory:")
    tokenizer = "unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"
    reference.execute(f'CREATE VIRTUAL TABLE words USING fts5 (terms, tokenize="{tokenizer}")')
    stems = Stemmer().stems
    said = ((row, " ".join(stems(split_terms(text)))) for row, text in enumerate(texts))
    reference.executemany("INSERT INTO words (rowid, terms) VALUES (?, ?)", said)
    for query in ("shirt", "red boots", "run caf\u00e9 xl", "\u7ea2\u8272 boot"):
        expected = np.zeros(len(texts))
        forms = [form for term in query_terms(query, lambda _: 0) for form in term.forms]
        for term in stems(forms):
            found = reference.execute(
                "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?", (f'"{term}"',)
            ).fetchall()
            odds = (len(texts) - len(found) + 0.5) / (len(found) + 0.5)
            weight = np.log(1 + odds) / max(np.log(odds), 1e-6)  # ours, for what SQLite has
            for row, score in found:
                expected[row] += weight * score
        matches = shop.match(query)
        assert matches.rows.tolist() == np.flatnonzero(expected).tolist()
        np.testing.assert_allclose(matches.scores, expected[matches.rows], rtol=1e-5)


def test_a_word_that_most_products_say_still_counts(tmp_path: Path) -> None:
    texts = ["blue shirt", "blue shirt women", *["red shirt women"] * 5, *["belt"] * 3]
    assert make(tmp_path, texts).match("blue women").best(1).tolist() == [1]


def test_the_first_words_of_a_long_query_count_most(tmp_path: Path) -> None:
    words = [f"{letter}lamp" for letter in "abcdefghijklmnop"]
    shop = make(tmp_path, [*words, "chair", "bed"])
    found = shop.match(" ".join([*words, f"{words[0]}s"]))  # once more, and no more for that
    assert found.rows.tolist() == list(range(16))
    alone = np.array([shop.match(word).scores[0] for word in words])
    expected = [min(1.0, FIRST_TERMS / position) for position in range(1, 17)]
    np.testing.assert_allclose(found.scores / alone, expected, rtol=1e-6)
    assert expected[FIRST_TERMS - 1] == 1.0 > expected[FIRST_TERMS]


def test_a_letter_is_of_the_word_behind_it_where_products_say_that_as_one(tmp_path: Path) -> None:
    many = ["linen shirt"] * 30
    shop = make(tmp_path, ["tshirt", "usb-c cable", "c light", "cserum", *["serum"] * 30, *many])
    assert shop.match("t shirt").rows.tolist() == [0, *range(34, 64)]  # a tshirt may be a slip
    assert shop.match("t cable").rows.tolist() == [1]
    found = shop.match("vitamin c serum")
    assert found.rows.tolist() == list(range(1, 34))
    less = make(tmp_path / "less", ["tshirt", "linen shirt", "shirt"])
    for query in ("a t shirt", "a t-shirt", "size m t-shirt", "T-Shirt", "s-m-t-shirt"):
        assert less.match(query).rows.tolist() == [0], query


def test_letters_of_an_endless_query_are_not_all_looked_up() -> None:
    looked: list[str] = []

    def count_of(term: str) -> int:
        looked.append(term)
        return 0

    found = query_terms("b red " * 100_000, count_of)
    assert 64 < len(found) < 2_000
    assert len(looked) < 2_000
    looked.clear()
    query_terms("b-" * 100_000 + "red", count_of)
    assert len(looked) < 2_000


def test_low_information_terms_count_less_in_a_long_query_and_take_less_room(
    tmp_path: Path,
) -> None:
    letters = "abcdefgh"
    words = [f"{letter}lamp" for letter in letters]
    shop = make(tmp_path, [*words, "perfect", "chair", "bed"])
    short = shop.match("perfect alamp")
    (alone,) = shop.match("perfect").scores
    assert short.scores[short.rows == 8] == alone
    long = shop.match(" ".join(["perfect", *words]))
    weight = low_information_weights()["perfect"]
    assert 0 < weight < 0.1
    np.testing.assert_allclose(long.scores[long.rows == 8], [weight * alone], rtol=1e-6)
    each = np.array([shop.match(word).scores[0] for word in words])
    expected = [min(1.0, FIRST_TERMS / (position + weight)) for position in range(1, 9)]
    np.testing.assert_allclose(long.scores[:8] / each, expected, rtol=1e-6)


def test_low_information_terms_are_what_titles_do_not_say() -> None:
    weights = low_information_weights()
    assert all(0 < weight < 1 for weight in weights.values())
    assert {"perfect", "features", "elevate", "while"} <= set(weights)
    assert not {"red", "women", "shirt", "chair", "table", "leather", "led"} & set(weights)


def test_rows_beyond_the_products_are_damage(tmp_path: Path) -> None:
    make(tmp_path, TEXTS)
    with sqlite3.connect(tmp_path / "products.sqlite") as connection:
        connection.execute("DELETE FROM products WHERE row > 3")
    with pytest.raises(DamagedError, match=r"products\.sqlite"):
        Products(tmp_path / "products.sqlite").match("sneakers")


def test_a_filter_asked_again_is_remembered_and_cannot_be_spoilt(shop: Products) -> None:
    rows = shop.rows_where("price < 3")
    assert shop.rows_where("price < 3") is rows
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 9


def test_gives_scores_of_any_rows(shop: Products) -> None:
    found = shop.match("red shirt")
    scores = found.of(np.array([3, 0, 2]))
    assert scores[0] == 0.0
    assert scores[1] == found.scores[found.rows.tolist().index(0)] > 0
    assert shop.match("zzzz").of(np.array([1, 2])).tolist() == [0.0, 0.0]


def test_best_takes_the_highest_and_of_equal_ones_the_first(tmp_path: Path) -> None:
    shop = make(tmp_path, ["lamp x", "lamp", "lamp", "lamp y z", "chair", "bed", "desk"])
    assert shop.match("lamp").best(2).tolist() == [1, 2]


def test_within_leaves_others_out(shop: Products) -> None:
    assert shop.match("shirt", np.array([2, 5])).rows.tolist() == [2]


@given(st.text(max_size=60))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_any_text_can_be_asked(text: str) -> None:
    assert all(form for term in query_terms(text, len) for form in term.forms)
    assert all(term and '"' not in term for term in split_terms(text))


def test_any_query_is_safe(shop: Products) -> None:
    for query in ('"', "a OR b", "NEAR(a b)", "terms:red", "red*", "^red", "red\0shirt", "(", "-"):
        shop.match(query)
    assert shop.match("terms:red").rows.tolist() == [0]


@given(st.text("abcd", max_size=7), st.text("abcd", max_size=7))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_edits_agree_with_the_definition(one: str, other: str) -> None:
    def count(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        best = min(count(a[1:], b) + 1, count(a, b[1:]) + 1, count(a[1:], b[1:]) + (a[0] != b[0]))
        if a[:2] == b[:2][::-1] and len(a) > 1 and len(b) > 1:
            best = min(best, count(a[2:], b[2:]) + 1)
        return best

    if len(one) + len(other) <= 9:
        edits = count(one, other)
        assert within_edits(one, other, 2) == (edits if edits <= 2 else None)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("price < 3", [0, 1, 2]),
        ("price BETWEEN 2 AND 3 OR product_id = 'p7'", [2, 3, 7]),
        ("\"brand name\" = 'it''s' AND price > 6", [7, 9]),
        ("lower(product_id) IN ('p1', 'p2') -- a comment", [1, 2]),
        ("price > 100", []),
    ],
)
def test_filters_choose_rows(shop: Products, condition: str, rows: list[int]) -> None:
    assert shop.rows_where(condition).tolist() == rows


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "pric < 3",
        "price <",
        "1) UNION SELECT 1 --",
        "price IN (SELECT price FROM products)",
        "EXISTS (SELECT 1 FROM vocabulary)",
        "load_extension('x')",
        "randomblob(1000000000)",
        "1; DROP TABLE products",
        "a\0b",
    ],
)
def test_anything_else_in_a_filter_is_refused(shop: Products, condition: str) -> None:
    with pytest.raises(
        QueryError, match="Write an SQL condition over product_id, price, brand name"
    ):
        shop.rows_where(condition)


def test_metadata_comes_in_the_order_asked(shop: Products) -> None:
    rows = [7, 0, 3, 7]
    assert [found["product_id"] for found in shop.metadata(rows)] == ["p7", "p0", "p3", "p7"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    shop = make(tmp_path, TEXTS)
    shop.close()
    content = bytearray((tmp_path / "products.sqlite").read_bytes())
    content[100:] = bytes(len(content) - 100)
    (tmp_path / "products.sqlite").write_bytes(content)
    with pytest.raises(DamagedError, match=r"products\.sqlite"):
        Products(tmp_path / "products.sqlite").match("red")


def test_the_file_is_read_only(shop: Products) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connect(shop.path).execute("DELETE FROM products")


def test_damaged_bytes_are_named_whatever_is_asked(tmp_path: Path) -> None:
    """Bits flipped and pages blanked all over the file; the digests are not asked."""
    content = make(tmp_path, TEXTS * 50).path.read_bytes()
    path, rng = tmp_path / "damaged.sqlite", np.random.default_rng(0)
    named = []
    for _ in range(120):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(len(damaged), size=int(rng.choice([1, 50, 1000])))] ^= 16
        page = 4096 * int(rng.integers(len(damaged) // 4096))
        damaged[page : page + int(rng.choice([0, 4096]))] = 0
        path.write_bytes(damaged.tobytes())
        asked: tuple[Callable[[Products], object], ...] = (
            lambda shop: shop.columns,
            lambda shop: shop.metadata([0, 7, 499]),
            lambda shop: shop.match("red sneakers"),
            lambda shop: (shop.counts(["sneakers"]), shop.words_like("s", 6, 9)),
            lambda shop: shop.rows_where("price < 5"),
            lambda shop: shop.row_of("p3"),
        )
        for ask in asked:
            try:
                ask(Products(path))
            except DamagedError as error:
                named.append(str(error))
    assert len(named) > 100
    assert all(str(path) in message for message in named)


def test_up_to_three_neighbours_may_be_one_code() -> None:
    first, *_ = query_terms("wh 1000 xm 4b", lambda _: 0)
    assert "wh1000xm" in first.joined
    assert "wh1000xm4b" not in first.joined


def test_a_letter_is_a_word_of_its_own_where_no_product_joins_it() -> None:
    terms = query_terms("x phone case", lambda _: 0)
    assert [term.typed for term in terms] == [("x",), ("phone",), ("case",)]
