"""Columns' names that say a price or its currency."""

import re

from prodmatch.names import name_words

PRICE = re.compile(
    r"prices?|costs?|amount|msrp|rrp|\w*preise?|prix|precios?|prezz[oi]|\w*prij[sz]|\w*pris|ceny?|"
    r"precos?|preços?|uvp|vk|pvp|цена|ціна|fiyat\w*|hinta|τιμή|\w*(?:価格|价格|價格|售价)\w*|السعر|سعر"
)
CURRENCY = re.compile(
    r"currency|curr|ccy|w\u00e4hrung|waehrung|wahrung|devise|divisa|moneda|moeda|valuta|валюта|通貨|货币"
)
NO_PRODUCT_PRICE = frozenset(
    ["shipping", "delivery", "id", "count", "tax", "currency", "range", "level", "per", "stock"]
)


def is_product_price(name: str) -> bool:
    """Whether a column is products' price by its name: `price`, `salePrice`, `amount_eur`."""
    words = name_words(name)
    return any(map(PRICE.fullmatch, words)) and not NO_PRODUCT_PRICE & set(words)


def is_currency(name: str) -> bool:
    """Whether a column holds the currencies of prices by its name: `price_currency`, `devise`."""
    words = {*name_words(name)}
    return any(map(CURRENCY.fullmatch, words)) and not (NO_PRODUCT_PRICE - {"currency"}) & words
