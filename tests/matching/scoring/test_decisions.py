"""Decisions on pairs, and what follows from them."""

import numpy as np

from prodmatch.matching.candidate_pairs import Candidates
from prodmatch.matching.scoring.decisions import close_decisions, decide_pairs, find_missing
from prodmatch.matching.scoring.kept_scores import ScoredPairs

YES, NO = True, False


def can_be_any(one: int, other: int) -> bool:
    return one != other


def scored(*pairs: tuple[int, int, float]) -> ScoredPairs:
    rows, others, probability = np.array(pairs).reshape(-1, 3).T
    ends = Candidates(rows.astype(np.int64), others.astype(np.int64), probability)
    return ScoredPairs(ends, probability, probability / 2, probability / 4, probability * 0)


def test_what_is_one_with_one_is_one_and_what_is_no_other_is_none_of_them() -> None:
    closed = close_decisions([(2, 1, YES), (2, 3, YES), (3, 4, NO), (4, 5, YES)], can_be_any)
    one, other = [(1, 2), (1, 3), (2, 3), (4, 5)], [(a, b) for a in (1, 2, 3) for b in (4, 5)]
    assert closed.is_same == {**dict.fromkeys(one, True), **dict.fromkeys(other, False)}
    assert closed.contradicting == []


def test_decisions_that_contradict_each_other_are_named() -> None:
    given = [(1, 2, YES), (2, 3, YES), (3, 1, NO), (5, 6, YES), (6, 5, NO)]
    closed = close_decisions(given, can_be_any)
    assert closed.contradicting == [(1, 3), (5, 6)]
    assert closed.is_same == {(1, 2): True, (2, 3): True, (1, 3): False, (5, 6): False}


def test_only_what_can_be_a_pair_is_one() -> None:
    given = [(0, 9, YES), (1, 9, YES)]
    closed = close_decisions(given, lambda one, other: (one < 5) != (other < 5))
    assert closed.is_same == {(0, 9): True, (1, 9): True}


def test_decided_pairs_have_no_other_probability() -> None:
    before = scored((0, 2, 0.9), (1, 2, 0.3), (1, 3, 0.8))
    decided = {(1, 3): False, (0, 2): True, (0, 1): False}
    missing = find_missing(before.pairs, decided)
    assert missing.tolist() == [[0, 1]]
    found = decide_pairs(before, decided, scored((0, 1, 0.4)))
    assert found.pairs.rows.tolist() == [0, 0, 1, 1]
    assert found.pairs.others.tolist() == [1, 2, 2, 3]
    assert found.probability.tolist() == [0, 1, 0.3, 0]
    assert found.text_cosine.tolist() == [0.2, 0.45, 0.15, 0.4]
