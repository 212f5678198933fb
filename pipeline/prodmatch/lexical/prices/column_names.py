"""The words in columns' names, and those that say a price."""

import re

PRICE = re.compile(
    "prices?|costs?|amount|msrp|rrp|preise?|prix|precio|prezzo|prijs|pris|cena|preco|preço|uvp|vk"
)


def name_words(name: str) -> list[str]:
    """The words of a column's name, in lower case."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", apart) if word]
