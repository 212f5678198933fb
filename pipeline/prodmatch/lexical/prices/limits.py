"""Limits of a price in a query's text: "under $50", "between 20 and 40", "<= thirty euros"."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from prodmatch.lexical.folding import fold
from prodmatch.lexical.prices.currencies import CENTS, CURRENCY, SIGNS, read_currency
from prodmatch.lexical.prices.number_words import NUMBER_WORDS, read_number_words
from prodmatch.lexical.quantities import UNITS, find_quantities

Contains = Callable[[Sequence[str]], bool]  # whether products contain these words in this order

MULTIPLIERS = {
    "k": 1e3, "m": 1e6, "hundred": 1e2, "thousand": 1e3, "grand": 1e3, "million": 1e6,
    "lakh": 1e5, "lakhs": 1e5, "crore": 1e7, "crores": 1e7,
}  # fmt: skip
NOTES = {"fiver": 5.0, "tenner": 10.0}
UNIT = rf"(?:{CURRENCY}|{CENTS})"
SPACED = r"\d{1,3}(?:[\x20\xa0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)"  # 1 299,50: with a currency
NO_QUANTITY = rf"(?!\s*(?:{'|'.join(UNITS)})\b)"  # "$20 500 ml" is 20 dollars
DIGITS = rf"{SPACED}(?=\s*(?:{UNIT}|$))|\d{{1,3}}(?:['\u2019]\d{{3}})+|\d++(?:[.,]\d++)*+|\.\d+"
PARTS = r"half\s+a(?=\s+(?:dollar|buck|euro|quid))|\ba(?=\s+(?:dollar|buck|euro|quid|grand)\b)"
FIRST, SECOND = (
    rf"(?P<sign{n}>{CURRENCY}(?=\s*[\d.])|{SIGNS})?\s*"
    rf"(?:(?P<number{n}>(?(sign{n}){SPACED}{NO_QUANTITY}|(?!))|{DIGITS}|{NUMBER_WORDS}|{PARTS})(?:[.,][-\u2013\u2014]+)?"
    rf"(?P<times{n}>[km]\b|(?<=\d)\s+(?:hundred|thousand)\b|\s+(?:grand|million|lakhs?|crores?)\b)?"
    rf"(?:\s*(?P<unit{n}>{UNIT}))?"
    rf"(?P<rest{n}>(?:\s*(?:and\s+|,\s*)?)\d\d?(?=\s*{CENTS})\s*{CENTS}"
    rf"|(?<=[$\u20ac\u00a3])\d\d\b)?|(?:a\s+)?(?P<note{n}>fiver|tenner)\b)"
    for n in (1, 2)
)
PRICE_WORD = (
    r"(?:(?P<price>(?:for|at)?\s*\b(?:priced?|prices|costs?|costing|budget|spend(?:ing)?)\b)"
    r"\s*(?:is|of|range)?\s*:?\s*)?"
)
DENIED = r"(?P<denied>\b(?:not?|never|isn['\u2019]?t|aren['\u2019]?t)\s+(?:be\s+|to\s+)?)?"
NAMES = {
    "<": """under, below, beneath, sub, less than, less then, lower than, cheaper than,
        less expensive than, south of, unter, weniger als, moins de, menos de, meno di, sotto,
        sotto i, onder, minder dan, abaixo de, por debajo de, <""",
    "<=": """up to, upto, at most, max, max., maximum, within, budget, budget of, budget is,
        max budget, max price, max. price, maximum price, maximum price of, less than or equal to,
        not exceeding, not to exceed, bis, bis zu, bis max., bis maximal, h\u00f6chstens, maximal,
        jusqu'\u00e0, hasta, fino a, tot, at\u00e9, maximaal, do, до, op til, upp till,
        <=, =<, \u2264""",
    ">": """over, above, more than, greater than, higher than, pricier than, more expensive than,
        upwards of, north of, in excess of, \u00fcber, mehr als, plus de, m\u00e1s de,
        pi\u00f9 di, oltre, boven, meer dan, acima de, >""",
    ">=": """at least, starting at, starting from, from, min, min., minimum, min price, min. price,
        minimum price, minimum price of, greater than or equal to, more than or equal to, ab,
        mindestens, \u00e0 partir de, a partir de, a partire da, desde, d\u00e8s, vanaf, od, от,
        fra, >=, =>, \u2265""",
    "=": "exactly, ==, =",
}
OPERATORS = {
    " ".join(name.split()): operator
    for operator, names in NAMES.items()
    for name in names.split(",")
}
OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
OF_A_PRICE = re.compile(r"price|pricier|cheaper|expensive|budget (?:of|is)")  # of nothing else
FOREIGN = (  # so too, and no English words
    *("unter", "\u00fcber", "bis zu", "maximal", "jusqu'\u00e0", "moins de", "menos de", "meno di"),
    *("m\u00e1s de", "pi\u00f9 di", "minder dan", "meer dan", "abaixo de", "acima de", "fino a"),
    *("por debajo de", "maximaal", "bis max.", "bis maximal", "op til", "upp till", "vanaf"),
    *("\u00e0 partir de", "a partir de", "desde", "d\u00e8s", "a partire da"),
)
NEVER_BARE = frozenset(  # limits only with a currency or a word such as "price"
    [
        *("from", "sub", "within", "exactly", "=", "==", "ab", "bis", "hasta", "plus de", "tot"),
        *("do", "od", "fra", "до", "от"),
        *("south of", "north of", "sotto", "sotto i", "onder", "oltre", "boven", "at\u00e9"),
        *FOREIGN,
    ]
)
COMPARISON = re.compile(r"[<>=\u2264\u2265]+")
_NAMES = "|".join(
    re.escape(name).replace(r"\ ", r"\s+") for name in sorted(OPERATORS, key=len, reverse=True)
)
COMPARED = re.compile(
    rf"(?<![\w<>=-]){DENIED}{PRICE_WORD}(?P<operator>{_NAMES})"
    rf"(?:\s+|(?<=[<>=\u2264\u2265.])|-?(?={SIGNS})){FIRST}(?![\w%]|[.,-]\d)",
    re.IGNORECASE,
)
BETWEEN = re.compile(
    rf"(?<![\w-])(?<!\d[.,]){PRICE_WORD}(?:(?P<operator>between|from|zwischen|entre|tussen|tra|fra)\s+)?{FIRST}"
    rf"\s*(?:-(?!(?<=[a-z]-)[a-z])|\u2013|\u2014|\.\.+|\bto\b|(?P<joint>\b(?:and|und|et|y|en|e)\b|&))"
    rf"\s*{SECOND}(?![\w%]|[.,]\d)",
    re.IGNORECASE,
)
AT_MOST = r"(?:or|and)\s+(?:less|under|below|cheaper)|max(?:imum)?|tops"  # behind a number
AT_LEAST = r"(?:or|and)\s+(?:more|up|over|above)|min(?:imum)?"
BEHIND = re.compile(
    rf"(?<![\w-])(?<!\d[.,]){PRICE_WORD}{FIRST}\s*(?P<operator>(?P<most>{AT_MOST})|{AT_LEAST}|\+)(?!\w)",
    re.IGNORECASE,
)
# Before a number without a currency these tell of a size, an age or a model instead.
NO_PRICE_BEFORE = frozenset(
    """size sizes sized age ages aged number model uk us eu length width height depth weight weighs
    capacity screen series volume level grade version gen generation kids kid children child boys
    girls baby babies toddler toddlers people persons women woman men man ladies adults adult
    seniors teens years year months month inch inches rated rating air pro plus ultra mini hours
    temperature degrees speed waist chest bust tv monitor display power watts dogs cats spf
    calories count""".split()  # noqa: SIM905
)
INCHES = frozenset("inch inches screen tv monitor display".split())  # noqa: SIM905
COUNTED = frozenset("pack packs pcs piece pieces star stars percent pairs pair".split())  # noqa: SIM905
# Behind a number without a currency only these leave it a price.
PRICE_BEHIND = re.compile(
    rf"\s*(?:$|[,;.!?)<>\u2264\u2265]|(?:for|in|with|without|but|not|please)\b|-(?=[\s\w])(?!(?:{'|'.join(UNITS)})\b)"
    rf"|(?:and\s+)?(?:{_NAMES})\s*(?:{SIGNS})?\d)",
    re.IGNORECASE,
)
NAMED_SO = frozenset(["air", "pro", "plus", "ultra"])  # max 90
MOST_PENCE_DIGITS = 2  # 99p; 144p is none of a price
LEAST_SPELLED = 10  # of a number in words without a currency: "shoes for under two"
NEAR = 80  # letters from a match, in which the words around it are
MOST_THOUSANDS = 3  # digits before a "k": 3000k is a light's colour
DENIED_BEFORE = re.compile(r"\b(?:not?|isn['\u2019]?t)\s+$", re.IGNORECASE)
CHAIN = re.compile(  # "20 < price < 40"
    rf"(?<!\d)(?<!\d[.,])({DIGITS})\s*(<=?|\u2264)\s*price\s*(?=<|\u2264)", re.IGNORECASE
)
YEAR = r"(?:19|20)\d\d"
YEARS = re.compile(YEAR * 2)
HEART = re.compile(r"<3(?![\d.,])")  # "i <3 you"


KARATS = frozenset(["14", "18", "22", "24"])
_BEHIND = r"(?:\s?%|\s?[\"\u2033']|\s?[^\W\d_][\w\u00b0]*)?"  # a unit, or what is counted
UNREAD = re.compile(
    rf"(?<![\w<>=-])(?<!\d[.,])(?:(?:{DENIED}(?P<operator>{_NAMES})\s*|between\s+)"
    rf"{FIRST}(?:\s*(?:-|and|to|&)\s*{SECOND})?{_BEHIND}"
    rf"|[^\W\d_]+er\s+than\s+(?:{DIGITS}){_BEHIND}"
    rf"|prices?d?\s*(?:is|of|at|around|about)?\s*:?\s*(?:{DIGITS})"
    rf"|(?:{DIGITS}){_BEHIND}\s+(?:{AT_MOST}|{AT_LEAST})"
    rf"|(?:(?:about|around|approx(?:imately)?\.?|roughly|circa|ca\.|~|for|at)\s*)?"
    rf"(?:(?:{CURRENCY})\s*(?:{DIGITS})|(?:{DIGITS}|{NUMBER_WORDS})\s*(?:{CURRENCY}))"
    rf"|(?:before|after|since|until)\s+{YEAR})(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limit:
    """A limit of a price, as SQL compares: `price < 50`."""

    operator: str
    amount: float
    currency: str = ""  # as `currencies.read_currency` gives it

    def condition(self, column: str, times: float = 1) -> str:
        """The limit of a column, whose name is quoted where SQL needs that.

        Args:
            column: its name.
            times: how many of its units make one of the currency: 100 of a column of cents.
        """
        return f"{column} {self.operator} {self.amount * times:.10g}"


def take_limits(text: str, contains: Contains) -> tuple[str, list[Limit]]:
    """The text without its limits of a price, and these."""
    taken: list[Limit] = []
    text = CHAIN.sub(lambda found: f"price {found[2].replace('<', '>')} {found[1]} price ", text)
    for pattern in (BETWEEN, COMPARED, BEHIND):
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


def find_unread_limits(text: str, contains: Contains) -> list[str]:
    """What looks like a limit or a price in a text without its limits: of a size, of a count."""
    found = []
    for match in UNREAD.finditer(text):
        before = _word_before(match)
        operator = " ".join((match["operator"] or "").lower().split())
        words = _words(match[0])
        is_bare = not match["unit1"] and len(words) < 3
        silent = (NEVER_BARE | {"budget"}).difference(FOREIGN)
        is_name = operator in ("max", "min") and contains(words[:2])
        is_name |= is_bare and operator in silent
        is_code = match[0].isalnum() and contains(words)  # "2rs" of a bearing
        if (len(words) > 1 and is_name) or is_code or HEART.search(match[0]):
            continue
        if before and operator and _is_model(before[0], operator, contains):
            continue
        found.append(match[0].strip())
    return found


def _is_model(before: str, operator: str, contains: Contains) -> bool:
    """Whether what looks like a limit's name is a part of a model's: "air max 90"."""
    named_so = before in NAMED_SO and operator in ("max", "min")
    return named_so or contains([before, *operator.split()])


def _read_limits(match: re.Match[str], contains: Contains) -> list[Limit] | None:
    """The limits that a match of a pattern says; None where they are of no price."""
    groups = match.groupdict()
    operator = " ".join((groups["operator"] or "").lower().split())
    clear = OF_A_PRICE.search(operator) is not None or any(
        groups.get(f"{name}{number}") or groups.get("price")
        for name in ("sign", "unit", "note")
        for number in (1, 2)
    )
    if not clear and not _may_be_price(match, operator, contains):
        return None
    if (groups.get("joint") and not operator) or _is_resolution(match):
        return None
    first = _read_limit(groups, 1)
    if match.re is BETWEEN:
        second = _read_limit(groups, 2)
        is_code = first.amount > second.amount and not operator and not groups["sign1"]
        if is_code or DENIED_BEFORE.search(match.string[: match.start()]):  # "6204-2rs", a bearing
            return None
        low, high = sorted((first, second), key=lambda limit: limit.amount)
        currency = low.currency or high.currency
        return [Limit(">=", low.amount, currency), Limit("<=", high.amount, currency)]
    if match.re is BEHIND:
        return [replace(first, operator="<=" if groups["most"] else ">=")]
    sign = OPERATORS[operator]
    return [replace(first, operator=OPPOSITES.get(sign, sign) if groups["denied"] else sign)]


def _may_be_price(match: re.Match[str], operator: str, contains: Contains) -> bool:
    """Whether a number without a currency is a price: of no size, age or count."""
    if not operator or match.re is BEHIND or operator in NEVER_BARE:
        return False
    if match.re is BETWEEN and YEARS.fullmatch(match["number1"] + match["number2"]):
        return False
    number, times = match["number1"], (match["times1"] or "").strip().lower()
    if times == "m" or (times == "k" and (number in KARATS or len(number) > MOST_THOUSANDS)):
        return False
    if number[0].isalpha() and read_number_words(number) < LEAST_SPELLED:
        return False
    before = _word_before(match)
    if before == ["for"] and OPERATORS[operator].startswith(">"):  # "for over 6"
        return False
    if before and before[0] in NO_PRICE_BEFORE and not _is_sized(before[0], match):
        return False
    if COMPARISON.fullmatch(operator):
        behind = "".join(_words(match.string[match.end() :][:NEAR])[:1])
        return behind not in NO_PRICE_BEFORE | COUNTED | UNITS.keys() and not HEART.search(match[0])
    if not before or PRICE_BEHIND.match(match.string, match.end()) is None:
        return False
    return not contains([*operator.split()[-1:], number])


def _is_sized(before: str, match: re.Match[str]) -> bool:
    """Whether a text names its inches already, so that "tv 55 inch under 700" has a price."""
    text = fold(match.string[: match.start()])
    return before in INCHES and any(found.unit == "inch" for found in find_quantities(text))


def _is_resolution(match: re.Match[str]) -> bool:
    """Whether a number with a "p" is none of pence: 1080p."""
    return any(
        (match[f"unit{n}"] or "").lower() == "p" and len(match[f"number{n}"]) > MOST_PENCE_DIGITS
        for n in ((1, 2) if match.re is BETWEEN else (1,))
    )


def _word_before(match: re.Match[str]) -> list[str]:
    """The word before a match, if there is one."""
    return _words(match.string[max(0, match.start() - NEAR) : match.start()])[-1:]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _read_limit(groups: Mapping[str, str | None], number: int) -> Limit:
    """The amount and the currency of one of the numbers of a match; an operator that is none."""
    sign, text, times, unit, rest, note = (
        (groups[f"{name}{number}"] or "").strip()
        for name in ("sign", "number", "times", "unit", "rest", "note")
    )
    if note:
        return Limit("", NOTES[note.lower()], "GBP")
    if number == 1 and not times and not unit and not sign:  # 1-2k, 50-99 cents
        times = (groups.get("times2") or "").strip()
        unit = (groups.get("unit2") or "").strip()
    amount = _read_number(text) * MULTIPLIERS.get(times.lower(), 1)
    if re.fullmatch(CENTS, unit, re.IGNORECASE):
        amount /= 100
    if cents := re.search(r"\d+", rest):
        amount += int(cents[0]) / 100
    return Limit("", round(amount, 10), read_currency(sign or unit))


def _read_number(text: str) -> float:
    """A number as people write it: 1,299.00 and 1.299,00 are the same."""
    if text[0].isalpha():
        words = text.lower().split()
        return 0.5 if words[0] == "half" else 1.0 if words == ["a"] else read_number_words(text)
    text = re.sub("[ \xa0\u202f'\u2019]", "", text)
    sign = max(text.rfind(","), text.rfind("."))
    is_decimal = sign >= 0 and (len(text) - sign != 4 or len({*text} & {",", "."}) == 2)
    if text.count(",") + text.count(".") > 1 and len({*text} & {",", "."}) == 1:
        is_decimal = False  # 1,299,000
    if is_decimal or (sign >= 0 and text[:sign] in ("", "0")):
        text = re.sub("[.,]", "", text[:sign]) + "." + text[sign + 1 :]
    else:
        text = re.sub("[.,]", "", text)
    return float(text)
