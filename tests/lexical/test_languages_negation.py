"""What a query is to be without, in the language of the catalogue."""

# ruff: noqa: RUF001  # letters of other alphabets

from pathlib import Path

import pyarrow as pa
import pytest

from prodmatch.lexical.free_of import find_free_of, find_wanted
from prodmatch.lexical.languages import words_of
from prodmatch.lexical.synonyms import Synonyms
from prodmatch.lexical.understanding import Phrases, understand
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

NO_PHRASE = (lambda _: False, lambda _: False, lambda _: False, False)


@pytest.mark.parametrize(
    ("language", "text", "words", "without"),
    [
        ("german", "Jacke ohne Kapuze", "Jacke", ["kapuze"]),
        ("german", "Jacke ohne die Kapuze für Damen", "Jacke für Damen", ["kapuze"]),
        ("german", "Jacke ohne Kapuze und Futter", "Jacke", ["kapuze", "futter"]),
        ("german", "Ohne Kapuze Jacke rot", "Jacke rot", ["kapuze"]),
        ("czech", "bunda bez kapuce", "bunda", ["kapuce"]),
        ("danish", "jakke uden hætte eller bælte", "jakke", ["hætte", "bælte"]),
        ("dutch", "jas zonder capuchon", "jas", ["capuchon"]),
        ("finnish", "takki ilman huppua", "takki", ["huppua"]),
        ("french", "veste sans la capuche et ceinture", "veste", ["capuche", "ceinture"]),
        ("greek", "μπουφάν χωρίς κουκούλα", "μπουφάν", ["κουκούλα"]),
        ("italian", "giacca senza cappuccio", "giacca", ["cappuccio"]),
        ("norwegian", "jakke uten hette", "jakke", ["hette"]),
        ("polish", "kurtka bez kaptura", "kurtka", ["kaptura"]),
        ("portuguese", "jaqueta sem capuz", "jaqueta", ["capuz"]),
        ("romanian", "geacă fără glugă", "geacă", ["glugă"]),
        ("russian", "куртка без капюшона", "куртка", ["капюшона"]),
        ("spanish", "chaqueta sin la capucha", "chaqueta", ["capucha"]),
        ("swedish", "jacka utan huva", "jacka", ["huva"]),
        ("portuguese", "bolsa no ombro", "bolsa no ombro", []),  # "on the shoulder"
        ("english", "chaqueta bez capucha", "chaqueta bez capucha", []),
        ("german", "Jacke without Kapuze", "Jacke", ["kapuze"]),
    ],
)
def test_a_negation_of_the_language_is_understood(
    language: str, text: str, words: str, without: list[str]
) -> None:
    read = understand(text, Phrases(*NO_PHRASE, words_of(language)))
    assert (read.words, [*read.without]) == (words, without)


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("german", "Jacke mit einer Kapuze", ("kapuze",)),
        ("french", "veste avec capuche", ("capuche",)),
        ("russian", "куртка с капюшоном", ("капюшоном",)),
        ("english", "coat with a hood", ("hood",)),
        ("english", "Jacke mit Kapuze", ()),
        ("turkish", "ceket ile kapüşon", ()),
    ],
)
def test_what_is_wanted_is_named_in_the_language(
    language: str, text: str, wanted: tuple[str, ...]
) -> None:
    assert find_wanted(text, words_of(language)) == wanted


def test_words_that_products_have_so_are_free_of_it() -> None:
    own = words_of("german")
    assert find_free_of("hemd ohne kragen", lambda words: words == ["ohne", "kragen"], own) == (
        "kragen",
    )
    assert find_free_of("hemd ohne kragen", lambda _: False, own) == ()


@pytest.mark.parametrize(
    ("language", "name", "titles", "denying"),
    [
        (
            "german",
            "Alkohol",
            [
                "Bier ohne Alkohol",
                "Bier alkoholfrei",
                "alkoholfreies Bier",
                "Alkohol-freies Bier",
                "Bier mit Alkohol",
                "Bier mit Alkohol, auch ohne Alkohol",
                "Alkoholtester",
            ],
            [0, 1, 2, 3],
        ),
        ("german", "Kapuzen", ["Jacke ohne Kapuze", "Jacke mit Kapuze"], [0]),
        (
            "german",
            "Ärmel",
            ["Hemd ärmellos", "Hemd ohne Ärmel", "Hemd mit langen Ärmeln", "Ärmelschoner"],
            [0, 1],
        ),
        ("dutch", "alcohol", ["Bier zonder alcohol", "Alcoholvrij bier", "met alcohol"], [0, 1]),
        ("swedish", "alkohol", ["Öl utan alkohol", "Alkoholfri öl", "Öl med alkohol"], [0, 1]),
        ("french", "alcool", ["Bière sans alcool", "Bière avec alcool"], [0]),
        ("portuguese", "ombro", ["Bolsa no ombro", "Bolsa sem ombro"], [1]),
        ("russian", "алкоголя", ["Пиво без алкоголя", "Пиво, крепость алкоголя 5%"], [0]),
        ("english", "Alkohol", ["Bier ohne Alkohol", "Bier alkoholfrei"], []),
    ],
)
def test_products_deny_in_their_language(
    language: str, name: str, titles: list[str], denying: list[int], tmp_path: Path
) -> None:
    ids = [f"p{row}" for row in range(len(titles))]
    batch = pa.record_batch({"product_id": ids, "title": titles, "text": titles})
    path = tmp_path / "products.sqlite"
    write_products(path, batch.schema, [batch], Synonyms([], language))
    products = Products(path, language)
    assert products.rows_denying(name).tolist() == denying
    products.close()
