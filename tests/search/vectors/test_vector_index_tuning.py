"""Lists are looked at until queries find enough, and no more of them than find something."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from prodmatch.search.vectors.code_lists import CodeLists
from prodmatch.search.vectors.vector_index import tune_lists

LISTS, MOST_ROWS = 50_000, 2_400


@dataclass
class Lists:
    """Counts what a query looks at, as lists of codes do."""

    breadth: int = 16
    rescored: int = 300

    def widen(self) -> bool:
        before = self.breadth
        self.breadth = min(LISTS, before * 5 // 4)
        return self.breadth > before

    def rescore_more(self) -> bool:
        before = self.rescored
        self.rescored = min(MOST_ROWS, 2 * before)
        return self.rescored > before


def tune(recall: Callable[[Lists], float], wanted: float = 0.98) -> Lists:
    lists = Lists()
    tune_lists([cast(CodeLists, lists)], lambda: recall(lists), wanted)
    return lists


def of_lists(lists: Lists) -> float:
    return 1 - 2 / lists.breadth


def test_more_lists_are_looked_at_until_enough_is_found() -> None:
    found = tune(of_lists)
    assert (found.rescored, found.breadth) == (300, 112)


def test_more_rows_are_compared_where_more_lists_find_nothing() -> None:
    found = tune(lambda lists: min(of_lists(lists), 1 - 9 / lists.rescored))
    assert found.rescored == 600
    assert 100 < found.breadth < 400


@pytest.mark.parametrize("best", [0.5, 0.9, 0.975])
def test_what_finds_nothing_is_taken_back_where_enough_is_not_to_be_had(best: float) -> None:
    found = tune(lambda lists: min(of_lists(lists), best))
    assert found.rescored == 300
    assert found.breadth < 200
    assert of_lists(found) >= best - 0.01
