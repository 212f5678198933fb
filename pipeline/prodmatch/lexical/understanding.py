"""What a query says besides its words: what it does not want, and the limits of a price.

Pure: whether a phrase is one that products contain, such as "no show" of socks, is told from
outside. What products contain is never understood as anything but words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from prodmatch.lexical.folding import fold
from prodmatch.lexical.free_of import find_free_of, find_wanted
from prodmatch.lexical.languages import ENGLISH_WORDS, LanguageWords
from prodmatch.lexical.prices.currencies import MARK, mark_pounds
from prodmatch.lexical.prices.limits import Contains, Limit, find_unread_limits, take_limits
from prodmatch.lexical.quantities import QUANTITY
from prodmatch.lexical.terms import begins_with_size, says_size

FOREIGN = frozenset("minus sans ohne sin senza zonder".split())  # noqa: SIM905
PHRASE_TRIGGERS = FOREIGN | frozenset(
    "without w/o w/out except excluding exclude excl avoid avoiding".split()  # noqa: SIM905
)
BEHIND_WORDS = FOREIGN | frozenset(  # at the beginning they are names
    "nicht kein keine keinen nothing".split()  # noqa: SIM905
)
TRIGGERS = PHRASE_TRIGGERS | BEHIND_WORDS
TRIGGERS |= frozenset(
    "not no non neither isn't aren't isn\u2019t aren\u2019t isnt arent".split()  # noqa: SIM905
)
WITHOUT = frozenset(["without", "w/o", "w/out"])  # what products say behind them, they lack
FILLERS = frozenset("a an the any for in of made with from".split())  # noqa: SIM905
MODIFIERS = frozenset(
    "light dark bright pale deep hot navy sky royal neon off added artificial".split()  # noqa: SIM905
)
SIZES = frozenset("long short high low big large small wide thick thin heavy".split())  # noqa: SIM905
BOUNDARIES = TRIGGERS | frozenset(
    "and or nor but with for in on under over below above between from to".split()  # noqa: SIM905
)
NO_NEGATION_BEFORE = frozenset(
    "or not why do does is if whether must should can comic open plus".split()  # noqa: SIM905
)
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
        """your my our his her their just only so too yet sure available included compatible guilty
        today tomorrow another all again alone done dead like enough that this mine yours sale
        profit working bad tested""".split()  # noqa: SIM905
    ),
    "without": frozenset(
        "you me us him her them it borders limits end doubt walls reason fear remorse".split()  # noqa: SIM905
    ),
    "except": frozenset("you me us him her them it".split()),  # noqa: SIM905
}
DANGLING = frozenset(  # and signs alone
    """for and but price priced cost costs costing with in at budget or a an the my is that that's
    which who whose only please spend spending it its f\u00fcr zum zu bis de \u00e0 pour por para
    per voor""".split()  # noqa: SIM905
)
PRONOUNS = frozenset(["one", "ones"])  # for what the query names: "except the blue ones"
RELATIVE = frozenset(["that", "which", "are", "is", "but"])  # "that are not blue"
WORD = re.compile(r"[^\W\d_]+(?:['\u2019/-][^\W\d_]+)*")
MOST_PHRASE_WORDS = 3
CODE = re.compile(r"\d/\d|[^\W_]*\d[^\W_]*")
MANY_DIGITS = 3  # of a number that may be unwanted: "orwell -1984"
SIGN = r"[-\u2212\u2013!]"
SIGNED = re.compile(rf"[(\[{{]?{SIGN}(?:[^\W\d_](?:[^\W\d_]|-[^\W\d_])|\([^\W\d_]+\)$)")
YEAR_OR_SO = re.compile(rf"{SIGN}\d{{{MANY_DIGITS},}}")
_HAVE = r"(?:(?:that|which|who)\s+)?"
_NOT = "|".join(map(re.escape, sorted(PHRASE_TRIGGERS | {"not", "no"}, reverse=True)))


def _as_choice(found: re.Match[str]) -> str:
    """A list in brackets behind a negation, joined by "or"."""
    words = re.sub(r"(?:\s*(?:[,;|&]|\b(?:and|or|nor)\b)\s*)+", " or ", found[2])
    return f" {found[1]} {words}, "


_THAN = r"""(?:other|rather)\s+than|instead\s+of|(?:apart|aside)\s+from|not\s+including
    |leaving\s+out|excl\."""
_ALL = r"""(?:in\s+)?(?:any|every|all)(?:thing|\s+(?:colou?r|brand|size|kind|type|material)s?)?"""
SYNONYMS = {  # of triggers, as verbose patterns
    "except": rf"{_ALL}\s+(?:but|except(?:\s+for)?|besides|{_THAN}) | {_THAN}",
    "no": rf"{_HAVE}(?:has|have|having|with|contain(?:s|ing)?)\s+(?:no|zero)",
    "not": r"""nothing\s+(?:with|in|containing|made\s+of) | but\s+never
        | (?:(?<!\S)(?:i|we)\s+)?(?<!\S)(?:do\s+not|don['\u2019]?t)\s+(?:want|like|need)""",
    "without": rf"""{_HAVE}(?:do|does)(?:\s+not|n['\u2019]?t)\s+(?:have|include|contain)
        | (?<=\s)(?:lacking|devoid\s+of)
        | (?:(?:that|which)\s+(?:is|are)\s+)?free\s+of(?!\s+(?:charge|cost)\b)""",
    "neither": r"(?:that|which)\s+(?:is|are)\s+neither",
}
REWRITTEN: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(rf"(?<!\S)({_NOT})\s*[:=]?\s*[(\[{{]([^)\]}}]*)[)\]}}]", re.IGNORECASE),
        _as_choice,
    ),
    *(
        (re.compile(rf"\b(?:{pattern})(?=\s)", re.IGNORECASE | re.VERBOSE), trigger)
        for trigger, pattern in SYNONYMS.items()
    ),
    *(
        (re.compile(pattern, re.IGNORECASE), written)
        for pattern, written in (
            (r"\bno\s+(\w+)\s+added\b", r"no added \1"),
            (r"!=|\u2260|<>", " not "),
            (r",?\s+([^\W\d_]+)\s+(?:(?:is|are)\s+)?excluded\b", r" without \1"),
            (rf"\b({_NOT})\s*[:=]\s*", r"\1 "),
            (r"(?<=\s)(that|which)\s+is\s+not(?=\s)", r"\1 isn't"),
            (rf",(?={SIGN})", ", "),  # -blue,-red
            (rf"[(\[{{]\s*((?:{_NOT})\s[^)\]}}]*)[)\]}}]", r" \1, "),
        )
    ),
)
FREE_FROM = re.compile(r"(?<=\s)free[\s-]from(?=\s)", re.IGNORECASE)
OPENING, CLOSING = "\"'\u201c\u201e\u00ab\u2018", "\"'\u201d\u201c\u00bb\u2019"
NOT_QUOTED = re.compile(
    rf"(?:^|(?<=\s))(?:{SIGN}|(?:{_NOT})\s+)[{OPENING}]([^{OPENING}{CLOSING}]+)"
    rf"[{CLOSING}](?!\w)",
    re.IGNORECASE,
)
PRIVATE = 0xE000  # characters that no text has
QUOTED = re.compile(r'(?:^|\s)["\u201c]\S[^"\u201d]*["\u201d](?=\s|$)')


