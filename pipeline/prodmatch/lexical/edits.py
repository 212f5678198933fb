"""Edits between two words."""


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


def is_slip(one: str, other: str) -> bool:
    """Whether words one edit apart differ by neighbours swapped, or by a letter doubled or not."""
    if len(one) == len(other):
        return sorted(one) == sorted(other)
    return _undoubled(one) == _undoubled(other)


def _undoubled(word: str) -> str:
    return "".join(letter for at, letter in enumerate(word) if word[at - 1 : at] != letter)
