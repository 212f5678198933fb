"""Groups join no strangers, and keep their ids."""

import numpy as np

from prodmatch.matching.duplicate_groups import (
    find_components,
    link_completely,
    missing_pairs,
    name_groups,
    probabilities_by_pair,
)


def test_a_chain_joins_no_strangers() -> None:
    rows, others = np.array([0, 1, 2, 7]), np.array([1, 2, 3, 8])
    chances = np.array([0.99, 0.97, 0.98, 0.96])
    components = find_components(rows, others)
    assert components == [[0, 1, 2, 3], [7, 8]]
    known = probabilities_by_pair(rows, others, chances)
    assert missing_pairs(components, known) == [(0, 2), (0, 3), (1, 3)]
    found = link_completely(known, 0.95, lambda one, other: True)
    assert found == [(0, 1), (2, 3), (7, 8)]


def test_all_pairs_of_a_group_reach_the_threshold() -> None:
    known = {(0, 1): 0.99, (1, 2): 0.98, (0, 2): 0.96, (2, 3): 0.97, (0, 3): 0.5, (1, 3): 0.99}
    found = link_completely(known, 0.95, lambda one, other: True)
    assert found == [(0, 1, 2)] or found == [(0, 1), (2, 3)]
    assert all(known[pair] >= 0.95 for group in found for pair in known if set(pair) <= set(group))


def test_only_what_can_be_a_pair_must_reach_it() -> None:
    known = {(0, 10): 0.99, (1, 10): 0.97}
    found = link_completely(known, 0.95, lambda one, other: (one < 9) != (other < 9))
    assert found == [(0, 1, 10)]


def test_groups_keep_their_ids() -> None:
    first = [[("left", "a"), ("left", "b")], [("left", "x"), ("left", "y")]]
    names = name_groups(first, {})
    assert len(set(names)) == 2
    old = {member: name for name, group in zip(names, first, strict=True) for member in group}
    second = [
        [("left", "0"), ("left", "1")],
        [("left", "a"), ("left", "b"), ("left", "c")],
        [("left", "y"), ("left", "z")],
    ]
    again = name_groups(second, old)
    assert again[1:] == names
    assert again[0] not in names


def test_the_larger_part_of_a_split_group_keeps_the_id() -> None:
    whole = [("left", name) for name in "abcde"]
    old = dict.fromkeys(whole, "g1")
    names = name_groups([whole[:2], whole[2:]], old)
    assert names[1] == "g1"
    assert names[0] != "g1"
