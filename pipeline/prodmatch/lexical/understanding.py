"""What a query says besides its words: what it does not want, and the limits of a price.

Pure: whether a phrase is one that products contain, such as "no show" of socks, is told from
outside. What products contain is never understood as anything but words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Contains = Callable[[Sequence[str]], bool]  # whether products contain these words in this order

CURRENCIES = r"[$€£¥₹]|(?:us\s?\$|usd|eur|gbp|inr|chf|cad|aud|rs\.?)(?=\s*\d)"
CURRENCY_WORDS = r"[$€£¥₹]|(?:dollars?|bucks|usd|euros?|eur|gbp|quid|inr|rupees?|chf|cad|aud|yen)\b"
NUMBER = rf"(?P<sign{{0}}>{CURRENCIES})?\s*(?P<number{{0}}>\d+(?:[.,]\d+)*)(?P<kilo{{0}}>k\b)?"
AMOUNT = NUMBER + rf"(?:\s*(?P<unit{{0}}>{CURRENCY_WORDS}))?"
FIRST, SECOND = AMOUNT.format(1), AMOUNT.format(2)
PRICE_WORD = (
    r"(?:(?P<price>(?:for|at)?\s*\b(?:priced?|prices|costs?|costing|budget))\b"
    r"\s*(?:is|of|range)?\s*:?\s*)?"
)
OPERATORS = {
    "under": "<",
    "below": "<",
    "less than": "<",
    "cheaper than": "<",
    "lower than": "<",
    "<": "<",
    "not over": "<=",
    "not above": "<=",
    "no more than": "<=",
    "not more than": "<=",
    "up to": "<=",
    "upto": "<=",
    "at most": "<=",
    "max": "<=",
    "max.": "<=",
    "maximum": "<=",
    "<=": "<=",
    "over": ">",
    "above": ">",
    "more than": ">",
    "pricier than": ">",
    ">": ">",
    "not under": ">=",
    "not below": ">=",
    "no less than": ">=",
    "not less than": ">=",
    "at least": ">=",
    "starting at": ">=",
    "from": ">=",
    "min": ">=",
    "min.": ">=",
    "minimum": ">=",
    ">=": ">=",
}
PRICE_OPERATORS = frozenset(["cheaper than", "pricier than"])  # of nothing but a price
NEVER_BARE = frozenset(["from", "<", ">", "<=", ">="])  # a limit only with a currency or "price"
_NAMES = "|".join(
    re.escape(name).replace(r"\ ", r"\s+") for name in sorted(OPERATORS, key=len, reverse=True)
)
COMPARED = re.compile(
    rf"(?<![\w-]){PRICE_WORD}(?P<operator>{_NAMES})(?:\s+|(?<=[<>=])|(?=[$€£¥₹])){FIRST}(?![\w%])",
    re.IGNORECASE,
)
BETWEEN = re.compile(
    rf"(?<![\w-]){PRICE_WORD}(?:(?P<operator>between|from)\s+)?{FIRST}\s*(?:-|\u2013|\u2014|\bto\b|\band\b)"
    rf"\s*{SECOND}(?![\w%])",
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
# Behind a number without a currency only these leave it a price.
PRICE_BEHIND = re.compile(r"\s*(?:$|[,;.!?)]|(?:for|in|with|without|but|not|please|-)(?=[\s\w]))")
TRIGGERS = frozenset(
    """not without w/o except excluding exclude non no neither isn't aren't isn\u2019t aren\u2019t
    """.split()  # noqa: SIM905
)
PHRASE_TRIGGERS = frozenset(["without", "w/o", "except", "excluding", "exclude"])
FILLERS = frozenset("a an the any for in of made with from".split())  # noqa: SIM905
MODIFIERS = frozenset("light dark bright pale deep hot navy sky royal neon".split())  # noqa: SIM905
BOUNDARIES = frozenset(
    "and or nor but with for in on under over below above not no without except non from to".split()  # noqa: SIM905
)
NO_NEGATION_BEFORE = frozenset("or why do does is if whether must should can".split())  # noqa: SIM905
IDIOMS = {  # words behind a trigger that make one term of it
    "non": frozenset(
        """stick sticking slip slipping skid toxic iron woven gmo dairy fat alcoholic fiction profit
        medicated comedogenic sticky greasy acetone prescription binary breaking contact returnable
        stop marking abrasive scratch absorbent""".split()  # noqa: SIM905
    ),
    "no": frozenset(
        """iron show name sew slip wire stick tie pull drill tear tears time man mans fear limit
        limits logo problem doubt rinse spill mess touch bake knead crease wrinkle fade frost cook
        sweat chip smudge one more less longer other way need bra poo pest kill place matter
        worries""".split()  # noqa: SIM905
    ),
    "not": frozenset(
        """your my our his her their just only so too yet sure available included guilty today
        tomorrow another all again alone done dead like enough that this mine yours sale profit
        working bad""".split()  # noqa: SIM905
    ),
    "without": frozenset(
        "you me us him her them it borders limits end doubt walls reason fear remorse".split()  # noqa: SIM905
    ),
    "except": frozenset("you me us him her them it".split()),  # noqa: SIM905
}
DANGLING = frozenset("for and but price priced cost costing with in at budget or".split())  # noqa: SIM905
STAND_INS = frozenset(["one", "ones"])  # for what the query names: "except the blue ones"
RELATIVE = frozenset(["that", "which", "are", "is", "but"])  # "that are not blue"
WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
MOST_PHRASE_WORDS = 3
EXCEPT = re.compile(r"\b(?:other\s+than|anything\s+but)\b", re.IGNORECASE)
QUOTED = re.compile(r'(?:^|\s)["\u201c]\S[^"\u201d]*["\u201d](?=\s|$)')


@dataclass(frozen=True)
class Limit:
    """A limit of a price, as SQL compares: `price < 50`."""

    operator: str
    amount: float

    def condition(self, column: str) -> str:
        """The limit of a column, whose name is quoted where SQL needs that."""
        return f"{column} {self.operator} {self.amount:.10g}"


@dataclass(frozen=True)
class Understanding:
    """What is left of a query's text, and what it says besides.

    Attributes:
        words: what is searched for.
        without: phrases that hits must not contain or show.
        limits: of the price.
        is_all_negative: whether the text names only what is not wanted, and stays as it is.
    """

    words: str
    without: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    is_all_negative: bool = False


def understand(text: str, contains: Contains, *, limits: bool = True) -> Understanding:
    """What a query says besides its words.

    Nothing is understood of a text in quotes, nor of one that a product contains as it stands; and
    a phrase that products contain is no negation and no limit.

    Args:
        text: on one line.
        contains: tells whether products contain words in this order.
        limits: whether limits of a price are looked for.
    """
    if QUOTED.search(text) or contains(_plain(text).split()):
        return Understanding(text)
    found: list[Limit] = []
    rest = _take_limits(text, contains, found) if limits else text
    words, without = _take_negations(EXCEPT.sub("except", rest).split(), contains)
    is_all_negative = bool(without) and not any(map(str.isalnum, " ".join(words)))
    if is_all_negative or not without:
        words, without = rest.split(), []
    while words and (found or without) and _plain(words[-1]) in DANGLING:
        words = words[:-1]
    left = " ".join(words)
    if not any(map(str.isalnum, left)):
        left = text
    return Understanding(left, tuple(dict.fromkeys(without)), tuple(found), is_all_negative)


def _take_limits(text: str, contains: Contains, found: list[Limit]) -> str:
    """The text without its limits of a price, which are added to `found`."""
    for pattern in (BETWEEN, COMPARED, OR_LESS, OR_MORE):
        start = 0
        while match := pattern.search(text, start):
            limits = _read_limits(match, contains)
            if limits is None:
                start = match.start() + 1
                continue
            found += limits
            text = f"{text[: match.start()]} {text[match.end() :]}"
            start = match.start()
    return text


def _read_limits(match: re.Match[str], contains: Contains) -> list[Limit] | None:
    """The limits that a match of a pattern says; None where they are of no price."""
    groups = match.groupdict()
    operator = " ".join((groups["operator"] or "").lower().split())
    clear = operator in PRICE_OPERATORS or any(
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
    """Whether a number without a currency is a price: the end of what is said, and of no size."""
    if not operator or operator in NEVER_BARE or match.re in (OR_LESS, OR_MORE):
        return False
    before = _plain(match.string[: match.start()]).split()
    if not before or before[-1] in NO_PRICE_BEFORE:
        return False
    if PRICE_BEHIND.match(match.string, match.end()) is None:
        return False
    return not contains([*operator.split()[-1:], match["number1"]])


def _read_number(text: str, kilo: str | None) -> float:
    """A number as people write it: 1,299.00 and 1.299,00 are the same."""
    sign = max(text.rfind(","), text.rfind("."))
    is_decimal = sign >= 0 and (len(text) - sign != 4 or len({*text} & {",", "."}) == 2)
    if text.count(",") + text.count(".") > 1 and len({*text} & {",", "."}) == 1:
        is_decimal = False  # 1,299,000
    if is_decimal:
        text = re.sub("[.,]", "", text[:sign]) + "." + text[sign + 1 :]
    else:
        text = re.sub("[.,]", "", text)
    return float(text) * (1000 if kilo else 1)


def _take_negations(tokens: Sequence[str], contains: Contains) -> tuple[list[str], list[str]]:
    """The words that are wanted, and the phrases that are not."""
    kept: list[str] = []
    without: list[str] = []
    position = 0
    while position < len(tokens):
        phrases, end = _read_negation(tokens, position, bool(kept), contains)
        if phrases:
            without += phrases
            while kept and _plain(kept[-1]) in RELATIVE:
                kept.pop()
        else:
            kept.append(tokens[position])
        position = max(end, position + 1)
    return kept, without


def _read_negation(
    tokens: Sequence[str], position: int, has_words: bool, contains: Contains
) -> tuple[list[str], int]:
    """The phrases that a negation at a position leaves out, and where it ends."""
    token = tokens[position]
    before = _plain(tokens[position - 1]) if position else ""
    if re.match(r"[-\u2212\u2013][^\W\d_]{2}", token) and len(before) != 1:
        return [_plain(token)], position + 1
    lower = token.lower()
    if lower.startswith("non-") and lower[4:].isalpha():
        return ([] if _is_term("non", lower[4:], contains) else [lower[4:]]), position + 1
    if lower not in TRIGGERS or before in NO_NEGATION_BEFORE or position + 1 >= len(tokens):
        return [], position
    if _is_term(lower, _plain(tokens[position + 1]), contains):
        return [], position
    phrases: list[str] = []
    start = position + 1
    while start < len(tokens):
        while start < len(tokens) and _plain(tokens[start]) in FILLERS:
            start += 1
        phrase = _read_phrase(tokens[start:], lower in PHRASE_TRIGGERS and has_words)
        if not phrase or _plain(phrase[0]) in IDIOMS.get(lower, ()):
            break
        phrases.append(" ".join(map(_plain, phrase)))
        start += len(phrase)
        start += _plain("".join(tokens[start : start + 1])) in STAND_INS
        chain = ("or", "nor", "and") if lower in PHRASE_TRIGGERS else ("or", "nor")
        if (
            phrase[-1].endswith((",", ";"))
            or _plain("".join(tokens[start : start + 1])) not in chain
        ):
            break
        start += 1
        if start < len(tokens) and _plain(tokens[start]) in TRIGGERS:  # no hood and no zip
            break
    return phrases, start if phrases else position


def _read_phrase(tokens: Sequence[str], long: bool) -> list[str]:
    """The words that a negation is about: one, or all up to the next that ends it."""
    phrase: list[str] = []
    for token in tokens:
        word = _plain(token)
        if word in BOUNDARIES | STAND_INS or WORD.fullmatch(word) is None:
            break
        phrase.append(token)
        full = len(phrase) == MOST_PHRASE_WORDS if long else word not in MODIFIERS
        if full or token != token.rstrip(",;.!?"):
            break
    return phrase


def _is_term(trigger: str, word: str, contains: Contains) -> bool:
    """Whether a trigger and the word behind it are one term, such as "non stick"."""
    if word in IDIOMS.get(trigger, ()) or not word or word[0].isdigit():
        return True
    return contains([trigger, word]) or (trigger in ("non", "no") and contains([trigger + word]))


def _plain(text: str) -> str:
    """Text in small letters without the signs around its words."""
    words = (word.strip('.,;:!?()[]"-\u2212\u2013*') for word in text.lower().split())
    return " ".join(word for word in words if word)
