"""A catalogue's words tell its language, by which they are stemmed and stop words left out."""

# ruff: noqa: RUF001  # letters of other alphabets

import tomllib
from pathlib import Path

import pyarrow as pa
import pytest
import Stemmer as snowball

import prodmatch.lexical
from prodmatch.errors import SynonymsError
from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import COMPOUNDING, LANGUAGES, detect_language, words_of
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonym_files import read_synonyms
from prodmatch.lexical.synonyms import PhraseFinder, Rule, Synonyms
from prodmatch.lexical.terms import query_terms
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

TITLES = {
    "czech": "Pánské boty černé; Dámské šaty s květy; Kávovar na kapsle; Kryt pro telefon",
    "danish": "Løbesko til herre sort; Kjole med blomster; Bord af egetræ; Sengetøj bomuld hvid",
    "dutch": "Hardloopschoenen heren zwart; Jurk met bloemen; Tafel van hout; Hoesje voor iPhone",
    "english": "Running shoes for men; Dress with flowers; Oak table; Case for iPhone 13",
    "finnish": "Miesten kengät musta; Naisten mekko; Valaisin ja kaukosäädin; Puutarhatuoli vihreä",
    "french": "Chaussures homme noires; Robe à fleurs pour femme; Sac en cuir; Table en bois",
    "german": "Laufschuhe Herren schwarz; Kleid mit Blumen; Tisch aus Holz; Hülle für iPhone",
    "greek": "Ανδρικά παπούτσια για τρέξιμο; Φόρεμα με λουλούδια; Τραπέζι από ξύλο; Στυλό πράσινο",
    "hungarian": "Férfi cipő fekete; Női ruha; Kávéfőző és időzítő; Pamut ágynemű fehér",
    "italian": "Scarpe da uomo nere; Vestito con fiori donna; Borsa in pelle; Tavolo in legno",
    "norwegian": "Løpesko til herre svart; Kjole med blomster; Bord av eik; Sengetøy hvit",
    "polish": "Buty męskie czarne; Sukienka w kwiaty damska; Stolik z drewna; Etui na telefon",
    "portuguese": "Tênis masculino preto; Vestido com flores; Bolsa em couro; Capa para iPhone",
    "romanian": "Pantofi bărbați negru; Rochie cu flori; Geantă din piele; Husă pentru iPhone",
    "russian": "Кроссовки мужские; Платье женское с цветами; Стол из дуба; Чехол для iPhone",
    "spanish": "Zapatillas hombre negras; Vestido con flores; Mesa de madera; Funda para iPhone",
    "swedish": "Löparskor för herr; Klänning med blommor; Bord av ek; Påslakan bomull vit",
    "turkish": "Erkek ayakkabı siyah; Kadın elbise; iPhone için kılıf mavi; Ahşap sehpa",
}
ENGLISH_ENDS = ("for men", "women set", "with brush", "black wood")
ONE_WORD = {  # a word of products in two forms, the language's stemmer joining what English's parts
    "czech": "kabelka kabelky",
    "danish": "kjole kjoler",
    "dutch": "jurk jurken",
    "finnish": "mekko mekot",
    "french": "manteau manteaux",
    "german": "hemden hemd",
    "greek": "φόρεμα φορέματα",
    "hungarian": "cipő cipők",
    "italian": "borsa borse",
    "norwegian": "veske vesker",
    "polish": "torebka torebki",
    "portuguese": "vermelho vermelha",
    "romanian": "pantof pantofi",
    "russian": "красный красные",
    "spanish": "rojo roja",
    "swedish": "klänning klänningar",
    "turkish": "gömlek gömlekler",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_few_titles_tell_their_language(language: str) -> None:
    assert detect_language(TITLES[language].split("; ")) == language


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["GSR 12V-15", "DHP453Z"],
        ["La Perla Slip", "La Perla Top", "La Roche-Posay Lipikar"],  # a word of brands alone
        ["Robe di Kappa Shorts", "De'Longhi Dedica", "L'Oréal", *["Shorts for men with belt"] * 9],
        ["Tisch aus Holz"] * 99,  # one text, whatever number of products have it
        [f"{letter} bolt" for letter in "aisouvz"],  # no words of Czech
        [*(f"GSR {number}V-15" for number in range(97)), "De Longhi", "La Perla", "El Corte"],
        [f"La Roche de Posay et {end} {each}" for each in range(9) for end in ENGLISH_ENDS],
        ["茶杯", "電気ケトル"],
        [
            *(f"Domaine de la Croix du {each} sur Lie" for each in range(20)),
            *(f"Les Fils de {each}. Plum and oak" for each in "abc"),
        ],
    ],
)
def test_what_tells_no_other_language_is_english(texts: list[str]) -> None:
    assert detect_language(texts) == "english"