@dataclass(frozen=True)
class Understanding:
    """What is left of a query's text, and what it says besides.

    Attributes:
        words: what is searched for.
        without: phrases that hits must not contain or show.
        limits: of the price.
        free_of: what the words say that products are free of, as in "gluten free bread"; the words
            stay, and hits must not contain it otherwise.
        wanted: what hits must not say that they have none of: "with hood".
        unread: what looks like a limit or a price, and is searched for as words.
        is_all_negative: whether the text names only what is not wanted, and stays as it is.
    """

    words: str
    without: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    is_all_negative: bool = False
    unread: tuple[str, ...] = ()
    free_of: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phrases:
    """What products contain: each function tells it of words that stand in this order."""

    contains: Contains
    is_term: Contains  # such as "no show"
    is_name: Contains  # that most products with its first or last word say: "animal farm"
    are_pounds_money: bool = False  # as the prices are in pounds
    own: LanguageWords = ENGLISH_WORDS  # of the products' language


def understand(text: str, known: Phrases, *, limits: bool = True) -> Understanding:
    """What a query says besides its words.

    Nothing is understood of what stands in quotes, nor of a text that a product contains as it
    stands; and a phrase that products contain is no negation and no limit.

    Args:
        text: on one line.
        known: what products contain.
        limits: whether limits of a price are looked for.
    """
    masked, quotes = _mask_quotes(NOT_QUOTED.sub(" ", text))
    read = _understand(text, masked, known, limits=limits)
    unread = tuple(_unmask(each, quotes) for each in read.unread)
    return replace(read, words=_unmask(read.words, quotes), unread=unread)


