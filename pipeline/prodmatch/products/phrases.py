"""Phrases as products write them: in order, denied ("alcohol-free"), or with signs in a code."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce

import numpy as np

from prodmatch.lexical.bm25 import PostingsReader
from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import ENGLISH_WORDS, LanguageWords
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.storage.vectors import Mask, Rows

DENYING = ("free", "no", "non", "not", "without", "zero", "proof")
NO_DENIALS = frozenset(
    """stainless timeless endless countless priceless effortless spotless heartless restless
    tireless unless unit until union unlock unleash unzip unbutton unbuckle unclip unhook unplug
    unpack unwrap unbox unfold unroll uncover unscrew unwind untie""".split()  # noqa: SIM905
)
FREE_THINGS = "range|standing|size|people|spirit|shipping|delivery|gift|run|flow|form|trade|wheel"
BETWEEN = r"[\s\-_./,'\u00b0]{0,3}"  # the letters of a code
LEAST_LETTERS, LEAST_DIGITS, MOST_LETTERS = 5, 5, 40  # of a word that may be written apart
SIZE = re.compile(r"\d+x\d+")  # "4x20", however short
MOST_PARTS = 6  # of it
MOST_STEPS = 2000  # of the search for them
MOST_ROWS = 300  # whose texts are read
MOST_DENYING = 3000
NAME_SHARE = 0.5  # of the products with its first or last word say a name whole: "rose gold"
TERM_SHARE = 0.02  # of the products with a word, that say it behind another: more than by chance


def phrase_pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Matches texts that have these words one behind the other."""
    joined = r"[^\w]+".join(map(re.escape, words))
    return re.compile(rf"(?<!\w){joined}(?!\w)", re.IGNORECASE)


def denial_pattern(words: str, own: LanguageWords = ENGLISH_WORDS) -> re.Pattern[str]:
    """Matches texts that say that they have none of something: "no alcohol", "alcohol-free".

    Other forms of the words count: "non-alcoholic", "no added sugar"; "free range" is no denial.
    """
    in_order = _in_any_form(words, own)
    before = "|".join(sorted({"no", "non", "not", "without", "zero"} - own.between | own.without))
    behind = "|".join(["proof", "free", *(rf"{end}\w{{0,2}}" for end in sorted(own.lacking))])
    return re.compile(
        rf"(?<!\w)(?:(?:{before})\W+(?:(?:added|artificial|an?|any)\W+)?{in_order}"
        rf"|{in_order}[\s-]?(?:{behind})(?!\s+(?:{FREE_THINGS})))(?!\w)",
        re.IGNORECASE,
    )


def having_pattern(words: str, own: LanguageWords = ENGLISH_WORDS) -> re.Pattern[str]:
    """Matches texts that say that they have something: "with 2 doors", not "with oil-free gel"."""
    between = r"\W+(?!(?:no|non|not|zero)\b)(?:\w+\W+)?"
    behind = r"(?!\w|[\s-]?(?:proof|free)\b)"
    having = "|".join(sorted({"with", *own.having}))
    in_order = _in_any_form(words, own)
    return re.compile(rf"(?<!\w)(?:{having}){between}{in_order}{behind}", re.IGNORECASE)


def _in_any_form(words: str, own: LanguageWords) -> str:
    stemmer = Stemmer(own.language)
    whole = words.lower().split()
    if own is ENGLISH_WORDS:
        roots = [stem.removesuffix("i") for stem in stemmer.stems(whole)]  # "batteri" of batteries
    else:  # a stem may have lost accents that texts have
        roots = [word[: len(stemmer.stem(fold(word)))] for word in whole]
    return r"\W+".join(rf"{re.escape(root)}\w{{0,4}}" for root in roots)


def denying_words(words: str, own: LanguageWords = ENGLISH_WORDS) -> list[str]:
    """Words that say the same in one: "unscented", "sleeveless", "sugarfree"."""
    word = words.replace(" ", "").lower()
    plain = word if word.endswith("ss") else word.removesuffix("s")
    found = [f"{plain}free", f"{plain}less", f"un{plain}", f"non{plain}"]
    found += [fold(word) + end for end in sorted(own.lacking)]
    return [each for each in found if each not in NO_DENIALS]


def contained(pattern: re.Pattern[str], texts: Iterable[Mapping[str, object]]) -> Mask:
    """For each product's values whether a text of them matches."""
    found = [
        any(isinstance(value, str) and pattern.search(value) for value in values.values())
        for values in texts
    ]
    return np.array(found, np.bool_)


def rows_of_all(terms: Iterable[str], postings: PostingsReader) -> Rows:
    """The rows that contain all these terms, ascending; none where there is none."""
    found = sorted((postings.rows_of(term) for term in terms), key=len)
    both = partial(np.intersect1d, assume_unique=True)
    return reduce(both, found).astype(np.int64) if found else np.zeros(0, np.int64)


def may_be_apart(word: str) -> bool:
    """Whether a word is long enough to be told from words that stand together by chance."""
    letters = sum(map(str.isalpha, word))
    return (
        len(word) <= MOST_LETTERS
        and word.isalnum()
        and word.isascii()
        and (
            len(word) >= (LEAST_LETTERS if letters else LEAST_DIGITS) or bool(SIZE.fullmatch(word))
        )
    )


def rows_of_parts(word: str, postings: PostingsReader) -> Rows:
    """Rows that contain the parts of a word, such as "gsr", "12v" and "15" of "gsr12v15"."""
    known: dict[str, Rows] = {}
    found: list[Rows] = []
    steps = 0

    def rows_of(part: str) -> Rows:
        if part not in known:
            known[part] = postings.rows_of(part).astype(np.int64)
        return known[part]

    def extend(start: int, rows: Rows | None, parts: int) -> None:
        nonlocal steps
        for end in range(len(word), start, -1):
            steps += 1
            if steps > MOST_STEPS or (start == 0 and end == len(word)):
                continue
            part = rows_of(word[start:end])
            both = part if rows is None else np.intersect1d(rows, part, assume_unique=True)
            if len(both) and end == len(word):
                found.append(both)
            elif len(both) and parts < MOST_PARTS:
                extend(end, both, parts + 1)

    extend(0, None, 1)
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))[:MOST_ROWS]


def find_writing(word: str, texts: Iterable[Mapping[str, object]]) -> str:
    """How most texts of products write a word with signs in it, folded; empty where none does."""
    pattern = re.compile(rf"(?<![^\W_]){BETWEEN.join(map(re.escape, word))}(?![^\W_])")
    values = (value for each in texts for value in each.values() if isinstance(value, str))
    matches = filter(None, (pattern.search(fold(value)) for value in values))
    found = Counter(match.group() for match in matches)
    return min(found, key=lambda writing: (-found[writing], writing), default="")
