"""Limits of a price in a query, the currencies they name, and limits that are of no price."""

from dataclasses import replace

import pytest
from phrases import KNOWN, known, nothing

from prodmatch.lexical.prices.column_names import is_currency, is_product_price
from prodmatch.lexical.prices.currencies import currency_of_name, may_be
from prodmatch.lexical.understanding import understand
from prodmatch.names import name_words

LIMITS = [
    ("shoes under $50", ["< 50"]),
    ("shoes under 50", ["< 50"]),
    ("shoes under 50 for women", ["< 50"]),
    ("shoes under 49.99", ["< 49.99"]),
    ("shoes under $ 50", ["< 50"]),
    ("shoes under 50$", ["< 50"]),
    ("shoes < $50", ["< 50"]),
    ("shoes below 50 eur", ["< 50"]),
    ("shoes less than 50 dollars", ["< 50"]),
    ("shoes for less than 50 bucks", ["< 50"]),
    ("cheaper than 30 shoes", ["< 30"]),
    ("shoes up to 40", ["<= 40"]),
    ("shoes at most 40", ["<= 40"]),
    ("shoes max 30", ["<= 30"]),
    ("shoes maximum 30 euro", ["<= 30"]),
    ("shoes no more than 50", ["<= 50"]),
    ("shoes not over 50", ["<= 50"]),
    ("shoes over 20", ["> 20"]),
    ("shoes above \u00a320", ["> 20"]),
    ("shoes more than 20 usd", ["> 20"]),
    ("shoes at least 30", [">= 30"]),
    ("shoes min 30", [">= 30"]),
    ("shoes not under 20", [">= 20"]),
    ("shoes from $20", [">= 20"]),
    ("shoes starting at 20 eur", [">= 20"]),
    ("shoes between 20 and 40", [">= 20", "<= 40"]),
    ("shoes between $40 and $20", [">= 20", "<= 40"]),
    ("shoes 20-40 dollars", [">= 20", "<= 40"]),
    ("shoes $20-$40", [">= 20", "<= 40"]),
    ("shoes $20 to $40", [">= 20", "<= 40"]),
    ("shoes 20 \u2013 40 eur", [">= 20", "<= 40"]),
    ("shoes from 20 to 40 euros", [">= 20", "<= 40"]),
    ("shoes priced between 20 and 40", [">= 20", "<= 40"]),
    ("price under 30 shoes", ["< 30"]),
    ("shoes budget 20-40", [">= 20", "<= 40"]),
    ("shoes 50 dollars or less", ["<= 50"]),
    ("shoes $50 and under", ["<= 50"]),
    ("shoes $20+", [">= 20"]),
    ("shoes $20 and up", [">= 20"]),
    ("shoes under 2k", ["< 2000"]),
    ("shoes over 1,299.50 usd", ["> 1299.5"]),
    ("shoes under \u20ac1.299,00", ["< 1299"]),
    ("shoes over $20 under $40", ["> 20", "< 40"]),
    ("shoes under rs. 500", ["< 500"]),
    ("shoes <20", ["< 20"]),
    ("shoes < 20", ["< 20"]),
    ("shoes <= 50", ["<= 50"]),
    ("shoes \u2264 50", ["<= 50"]),
    ("shoes >=20 <=40", [">= 20", "<= 40"]),
    ("<20 shoes", ["< 20"]),
    ("shoes price<50", ["< 50"]),
    ("shoes over 20 under 40", ["> 20", "< 40"]),
    ("shoes over 20 and under 40", ["> 20", "< 40"]),
    ("shoes under twenty dollars", ["< 20"]),
    ("shoes under twenty-five", ["< 25"]),
    ("shoes at least thirty euros", [">= 30"]),
    ("shoes under a hundred dollars", ["< 100"]),
    ("shoes below two thousand five hundred rupees", ["< 2500"]),
    ("shoes between twenty and forty", [">= 20", "<= 40"]),
    ("shoes between one hundred and two hundred and fifty dollars", [">= 100", "<= 250"]),
    ("shoes max 30 eur", ["<= 30"]),
    ("shoes max price 30", ["<= 30"]),
    ("shoes maximum price of 30", ["<= 30"]),
    ("shoes 20-40 $", [">= 20", "<= 40"]),
    ("shoes 20..40 usd", [">= 20", "<= 40"]),
    ("shoes sub $50", ["< 50"]),
    ("shoes sub-$50", ["< 50"]),
    ("shoes within $50", ["<= 50"]),
    ("shoes not exceeding 50", ["<= 50"]),
    ("shoes budget 50", ["<= 50"]),
    ("shoes with a budget of 50", ["<= 50"]),
    ("shoes less expensive than 20", ["< 20"]),
    ("shoes no cheaper than 20", [">= 20"]),
    ("shoes not more expensive than 20", ["<= 20"]),
    ("shoes less than or equal to 50", ["<= 50"]),
    ("shoes greater than 20", ["> 20"]),
    ("shoes starting from 20", [">= 20"]),
    ("shoes under 1 000 eur", ["< 1000"]),
    ("shoes cheaper than 1 299,50 \u20ac", ["< 1299.5"]),
    ("shoes cheaper than 1\u202f299 \u20ac", ["< 1299"]),
    ("shoes less than $1 299", ["< 1299"]),
    ("shoes under \u20ac 1\u00a0299", ["< 1299"]),
    ("shoes from 1 000,00 \u20ac to 2 000,00 \u20ac", [">= 1000", "<= 2000"]),
    ("shoes under 10 000", ["< 10000"]),
    ("shoes under \u20ac50,-", ["< 50"]),
    ("shoes 30 or cheaper", ["<= 30"]),
    ("shoes under 500 cents", ["< 5"]),
    ("shoes under 500\u00a2", ["< 5"]),
    ("shoes under 99p", ["< 0.99"]),
    ("shoes between 50 and 99 pence", [">= 0.5", "<= 0.99"]),
    ("shoes under 5 dollars and 50 cents", ["< 5.5"]),
    ("shoes under 5\u20ac50", ["< 5.5"]),
    ("shoes under $.99", ["< 0.99"]),
    ("shoes under \u20ac0.999", ["< 0.999"]),
    ("shoes below 1,5k", ["< 1500"]),
    ("shoes under 2 thousand dollars", ["< 2000"]),
    ("shoes under 1 lakh", ["< 100000"]),
    ("shoes under $1M", ["< 1000000"]),
    ("shoes under 1'000 chf", ["< 1000"]),
    ("shoes under 30.-", ["< 30"]),
    ("shoes below twenty-five euros", ["< 25"]),
    ("shoes under a dollar", ["< 1"]),
    ("shoes under a tenner", ["< 10"]),
    ("shoes less then 20 bucks", ["< 20"]),
    ("shoes under 30 pounds sterling", ["< 30"]),
    ("shoes under 300 kr", ["< 300"]),
    ("shoes under 300 z\u0142", ["< 300"]),
    ("shoes under 50 US dollars", ["< 50"]),
    ("shoes under HK$50", ["< 50"]),
    ("shoes under 500 pesos", ["< 500"]),
    ("shoes unter 20 euro", ["< 20"]),
    ("shoes bis 20\u20ac", ["<= 20"]),
    ("shoes zwischen 10 und 20 euro", [">= 10", "<= 20"]),
    ("shoes moins de 20 euros", ["< 20"]),
    ("shoes not costing more than $20", ["<= 20"]),
    ("shoes not cheaper than 20", [">= 20"]),
    ("shoes that cost less than $20", ["< 20"]),
    ("shoes max budget $20", ["<= 20"]),
    ("shoes $20 minimum", [">= 20"]),
    ("shoes exactly $20", ["= 20"]),
    ("shoes only under $20 please", ["< 20"]),
    ("shoes sotto i 20 euro", ["< 20"]),
    ("shoes onder 20 euro", ["< 20"]),
    ("shoes abaixo de R$ 20", ["< 20"]),
    ("shoes fino a 20 \u20ac", ["<= 20"]),
    ("shoes tussen 20 en 30 euro", [">= 20", "<= 30"]),
    ("shoes tra 20 e 30 euro", [">= 20", "<= 30"]),
    ("shoes max.20\u20ac", ["<= 20"]),
    ("shoes between 20 & 40 dollars", [">= 20", "<= 40"]),
    ("shoes 20<price<40", ["> 20", "< 40"]),
    ("shoes 20 <= price < 40", [">= 20", "< 40"]),
    ("shoes bis max. 40 \u20ac", ["<= 40"]),
    ("shoes bis maximal 40 Euro", ["<= 40"]),
    ("shoes f\u00fcr bis zu 30 Euro", ["<= 30"]),
    ("shoes \u00e0 moins de 40 \u20ac", ["< 40"]),
    ("shoes de moins de 40 euros", ["< 40"]),
    ("shoes \u00e0 partir de 40 \u20ac", [">= 40"]),
    ("shoes ab 20 \u20ac", [">= 20"]),
    ("shoes desde 20 euros", [">= 20"]),
    ("shoes vanaf 20 euro", [">= 20"]),
    ("shoes do 50 z\u0142", ["<= 50"]),
    ("shoes od 50 z\u0142", [">= 50"]),
    ("shoes до 500 \u0440\u0443\u0431.", ["<= 500"]),
    ("shoes от 500 рублей", [">= 500"]),
    ("shoes up to 50 lei", ["<= 50"]),
    ("shoes USD 20-40", [">= 20", "<= 40"]),
    ("shoes under CHF 1'000", ["< 1000"]),
    ("shoes under kr 500", ["< 500"]),
]