def _mask_quotes(text: str) -> tuple[str, list[str]]:
    """The text with a word that is none in place of what stands in quotes, and that."""
    quotes: list[str] = []

    def mask(found: re.Match[str]) -> str:
        quotes.append(found[0].strip())
        return f" {chr(PRIVATE + len(quotes))}q"

    return QUOTED.sub(mask, text), quotes


def _unmask(text: str, quotes: Sequence[str]) -> str:
    for number, quote in enumerate(quotes, start=1):
        text = text.replace(f"{chr(PRIVATE + number)}q", quote)
    return text


def _understand(text: str, unquoted: str, known: Phrases, *, limits: bool) -> Understanding:
    """What a query says besides its words; what it quotes is masked in `unquoted`."""
    contains = known.contains
    is_signed = any(map(SIGNED.match, text.split())) or NOT_QUOTED.search(text) is not None
    if not is_signed and contains(_plain(text).split()):  # a title has the words without signs
        free_of = find_free_of(unquoted, contains, known.own)
        wanted = find_wanted(unquoted, known.own)
        return Understanding(unquoted, free_of=free_of, wanted=wanted)
    marked = mark_pounds(unquoted) if known.are_pounds_money else unquoted
    rest, found = take_limits(marked, contains) if limits else (unquoted, [])
    rest = rest.replace(MARK, "")
    rewritten = rest if known.is_term(["free", "from"]) else FREE_FROM.sub("without", rest)
    for pattern, written in REWRITTEN:
        rewritten = pattern.sub(written, rewritten)
    if own := known.own.without:
        rewritten = " ".join("without" if fold(word) in own else word for word in rewritten.split())
    words, without = _take_negations(rewritten.split(), known)
    without += [_plain(phrase) for phrase in NOT_QUOTED.findall(text)]
    if not without:
        words = rest.split()
    while words and (found or without) and (_plain(words[-1]) or "a") in DANGLING:
        words = words[:-1]
    left = " ".join(words)
    has_words = any(map(str.isalnum, left))
    if without and not has_words:
        left = text if NOT_QUOTED.search(text) else " ".join(rest.split())
        return Understanding(left, (), tuple(found), True)
    left = left if has_words else text
    unread = tuple(find_unread_limits(left, contains)) if has_words and limits else ()
    without = list(dict.fromkeys(without))
    free_of = tuple(name for name in find_free_of(left, contains, known.own) if name not in without)
    wanted = find_wanted(left, known.own)
    return Understanding(left, tuple(without), tuple(found), False, unread, free_of, wanted)


