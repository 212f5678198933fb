"""Groups of listings of one product: complete linkage, so that no chain joins strangers."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.matching.pair_features import Values

LARGEST_COMPLETED = 64  # members of a component whose missing pairs are scored, too
Group = tuple[int, ...]
Member = tuple[str, str]  # side and id


def find_components(rows: Ints, others: Ints) -> list[list[int]]:
    """The members of everything that pairs connect, ascending; the smallest member's first."""
    parent: dict[int, int] = {}

    def root(member: int) -> int:
        while parent.setdefault(member, member) != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for one, other in zip(rows.tolist(), others.tolist(), strict=True):
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    found: dict[int, list[int]] = {}
    for member in sorted(parent):
        found.setdefault(root(member), []).append(member)
    return [found[first] for first in sorted(found)]


def missing_pairs(
    components: Iterable[Sequence[int]], known: Mapping[tuple[int, int], float]
) -> list[tuple[int, int]]:
    """The pairs of members of small components that have no probability yet."""
    return [
        pair
        for members in components
        if 2 < len(members) <= LARGEST_COMPLETED
        for pair in combinations(members, 2)
        if pair not in known
    ]


def link_completely(
    probability: Mapping[tuple[int, int], float],
    threshold: float,
    is_pair: Callable[[int, int], bool],
) -> list[Group]:
    """Groups in which every pair reaches the threshold, the likeliest pairs joined first.

    Pairs have the lower member first; one that is not there is none. Only members of which
    `is_pair` says that they can be a pair at all must reach it.
    """
    likely = sorted((-value, pair) for pair, value in probability.items() if value >= threshold)
    own = {member: [member] for _, pair in likely for member in pair}
    for _, (one, other) in likely:
        first, second = own[one], own[other]
        if first is second:
            continue
        cross = ((min(a, b), max(a, b)) for a in first for b in second if is_pair(a, b))
        if all(probability.get(pair, 0.0) >= threshold for pair in cross):
            first += second
            own.update(dict.fromkeys(second, first))
    unique = {id(each): each for each in own.values() if len(each) > 1}
    return sorted(tuple(sorted(each)) for each in unique.values())


def name_groups(groups: Sequence[Sequence[Member]], old: Mapping[Member, str]) -> list[str]:
    """An id for each group: that of the old group that most members were in, else a new one.

    `old` has the group id of each member of the old groups.
    """
    wanted: list[tuple[int, int, str]] = []
    for number, members in enumerate(groups):
        shared = Counter(old[member] for member in members if member in old)
        wanted += [(-count, number, group_id) for group_id, count in shared.items()]
    names: dict[int, str] = {}
    taken = set[str]()
    for _, number, group_id in sorted(wanted, key=lambda each: (each[0], each[2], each[1])):
        if number not in names and group_id not in taken:
            names[number] = group_id
            taken.add(group_id)
    used = {*old.values()}
    for number, members in enumerate(groups):
        if number not in names:
            names[number] = _new_name(min(members), used)
            used.add(names[number])
    return [names[number] for number in range(len(groups))]


def _new_name(member: Member, used: set[str]) -> str:
    tries = 0
    while True:
        digest = hashlib.sha256(
            f"{member[0]}\0{member[1]}\0{tries}".encode("utf-8", "replace")
        ).hexdigest()
        if (name := f"g{digest[:12]}") not in used:
            return name
        tries += 1


def probabilities_by_pair(
    rows: Ints, others: Ints, probability: Values
) -> dict[tuple[int, int], float]:
    """The probability of each pair, the lower member first."""
    ordered = np.sort(np.stack([rows, others], axis=1), axis=1).tolist()
    return {
        (one, other): value
        for (one, other), value in zip(ordered, probability.tolist(), strict=True)
    }
