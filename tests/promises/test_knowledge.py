"""A text that the encoder does not know has no vector, and no probability comes of it."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import Row, draw, write
from tiny import night, save_query_encoders
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.search.encoded_query import EncodedQuery

PIECES = ["[PAD]", "[UNK]", "red", "shirt", "b", "##0", "##7", "##x"]
PIECES += ["x", "wh", "1000", "##m", "##63"]


@pytest.fixture(scope="module")
def index(base: Path) -> Iterator[ProductIndex]:
    with open_index(base / "store") as opened:
        yield opened


def knowledge_of(index: ProductIndex, tokens: list[str], text: str) -> float:
    """What encoders with a vocabulary of pieces of words know of a text."""
    encoders = QueryEncoders(index.searcher.encoders.folder)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    vars(encoders)["_tokenizer"] = tokenizer
    return encoders.knowledge(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red shirt", 1.0),
        ("red zzz", 0.5),
        ("\u0639\u0637\u0631", 0.0),
        ("\u886c\u886b", 0.0),
        ("\U0001f389\U0001f389", 0.0),
        ("b07x", 0.0),  # spelled letter by letter
        ("x", 0.0),
        ("x red", 0.75),
        ("wh-1000xm", 0.0),  # short pieces of a code mean nothing
        ("red wh-1000xm", 7 / 11),
        ("100063", 0.0),  # nor do numbers alone
        ("", 0.0),
        ("-", 0.0),
    ],
)
def test_knowledge_is_the_share_of_letters_in_tokens_that_mean_something(
    index: ProductIndex, text: str, expected: float
) -> None:
    assert knowledge_of(index, PIECES, text) == pytest.approx(expected)


def test_a_sign_is_known_to_an_encoder_of_its_script(index: ProductIndex) -> None:
    signs = [chr(0x4E00 + number) for number in range(3000)]
    assert knowledge_of(index, ["[PAD]", "[UNK]", *signs], "\u4e01\u4e02") == 1.0
    assert knowledge_of(index, ["[PAD]", "[UNK]", *signs[:90]], "\u4e01\u4e02") == 0.0


UNKNOWN = [
    "\u0639\u0637\u0631",
    "\u886c\u886b",
    "\u0440\u0443\u0431\u0430\u0448\u043a\u0430",
    "\U0001f389q",
    "B07XJ8C8F5",
    "zzzz",
    "4006381333931",
    "\u03a6\u03cc\u03c1\u03b5\u03bc\u03b1",
    "xq-77",
]


@pytest.mark.parametrize("text", UNKNOWN)
def test_an_unknown_text_has_no_vector_and_finds_nothing_by_likeness(
    index: ProductIndex, text: str
) -> None:
    encoded = index.searcher.encode_one(Query(text=text), exact=True)
    assert not encoded.text.any()
    assert not encoded.image.any()
    (answer,) = index.answer([Query(text=text)])
    assert answer.hits == []
    assert "the model does not know" in answer.hints[-1]


@pytest.mark.parametrize(
    "text",
    [
        "\uff32\uff45\uff44\u3000\uff53\uff48\uff49\uff52\uff54",
        "\U0001d411\U0001d41e\U0001d41d shirt",
    ],
    ids=["full width", "mathematical"],
)
def test_letters_in_other_forms_are_known(index: ProductIndex, text: str) -> None:
    (found,), (plain,) = (index.answer([Query(text=each)]) for each in (text, "Red shirt"))
    assert found.searched_for == "Red shirt"
    pairs = zip(found.hits, plain.hits, strict=True)
    assert all((a.product_id, a.probability) == (b.product_id, b.probability) for a, b in pairs)


@pytest.mark.parametrize("min_probability", [0.0, 0.2])
def test_products_that_contain_unknown_words_have_no_probability_and_it_says_so(
    tiny: Model, tmp_path: Path, min_probability: float
) -> None:
    rows: list[Row] = [
        {"product_id": f"p{number:02}", "title": f"red shirt qx77 {'small' * (number % 2)}"}
        for number in range(40)
    ]
    save_query_encoders(tmp_path / "store", tiny)
    night(write(tmp_path / "catalogue.parquet", rows), tiny, tmp_path / "store")
    with open_index(tmp_path / "store") as opened:
        options = SearchOptions(min_probability=min_probability)
        (answer,) = opened.answer([Query(text="qx77")], options)
    assert len(answer.hits) == (0 if min_probability else 10)
    assert not any(hit.probability for hit in answer.hits)
    assert "they alone are compared" in answer.hints[-1]


def test_a_picture_beside_an_unknown_text_is_searched_alone(index: ProductIndex) -> None:
    picture = draw((200, 20, 20), 1)
    both, alone = index.searcher.encode([Query(text="zzzz", image=picture), Query(image=picture)])
    np.testing.assert_array_equal(both.image, alone.image)  # type: ignore[union-attr]


def test_a_probability_is_never_above_the_share_that_is_known(index: ProductIndex) -> None:
    half = index.answer([Query(text="red zzz")])[0].hits
    full = index.answer([Query(text="red")])[0].hits
    assert max(hit.probability for hit in half) <= 0.5
    assert max(hit.probability for hit in full) > 0.5


def test_hits_below_the_least_probability_are_left_out(index: ProductIndex) -> None:
    every = index.answer([Query(text="red shirt")], SearchOptions(top=1000))[0].hits
    least = sorted(hit.probability for hit in every)[len(every) // 2]
    options = SearchOptions(min_probability=least - 1e-6, top=1000)  # hits are rounded
    some = index.answer([Query(text="red shirt")], options)[0].hits
    kept = [hit.product_id for hit in every if hit.probability >= least]
    assert [hit.product_id for hit in some] == kept
    assert 0 < len(some) < len(every)


def test_words_alone_find_only_what_contains_them_with_the_probability_of_its_vectors(
    index: ProductIndex,
) -> None:
    (answer,) = index.answer(
        [Query(text="shirt")], SearchOptions(weights={"lexical": 1.0}, top=100)
    )
    assert answer.hits
    assert all("shirt" in str(hit.metadata["title"]).lower() for hit in answer.hits)
    both = {"lexical": 0.0, "text": 1.0, "image": 1.0}
    (vectors,) = index.answer([Query(text="shirt")], SearchOptions(weights=both, top=100))
    expected = {hit.product_id: hit.probability for hit in vectors.hits}
    found = [(hit.probability, expected[hit.product_id]) for hit in answer.hits]
    assert [pytest.approx(there, abs=1e-5) for _, there in found] == [here for here, _ in found]


def test_where_no_hit_is_likely_enough_the_best_one_is_named(index: ProductIndex) -> None:
    (first,) = index.answer([Query(text="red shirt")], SearchOptions(top=1))
    options = SearchOptions(min_probability=0.9999)
    (answer,) = index.answer([Query(text="red shirt")], options)
    assert answer.hits == []
    best = first.hits[0].probability
    assert answer.hints == (f"the best hit has a probability of {best:.3f}",)


SYLLABLES = ["ba", "bu", "da", "fo", "gi", "ka", "ko", "lu", "mi", "no", "pu", "ro", "vo", "zu"]
NONSENSE = ["".join(random.Random(seed).choices(SYLLABLES, k=5)) for seed in range(40)]


def test_words_in_no_vocabulary_are_no_certainty(index: ProductIndex) -> None:
    queries = [Query(word, word) for word in NONSENSE]
    for answer in index.answer(queries, SearchOptions(top=60)):
        assert answer.hints
        assert all(hit.probability <= 0.25 for hit in answer.hits)
    for word in NONSENSE[:5]:
        (encoded,) = index.searcher.encode([Query("a", f"red {word}"), Query("b", "red")])[:1]
        assert encoded.certainty == pytest.approx(1 - 0.75 * len(word) / (len(word) + 3))


def test_probabilities_are_times_the_certainty(index: ProductIndex) -> None:
    (encoded,) = index.searcher.encode([Query(text="red shirt")])
    assert isinstance(encoded, EncodedQuery)
    certain, half = (
        index.searcher.find_page(replace(encoded, certainty=certainty), SearchOptions()).hits
        for certainty in (1.0, 0.5)
    )
    expected = [hit.probability / 2 for hit in certain]
    assert [hit.probability for hit in half] == pytest.approx(expected, abs=1e-6)