def _take_negations(tokens: Sequence[str], known: Phrases) -> tuple[list[str], list[str]]:
    """The words that are wanted, and the phrases that are not."""
    positions: list[int] = []  # of the words that are kept
    kept: list[str] = []
    without: list[str] = []
    position = 0
    while position < len(tokens):
        phrases, end = _read_negation(tokens, position, kept, known)
        if phrases:
            without += phrases
            while kept and kept[-1] in RELATIVE:
                del kept[-1], positions[-1]
        else:
            positions.append(position)
            kept.append(_plain(tokens[position]) or tokens[position])
        position = max(end, position + 1)
    return [tokens[position] for position in positions], without


def _read_negation(
    tokens: Sequence[str], position: int, kept: Sequence[str], known: Phrases
) -> tuple[list[str], int]:
    """The phrases that a negation at a position leaves out, and where it ends."""
    contains = known.contains
    token, rest = tokens[position], tokens[position + 1 :]
    before = _plain(tokens[position - 1]) if position else ""
    if SIGNED.match(token) and len(before) != 1 and (token[0] != "!" or kept or rest):
        name = _plain(token).rpartition(":")[2]  # -brand:nike
        return _names(name), position + 1
    if re.match(SIGN, token) and (taken := _quantity(tokens[position:], token[1:])):
        return [taken], position + len(taken.split())
    if YEAR_OR_SO.fullmatch(token) and not (before.isdigit() or contains([before, token[1:]])):
        return [token[1:]], position + 1
    lower, behind = token.lower(), position + 1
    if lower.startswith("non-") and lower[4:].isalpha():
        lower, rest, behind = "non", [token[4:], *rest], position
    if lower not in TRIGGERS - known.own.between or before in NO_NEGATION_BEFORE or not rest:
        return [], position
    if lower in BEHIND_WORDS and (not kept or contains([before, lower])):
        return [], position
    if lower == "nothing" and contains([lower, _plain(rest[0])]):  # the brand
        return [], position
    if _is_term(lower, [*map(_plain, rest[:2])], known) and not _codes(rest, lower, kept, known):
        return [], position
    phrases, end = _read_phrases(rest, lower, kept, known)
    return phrases, behind + end if phrases else position


def _read_phrases(
    tokens: Sequence[str], trigger: str, kept: Sequence[str], known: Phrases
) -> tuple[list[str], int]:
    """The phrases behind a trigger, joined by "or" and the like, and how many words they take."""
    phrases: list[str] = []
    is_long = trigger in PHRASE_TRIGGERS
    chain = {"or", "nor", "and", "&", *known.own.joining} if is_long else {"or", "nor"}
    start = 0
    while start < len(tokens):
        while start < len(tokens) and fold(_plain(tokens[start])) in FILLERS | known.own.between:
            start += 1
        is_size = begins_with_size(_plain(" ".join(tokens[start : start + 2])).split())
        rest = tokens[start + is_size :]
        start += is_size
        codes = _codes(rest, "except" if is_size else trigger, kept, known)
        phrase = codes or _read_phrase(rest, is_long, kept, known)
        if not phrase or _is_idiom(trigger, _plain(phrase[0]), known):
            break
        phrases += [codes[0]] if codes else _names(" ".join(map(_plain, phrase)))
        start += len(phrase[0].split()) if codes else len(phrase)
        start += _plain("".join(tokens[start : start + 1])) in PRONOUNS
        ends = tokens[start - 1].endswith((",", ";"))
        if ends and not is_long and trigger != "neither":
            break
        if not _goes_on(tokens[start:], chain, ends):
            break
        start += not ends
        if start < len(tokens) and _plain(tokens[start]) in TRIGGERS:  # no hood and no zip
            break
    return phrases, start


