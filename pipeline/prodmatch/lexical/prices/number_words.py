"""Whole numbers written as English words, up to 999,999."""

import re

_ONES = "one two three four five six seven eight nine".split()  # noqa: SIM905
_TEENS = """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen""".split()  # noqa: SIM905
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_VALUES = {
    **{word: value for value, word in enumerate(_ONES, start=1)},
    **{word: value for value, word in enumerate(_TEENS, start=10)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
    "a": 1,
}
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(_ONES)}))?|{'|'.join(_TEENS + _ONES)})"
_BELOW_1000 = (
    rf"(?:(?:(?:a|{'|'.join(_ONES)})\s)?hundred(?:\s(?:and\s)?{_BELOW_100}\b)?|{_BELOW_100})"
)
#: A pattern that matches one such number, the longest that there is.
NUMBER_WORDS = (
    rf"\b(?:(?:(?:a|{_BELOW_1000})\s)?thousand(?:\s(?:and\s)?{_BELOW_1000}\b)?|{_BELOW_1000})\b"
)


def read_number_words(text: str) -> int:
    """The number that a match of `NUMBER_WORDS` says."""
    total = hundreds = 0
    for word in re.split(r"[\s-]+", text.lower()):
        if word == "thousand":
            total, hundreds = 1000 * (hundreds or 1), 0
        elif word == "hundred":
            hundreds = 100 * (hundreds or 1)
        else:
            hundreds += _VALUES.get(word, 0)
    return total + hundreds
