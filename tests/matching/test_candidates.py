"""Candidates: rare words find, thousands of equal rows end, the best of every row are kept."""

import numpy as np

from prodmatch.matching.candidate_pairs import Candidates
from prodmatch.matching.competition import Competition
from prodmatch.matching.lexical_candidates import MOST_POSTINGS, LexicalIndex
from prodmatch.matching.listings.numbered_listings import Sets


def test_rare_words_find() -> None:
    terms = Sets(np.array([0, 2, 4, 6]), np.array([0, 1, 0, 2, 0, 3], np.int32))
    index = LexicalIndex(terms, np.array([0.1, 2, 2, 2], np.float32))
    assert index.search(np.array([0, 2]), 1).tolist() == [1]
    assert sorted(index.search(np.array([0, 3]), 2).tolist())[-1] == 2
    assert index.search(np.array([], np.int64), 2).tolist() == []


def test_rows_that_are_all_alike_end() -> None:
    count = MOST_POSTINGS + 10
    terms = Sets(np.arange(count + 1), np.zeros(count, np.int32))
    index = LexicalIndex(terms, np.array([1.0], np.float32))
    assert len(index.search(np.array([0]), 5)) == 5


def test_a_better_candidate_speaks_against_a_pair() -> None:
    pairs = Candidates(np.array([0, 0, 1]), np.array([5, 6, 6]), np.array([2.0, 1.5, 1.8]))
    margins = Competition(pairs, 2, 7).margins(pairs)
    np.testing.assert_allclose(margins.least, [0.5, -0.5, 0.3])
    np.testing.assert_allclose(margins.most, [0.5, -0.3, 0.3])