def _goes_on(tokens: Sequence[str], chain: set[str], is_list: bool) -> bool:
    """Whether another phrase follows: behind "or", or behind a comma of a list with an "or"."""
    words = [fold(_plain(token) or token) for token in tokens[: 2 * MOST_PHRASE_WORDS]]
    if not is_list:
        return bool(words) and words[0] in chain
    joints = [position for position, word in enumerate(words) if word in chain]
    return bool(joints) and not BOUNDARIES & {*words[: joints[0]]}


def _read_phrase(
    tokens: Sequence[str], is_long: bool, kept: Sequence[str], known: Phrases
) -> list[str]:
    """The words that a negation is about: one, or all up to the next that ends it."""
    phrase: list[str] = []
    most = MOST_PHRASE_WORDS if is_long and kept else 1
    for position, token in enumerate(tokens):
        word = _plain(token)
        is_end = fold(word) in BOUNDARIES | PRONOUNS | known.own.between | known.own.joining
        if is_end or not (WORD.fullmatch(word) or word in kept):
            break
        phrase.append(token)
        pair = [word, *map(_plain, tokens[position + 1 : position + 2])]
        is_size = word in SIZES and (kept or len(tokens) > 2) and known.contains(pair)
        goes_on = len(phrase) < most and (known.is_term(pair) or not known.contains([word]))
        joint, *third = [*map(_plain, tokens[position + 1 : position + 3])] or [""]
        both = [word, *third], [word, "and", *third]
        if not is_long and joint in ("and", "&") and any(map(known.contains, both)):
            return [*phrase, *tokens[position + 1 : position + 3]]  # "cheese and onion"
        goes_on |= word in MODIFIERS or is_size or pair[1:] == ["free"] or known.is_name(pair)
        goes_on |= not FILLERS.issuperset({*pair} & {*kept})  # "table not side table"
        if not goes_on or token != token.rstrip(",;.!?"):
            break
    return phrase


def _codes(tokens: Sequence[str], trigger: str, kept: Sequence[str], known: Phrases) -> list[str]:
    """A quantity or a code at the beginning: "480 gb", "5g", "5 string", "3/4"; else none."""
    if trigger in ("no", "non") or not tokens:
        return []
    if taken := _quantity(tokens, tokens[0]):
        return [taken]
    word = fold(_plain(tokens[0]))
    if word.isdigit() and len(word) == 1 and not (trigger[:3] == "exc" or says_size(kept)):
        pair = [word, *map(_plain, tokens[1:2])]
        return [" ".join(pair)] if len(pair) > 1 and known.contains(pair) else []
    return [word] if CODE.fullmatch(word) else []


def _names(text: str) -> list[str]:
    """What a negation names: "red/blue" is two."""
    return [name for name in re.split("[/,|]", text) if name]


def _quantity(tokens: Sequence[str], first: str) -> str:
    """The number and the unit that words begin with, the first of them without its sign."""
    for words in ([first], [first, *tokens[1:2]]):
        text = fold(" ".join(words).rstrip(",;.!?"))
        if QUANTITY.fullmatch(text):
            return text
    return ""


def _is_term(trigger: str, behind: Sequence[str], known: Phrases) -> bool:
    """Whether a trigger and the words behind it are one term, such as "non stick"."""
    word, is_term = behind[0], known.is_term
    if _is_idiom(trigger, word, known) or not word or word[0].isdigit():
        return True
    if trigger in WITHOUT:
        return False
    words = behind if word in FILLERS | MODIFIERS else [word]
    return is_term([trigger, *words]) or (trigger in ("non", "no") and is_term([trigger + word]))


def _is_idiom(trigger: str, word: str, known: Phrases) -> bool:
    """Of "non acetone" it is none where products say "acetone free"."""
    is_free = trigger == "non" and known.contains([word, "free"])
    return word in IDIOMS.get(trigger, ()) and not is_free


def _plain(text: str) -> str:
    """Text in small letters without the signs around its words."""
    words = (word.strip('.,;:!?()[]{}"-\u2212\u2013*') for word in text.lower().split())
    return " ".join(word for word in words if word)
