"""Limits of a price in a query's text: "under $50", "between 20 and 40", "<= thirty euros"."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prodmatch.lexical.folding import UNITS
from prodmatch.lexical.number_words import NUMBER_WORDS, read_number_words

Contains = Callable[[Sequence[str]], bool]  # whether products contain these words in this order

SIGNS = "[$€£¥₹]"
CURRENCIES = rf"{SIGNS}|(?:us\s?\$|usd|eur|gbp|inr|chf|cad|aud|rs\.?)(?=\s*\d)"
CURRENCY_WORDS = (
    rf"{SIGNS}|(?:dollars?|bucks|usd|euros?|eur|gbp|quid|inr|rupees?|chf|cad|aud|yen)\b"
)
DIGITS = rf"\d{{1,3}}(?:\x20\d{{3}})+(?=\s*(?:{CURRENCY_WORDS}))|\d+(?:[.,]\d+)*"
FIRST, SECOND = (
    rf"(?P<sign{n}>{CURRENCIES})?\s*(?P<number{n}>{DIGITS}|{NUMBER_WORDS})(?:,-+)?(?P<kilo{n}>k\b)?"
    rf"(?:\s*(?P<unit{n}>{CURRENCY_WORDS}))?"
    for n in (1, 2)
)
PRICE_WORD = (
    r"(?:(?P<price>(?:for|at)?\s*\b(?:priced?|prices|costs?|costing|budget))\b"
    r"\s*(?:is|of|range)?\s*:?\s*)?"
)
NAMES = {
    "<": """under, below, beneath, sub, less than, lower than, cheaper than, less expensive than,
        <""",
    "<=": """up to, upto, at most, max, max., maximum, within, budget, budget of, budget is,
        max price, max. price, maximum price, maximum price of, less than or equal to, not over,
        not above, no more than, not more than, not exceeding, not to exceed, not pricier than,
        no pricier than, not more expensive than, no more expensive than, <=, =<, \u2264""",
    ">": "over, above, more than, greater than, higher than, pricier than, more expensive than, >",
    ">=": """at least, starting at, starting from, from, min, min., minimum, min price, min. price,
        minimum price, minimum price of, greater than or equal to, more than or equal to, not under,
        not below, no less than, not less than, not cheaper than, no cheaper than, >=, =>,
        \u2265""",
}
OPERATORS = {
    " ".join(name.split()): operator
    for operator, names in NAMES.items()
    for name in names.split(",")
}
OF_A_PRICE = re.compile(r"price|pricier|cheaper|expensive|budget (?:of|is)")  # of nothing else
NEVER_BARE = frozenset(["from", "sub", "within"])  # a limit only with a currency or "price"
COMPARISON = re.compile(r"[<>=\u2264\u2265]+")
_NAMES = "|".join(
    re.escape(name).replace(r"\ ", r"\s+") for name in sorted(OPERATORS, key=len, reverse=True)
)
COMPARED = re.compile(
    rf"(?<![\w<>=-]){PRICE_WORD}(?P<operator>{_NAMES})"
    rf"(?:\s+|(?<=[<>=\u2264\u2265])|-?(?={SIGNS})){FIRST}(?![\w%])",
    re.IGNORECASE,
)
BETWEEN = re.compile(
    rf"(?<![\w-]){PRICE_WORD}(?:(?P<operator>between|from)\s+)?{FIRST}"
    rf"\s*(?:-|\u2013|\u2014|\.\.+|\bto\b|\band\b)\s*{SECOND}(?![\w%])",
    re.IGNORECASE,
)
OR_LESS = re.compile(
    rf"(?<![\w-]){PRICE_WORD}{FIRST}\s*(?P<operator>(?:or|and)\s+(?:less|under|below|cheaper)|max|tops)\b",
    re.IGNORECASE,
)
OR_MORE = re.compile(
    rf"(?<![\w-]){PRICE_WORD}{FIRST}\s*(?P<operator>(?:or|and)\s+(?:more|up|over|above)\b|\+)(?!\w)",
    re.IGNORECASE,
)
# Before a number without a currency these tell of a size, an age or a model instead.
NO_PRICE_BEFORE = frozenset(
    """size sizes sized age ages aged number model uk us eu length width height depth weight weighs
    capacity screen series volume level grade version gen generation kids kid children child boys
    girls baby babies toddler toddlers people persons women woman men man ladies adults adult
    seniors teens years year months month inch inches rated rating air pro plus ultra mini hours
    temperature degrees speed waist chest bust tv monitor display power watts dogs cats""".split()  # noqa: SIM905
)
COUNTED = frozenset("pack packs pcs piece pieces star stars percent pairs pair".split())  # noqa: SIM905
# Behind a number without a currency only these leave it a price.
PRICE_BEHIND = re.compile(
    rf"\s*(?:$|[,;.!?)<>\u2264\u2265]|(?:for|in|with|without|but|not|please|-)(?=[\s\w])"
    rf"|(?:and\s+)?(?:{_NAMES})\s*(?:{SIGNS})?\d)",
    re.IGNORECASE,
)
LEAST_SPELLED = 10  # of a number in words without a currency: "shoes for under two"
HEART = re.compile(r"<3(?![\d.,])")  # "i <3 you"


@dataclass(frozen=True)
class Limit:
    """A limit of a price, as SQL compares: `price < 50`."""

    operator: str
    amount: float

    def condition(self, column: str) -> str:
        """The limit of a column, whose name is quoted where SQL needs that."""
        return f"{column} {self.operator} {self.amount:.10g}"


def take_limits(text: str, contains: Contains) -> tuple[str, list[Limit]]:
    """The text without its limits of a price, and these."""
    taken: list[Limit] = []
    for pattern in (BETWEEN, COMPARED, OR_LESS, OR_MORE):
        start = 0
        while match := pattern.search(text, start):
            limits = _read_limits(match, contains)
            if limits is None:
                start = match.start() + 1
                continue
            taken += limits
            text = f"{text[: match.start()]} {text[match.end() :]}"
            start = match.start()
    return text, taken


def _read_limits(match: re.Match[str], contains: Contains) -> list[Limit] | None:
    """The limits that a match of a pattern says; None where they are of no price."""
    groups = match.groupdict()
    operator = " ".join((groups["operator"] or "").lower().split())
    clear = OF_A_PRICE.search(operator) is not None or any(
        groups.get(name) for name in ("price", "sign1", "unit1", "sign2", "unit2")
    )
    if not clear and not _may_be_price(match, operator, contains):
        return None
    first = _read_number(groups["number1"], groups["kilo1"])
    if "number2" in groups:
        kilo = groups["kilo1"] or groups["kilo2"]  # 1-2k
        first, second = (_read_number(groups[f"number{n}"], kilo) for n in (1, 2))
        return [Limit(">=", min(first, second)), Limit("<=", max(first, second))]
    if match.re is OR_LESS or match.re is OR_MORE:
        return [Limit("<=" if match.re is OR_LESS else ">=", first)]
    return [Limit(OPERATORS[operator], first)]


def _may_be_price(match: re.Match[str], operator: str, contains: Contains) -> bool:
    """Whether a number without a currency is a price: of no size, age or count."""
    if not operator or match.re in (OR_LESS, OR_MORE):
        return False
    if operator in NEVER_BARE:
        return False
    number = match["number1"]
    if number[0].isalpha() and read_number_words(number) < LEAST_SPELLED:
        return False
    before = _words(match.string[: match.start()])
    if before and before[-1] in NO_PRICE_BEFORE:
        return False
    if COMPARISON.fullmatch(operator):
        behind = "".join(_words(match.string[match.end() :])[:1])
        return behind not in NO_PRICE_BEFORE | COUNTED | UNITS.keys() and not HEART.search(match[0])
    if not before or PRICE_BEHIND.match(match.string, match.end()) is None:
        return False
    return not contains([*operator.split()[-1:], number])


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _read_number(text: str, kilo: str | None) -> float:
    """A number as people write it: 1,299.00 and 1.299,00 are the same."""
    if text[0].isalpha():
        return float(read_number_words(text) * (1000 if kilo else 1))
    text = text.replace(" ", "")
    sign = max(text.rfind(","), text.rfind("."))
    is_decimal = sign >= 0 and (len(text) - sign != 4 or len({*text} & {",", "."}) == 2)
    if text.count(",") + text.count(".") > 1 and len({*text} & {",", "."}) == 1:
        is_decimal = False  # 1,299,000
    if is_decimal:
        text = re.sub("[.,]", "", text[:sign]) + "." + text[sign + 1 :]
    else:
        text = re.sub("[.,]", "", text)
    return float(text) * (1000 if kilo else 1)