UNREAD = [
    ("mug twenty euros", ["twenty euros"]),
    ("book after 2000", ["after 2000"]),
    ("books between 1990 and 2000", ["between 1990 and 2000"]),
    ("lamp at least 500 lumens", ["at least 500 lumens"]),
    ("bank at least 20,000mAh", ["at least 20,000mAh"]),
    ("bank between 10 and 20,000mAh", ["between 10 and 20,000mAh"]),
    ("bank 10,000-20,000mAh max", []),
    ("pencil 0.5mm max", ["0.5mm max"]),
    ("shelf 30 cm min", ["30 cm min"]),
    ("mug under 20 inches", ["under 20 inches"]),
    ("mug under 5 kg", ["under 5 kg"]),
    ("mug max 500ml", ["max 500ml"]),
    ("laptop under 15 inch", ["under 15 inch"]),
    ("rug between 4 and 6 feet", ["between 4 and 6 feet"]),
    ("dumbbell under 20 pounds", ["under 20 pounds"]),
    ("mug over 3 stars", ["over 3 stars"]),
    ("shoes not over 500 g", ["not over 500 g"]),
    ("bag 20l or less", ["20l or less"]),
    ("monitor 144 hz or more", ["144 hz or more"]),
    ("cream spf over 30", ["over 30"]),
    ("sheets thread count over 400", ["over 400"]),
    ("ring over 14k", ["over 14k"]),
    ("projector over 1080p", ["over 1080p"]),
    ("mug under 99ct", ["under 99ct"]),
    ("mug under 20 ceramic", ["under 20 ceramic"]),
    ("mug under 50% off", ["under 50%"]),
    ("mug from 10 to 20", ["from 10 to 20"]),
    ("mug about $20", ["about $20"]),
    ("tv under 700 55 inch", ["under 700"]),
    ("mug unter 20", ["unter 20"]),
    ("mug moins de 20", ["moins de 20"]),
    ('"20 cm" mug unter 20', ["unter 20"]),
    ("mug for 20 dollars", ["for 20 dollars"]),
    ("mug with a price of 20", ["price of 20"]),
    ("nike shoes air max 95", []),
    ("shoes air max90", []),
    ("pan non stick max 90", []),
    ("i <3 you mug", []),
    ("dress under armour", []),
    ("seeds from 20", []),
    ("cable less than 10 inches", ["less than 10 inches"]),
    ("mug over 9000", ["over 9000"]),
    ("watch bigger than 40mm", ["bigger than 40mm"]),
    ("phone lighter than 200 g", ["lighter than 200 g"]),
    ("light under 3000k", ["under 3000k"]),
    ("table for over 6", ["over 6"]),
    ("watch under 40-mm", ["under 40"]),
    ("watch not between 20 and 40", ["between 20 and 40"]),
    ("608-2rs bearing", []),
    ("6204-2RS", []),
    ("6204 2rs bearing", []),
    ("bearing for 2 rs", ["for 2 rs"]),
]


