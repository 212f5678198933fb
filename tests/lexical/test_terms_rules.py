"""A change of the rules that make terms is known, and an index that others made is hinted at."""

import hashlib
import json
import unicodedata
from pathlib import Path

import pytest
from small import products, write
from tiny import night, save_query_encoders

from prodmatch import Query, open_index
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.terms import WORD_RULES, split_terms
from prodmatch.model.description import Model
from prodmatch.storage.atomic import digest_file
from prodmatch.storage.generations import open_generation

HINT = "another version of prodmatch read the words of this index"
SAMPLE = [
    "Women's T-Shirt, long-sleeve; l'oreal no. 5 C++ F# t shirt rock'n'roll d'angelo",
    "480 GB 1,5 l .5 l 1,500 ml 6x330 ml 55\" 3/8'' 5.3 120 cm 20V 1080p 2XL W32/L34 32/34",
    "hx6851/53 GSR12V-15 002.638.50 iPhone13 hdmi2.1 M8x40 06A 115 561 B A4 e-bike size 42",
    "running runs boxes berries glasses organiser organizer",
]
DIGESTS = {1: "21aaa5630fcc9d9e", 2: "93b42f9c218510eb", 3: "8acba71d8c29534b"}


def test_other_terms_have_another_number() -> None:
    letters = filter(is_old_letter, map(chr, range(0xA0, 0x10000)))
    texts = [*SAMPLE, *(f"x{letter}x {letter}{letter}s" for letter in letters)]
    stemmer = Stemmer()
    terms = [stemmer.stems(split_terms(text)) for text in texts]
    found = hashlib.blake2b(repr(terms).encode(), digest_size=8).hexdigest()
    assert found == DIGESTS[WORD_RULES], "raise WORD_RULES, and add the digest under its number"


def is_old_letter(letter: str) -> bool:
    """Whether it is one, in blocks that are small, of every version of Unicode."""
    is_one_of_many = "\u3400" <= letter < "\u4e00" or "\u4e80" <= letter < "\uf900"
    return not is_one_of_many and unicodedata.ucd_3_2_0.category(letter) not in ("Cn", "Co", "Cs")


@pytest.mark.parametrize("rules", [WORD_RULES + 1, None])
def test_words_that_other_rules_made_are_hinted_at(
    rules: int | None, tiny: Model, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    save_query_encoders(store, tiny)
    night(write(tmp_path / "c.parquet", products(9)), tiny, store)
    with open_index(store) as index:
        (answer,) = index.answer([Query("a", "red shirt")])
        assert not any(HINT in hint for hint in answer.hints)
    path = open_generation(store).folder / "manifest.json"
    content = {**json.loads(path.read_bytes()), "word_rules": rules}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    pointer = store / "index" / "CURRENT"
    current = json.loads(pointer.read_bytes())
    pointer.write_text(json.dumps({**current, "manifest_sha256": digest_file(path)}))
    with open_index(store) as index:
        answers = index.answer([Query("a", "red shirt"), Query("b", product_id="p0001")])
        assert [any(HINT in hint for hint in answer.hints) for answer in answers] == [True, False]