@pytest.mark.parametrize(
    ("title", "others"),
    [
        ("Tisch aus Holz für Herren", 1),  # neither "und" nor "mit", but hardly any English either
        ("Tisch und Stuhl für Herren mit Lehne", 5),
    ],
)
def test_a_few_english_sentences_make_no_shop_english(title: str, others: int) -> None:
    letters = [f"{title} {one}{other}" for one in "abcdef" for other in "vwxyz"]
    sentences = [f"Case with {letter}ox" for letter in "fbhpt"[:others]]
    assert detect_language([*letters, *sentences]) == "german"


def test_gold_is_no_english_word_of_sentences() -> None:
    rings = [f"Bague or jaune {each} de la maison du bijou" for each in range(30)]
    assert detect_language(rings) == "french"


def test_most_texts_decide() -> None:
    german, english = (TITLES[name].split("; ") for name in ("german", "english"))
    assert detect_language([*german, *english[:1]]) == "german"
    assert detect_language([*german[:1], *english]) == "english"
    others = [f"{end} {each}" for each in range(3) for end in ENGLISH_ENDS]
    assert detect_language(["Tisch aus Holz für Herren"] * 99 + others) == "english"  # one text


@pytest.mark.parametrize(("language", "words"), ONE_WORD.items())
def test_forms_of_a_word_have_one_stem(language: str, words: str) -> None:
    forms = fold(words).split()
    assert len(set(Stemmer(language).stems(forms))) == 1
    assert len(set(Stemmer().stems(forms))) == 2


@pytest.mark.parametrize(
    ("language", "query", "terms"),
    [
        ("english", "the ring of gold", ["ring", "gold"]),
        ("french", "bague en or", ["bague", "or"]),
        ("french", "thé vert", ["the", "vert"]),
        ("german", "Geschenk für den Mann", ["geschenk", "mann"]),
        ("german", "für", ["fur"]),
        ("russian", "чай с лимоном", ["чай", "лимоном"]),
    ],
)
def test_a_query_is_searched_without_the_stop_words_of_its_language(
    language: str, query: str, terms: list[str]
) -> None:
    found = query_terms(query, lambda _: 1, language)
    assert [term.typed[0] for term in found] == terms


def test_words_of_other_languages_have_their_full_weight_in_long_queries(tmp_path: Path) -> None:
    query = "perfect tisch hose rock hemd uhr ring"
    scores: dict[str, float] = {}
    for language in ("english", "german"):
        batch = pa.record_batch({"product_id": ["a", "b"], "text": ["perfect lampe", "stuhl"]})
        path = tmp_path / language
        write_products(path, batch.schema, [batch], Synonyms([], language))
        products = Products(path, language)
        (scores[language],) = products.match(query).scores.tolist()
        products.close()
    assert scores["german"] > 1.5 * scores["english"]


def test_synonyms_are_compared_by_stems_of_the_language(tmp_path: Path) -> None:
    rules = [Rule("туфли", ("обувь",)), Rule("красное платье", ("сарафан",))]
    synonyms = Synonyms(rules, "russian")
    assert synonyms.has_word("туфля")
    assert not Synonyms(rules).has_word("туфля")
    assert PhraseFinder(synonyms).find("красные платья") == ["красн плат"]
    assert PhraseFinder(Synonyms(rules)).find("красные платья") == []
    batch = pa.record_batch({"product_id": ["a"], "text": ["Туфля"]})
    write_products(tmp_path / "products", batch.schema, [batch], synonyms)
    products = Products(tmp_path / "products", "russian")
    assert products.count_of_phrase("туфли") == 1
    products.close()


def test_synonyms_of_stop_words_of_the_language_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("für, Kleid\n")
    with pytest.raises(SynonymsError, match="'für' has no word that is searched for"):
        read_synonyms(path, "german")
    assert len(read_synonyms(path).rules) == 2


def test_the_lists_are_of_languages_that_can_be_stemmed() -> None:
    path = Path(prodmatch.lexical.__file__).parent / "word_lists/languages.toml"
    lists = tomllib.loads(path.read_text(encoding="utf-8"))
    assert ["english", *lists] == [*LANGUAGES]
    assert set(LANGUAGES) <= {*snowball.algorithms()}
    assert set(LANGUAGES) > COMPOUNDING
    for language, words in lists.items():
        uses = ("telling", "stop", "without", "having", "joining")
        listed = [word for use in uses for word in words.get(use, "").split()]
        assert len(set(listed)) == len(listed), language
        assert {*map(fold, listed)} == words_of(language).telling | words_of(language).stop
        assert {*map(fold, words.get("lacking", "").split())} == words_of(language).lacking