def test_a_quantity_after_a_price_is_no_thousands() -> None:
    found = understand("shampoo under $20 500 ml", KNOWN)
    assert [limit.condition("price") for limit in found.limits] == ["price < 20"]


@pytest.mark.parametrize(("text", "limits"), LIMITS)
def test_a_limit_of_a_price_is_understood(text: str, limits: list[str]) -> None:
    found = understand(text, KNOWN)
    assert [limit.condition("price") for limit in found.limits] == [f"price {x}" for x in limits]
    kept = [word for word in text.split() if word in ("shoes", "for", "women") and found.words]
    assert found.unread == ()
    assert found.words.split()[0] == "shoes"
    assert set(found.words.split()) <= set(kept)
    assert understand(text, KNOWN, limits=False).limits == ()


@pytest.mark.parametrize(("text", "unread"), UNREAD)
def test_a_limit_that_is_of_no_price_is_named(text: str, unread: list[str]) -> None:
    found = understand(text, KNOWN)
    assert (found.words, found.limits, list(found.unread)) == (text, (), unread)


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("shoes under $5", "$", "CAD"),
        ("shoes under 5 euro", "EUR", "EUR"),
        ("shoes under 99p", "GBP", "GBP"),
        ("shoes under 300 kr", "kr", "SEK"),
        ("shoes under 500 yen", "JPY", "JPY"),
        ("shoes under A$5", "AUD", "AUD"),
        ("shoes under 5 TRY", "TRY", "TRY"),
        ("shoes under 500 cents", "", "EUR"),
    ],
)
def test_a_currency_is_read(text: str, currency: str, code: str) -> None:
    (limit,) = understand(text, KNOWN).limits
    assert limit.currency == currency
    assert may_be(currency, code)
    assert may_be(currency, "THB") == (not currency)


