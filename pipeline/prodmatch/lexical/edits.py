"""Edits between two words, and how likely fingers make them."""

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
COLUMN = {letter: (row, at) for row, keys in enumerate(KEYS) for at, letter in enumerate(keys)}
VOWELS = frozenset("aeiouy")


def within_edits(one: str, other: str, most: int) -> int | None:
    """The count of edits between two words where it is at most `most`, else None.

    An edit is a letter more, less, changed, or swapped with its neighbour
    (restricted Damerau-Levenshtein).
    """
    if abs(len(one) - len(other)) > most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        oldest, before, row = before, row, [i]
        for j, found in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != found))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == found:
                cost = min(cost, oldest[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None


def edit_cost(typed: str, intended: str) -> float:
    """How unlikely the only edit between two words is as a slip, in powers of ten.

    Letters swapped, doubled or not doubled cost nothing, a letter left out .2, a vowel for a vowel
    .5, a neighbour on the keyboard instead of a letter or next to it .6, any other letter 1.2.
    """
    if len(typed) < len(intended):
        return 0.0 if _undoubled(typed) == _undoubled(intended) else 0.2
    if len(typed) > len(intended):
        return _cost_of_more(typed, intended)
    if sorted(typed) == sorted(intended):
        return 0.0
    letters = next(pair for pair in zip(typed, intended, strict=True) if pair[0] != pair[1])
    if VOWELS.issuperset(letters):
        return 0.5
    return 0.6 if _are_neighbours(*letters) else 1.2


def _cost_of_more(typed: str, intended: str) -> float:
    """The cost of a letter too many: least where it is next to its twin or to its neighbour."""
    if _undoubled(typed) == _undoubled(intended):
        return 0.0
    at = next((n for n, letter in enumerate(intended) if typed[n] != letter), len(intended))
    near = typed[max(at - 1, 0) : at] + typed[at + 1 : at + 2]
    return 0.6 if any(_are_neighbours(typed[at], letter) for letter in near) else 1.2


def _are_neighbours(one: str, other: str) -> bool:
    """Whether the keys of two letters touch each other."""
    if one not in COLUMN or other not in COLUMN:
        return False
    (row, at), (other_row, other_at) = COLUMN[one], COLUMN[other]
    return abs(row - other_row) <= 1 and abs(at - other_at) <= 1


def _undoubled(word: str) -> str:
    return "".join(letter for at, letter in enumerate(word) if word[at - 1 : at] != letter)