POUNDS = [
    ("shoes under 50 pounds", ["< 50"]),
    ("shoes max 30 pound", ["<= 30"]),
    ("shoes between 20 and 40 pounds", [">= 20", "<= 40"]),
    ("shoes 20-40 pounds", [">= 20", "<= 40"]),
    ("shoes 40 Pounds or less", ["<= 40"]),
    ("shoes under 1k pounds", ["< 1000"]),
    ("shoes under forty pounds", ["< 40"]),
    ("shoes under 5 pounds sterling", ["< 5"]),
]


@pytest.mark.parametrize(("text", "limits"), POUNDS)
def test_pounds_are_money_where_prices_are_in_pounds(text: str, limits: list[str]) -> None:
    found = understand(text, replace(KNOWN, are_pounds_money=True))
    assert [limit.condition("price") for limit in found.limits] == [f"price {x}" for x in limits]
    assert found.words == "shoes"
    assert all(may_be(limit.currency, "GBP") for limit in found.limits)
    assert not any(may_be(limit.currency, "USD") for limit in found.limits)


@pytest.mark.parametrize(
    "text", ["dumbbell 20 pounds", "bag weighing under 20 pounds", "dumbbell 9 kg under 20 pounds"]
)
def test_pounds_of_a_weight_stay_words(text: str) -> None:
    found = understand(text, replace(KNOWN, are_pounds_money=True))
    assert (found.words, found.limits) == (text, ())


@pytest.mark.parametrize(
    ("name", "currency"),
    [
        ("price_eur", "EUR"),
        ("Price (\u00a3)", "GBP"),
        ("Preis \u20ac", "EUR"),
        ("price_pounds", "pounds"),
        ("price_in_dollars", "$"),
        ("price_pence", "GBP"),
        ("pris_kr", "kr"),
        ("price_p", ""),
        ("sale_price", ""),
        ("Verkaufspreis", ""),
    ],
)
def test_the_name_of_a_column_says_its_currency(name: str, currency: str) -> None:
    assert currency_of_name(name_words(name), name) == currency


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("currency", True),
        ("price_currency_code", True),
        ("W\u00e4hrung", True),
        ("devise", True),
        ("shipping_currency", False),
        ("price", False),
    ],
)
def test_a_column_of_currencies_is_known_by_its_name(name: str, expected: bool) -> None:
    assert is_currency(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("price", True),
        ("sale_price", True),
        ("salePrice", True),
        ("Amount EUR", True),
        ("cost", True),
        ("prices", True),
        ("Prezzo", True),
        ("precio_venta", True),
        ("UVP", True),
        ("shipping_cost", False),
        ("priceless", False),
        ("product_id", False),
        ("price_currency", False),
        ("price_per_kg", False),
    ],
)
def test_a_price_is_known_by_its_name(name: str, expected: bool) -> None:
    assert is_product_price(name) is expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tv 55 inch under 700", "tv 55 inch"),
        ("55 inch tv under 700", "55 inch tv"),
        ('27" monitor under 700', '27" monitor'),
        ('"smart tv" 55 inch max 700', '"smart tv" 55 inch'),
    ],
)
def test_a_screen_whose_size_is_said_has_a_price(text: str, words: str) -> None:
    found = understand(text, KNOWN)
    assert (found.words, len(found.limits), found.unread) == (words, 1, ())


@pytest.mark.parametrize("text", ["between $20 and $40", "under 30 euros", "cheaper than $30"])
def test_a_limit_alone_is_applied_and_not_called_unread(text: str) -> None:
    found = understand(text, KNOWN)
    assert found.words == text
    assert found.limits
    assert found.unread == ()


def test_long_numbers_before_a_sign_are_read_in_linear_time() -> None:
    text = "1" * 200_000 + " < price"  # ten minutes if every digit looked on to the end
    assert understand(text, known(nothing)).limits == ()
