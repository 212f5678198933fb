"""A person's decisions on pairs, which outweigh what a scorer says, and what follows from them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from prodmatch.matching.candidate_pairs import Candidates, join_pairs
from prodmatch.matching.duplicate_groups import find_components
from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.matching.scoring.kept_scores import MEASURED, ScoredPairs

ROW_BITS = 32  # of a key of a pair
Pair = tuple[int, int]  # of members of groups, the lower first


@dataclass(frozen=True)
class Closed:
    """Whether pairs are one product, by decisions and what follows from these.

    Attributes:
        is_same: by pair.
        contradicting: pairs that are decided to be others, and by way of other decisions the same.
    """

    is_same: Mapping[Pair, bool]
    contradicting: list[Pair]


@dataclass(frozen=True)
class Decided:
    """Scored pairs with what is decided of them.

    Attributes:
        scored: all pairs.
        contradicting: as `Closed` has them, by member.
    """

    scored: ScoredPairs
    contradicting: list[Pair]


def close_decisions(
    decisions: Iterable[tuple[int, int, bool]], is_pair: Callable[[int, int], bool]
) -> Closed:
    """What follows: of one and the same product all are the same, and what is not one is none.

    A pair that is decided itself is what was decided; with both decisions it is not one product.

    Args:
        decisions: two members, and whether they are one product.
        is_pair: whether two members can be a pair at all.
    """
    found: dict[Pair, set[bool]] = {}
    for one, other, same in decisions:
        found.setdefault((min(one, other), max(one, other)), set()).add(same)
    direct = {pair: labels == {True} for pair, labels in found.items()}
    contradicting = [pair for pair, labels in found.items() if len(labels) > 1]
    ones = np.array([pair for pair, label in direct.items() if label], np.int64).reshape(-1, 2)
    members: dict[int, list[int]] = {}
    for component in find_components(ones[:, 0], ones[:, 1]):
        members |= dict.fromkeys(component, component)
    closed: dict[Pair, bool] = {}
    for component in members.values():
        closed |= dict.fromkeys(combinations(component, 2), True)
    for (one, other), label in direct.items():
        own, its = members.get(one, [one]), members.get(other, [other])
        if not label and own is its and (one, other) not in contradicting:
            contradicting.append((one, other))
        elif not label:
            closed |= {(min(pair), max(pair)): False for pair in product(own, its)}
    closed |= direct
    kept = {pair: label for pair, label in closed.items() if is_pair(*pair)}
    return Closed(kept, sorted(contradicting))


def decide_pairs(
    scored: ScoredPairs, decided: Mapping[Pair, bool], added: ScoredPairs
) -> ScoredPairs:
    """The pairs, by row and other, with what is decided: a probability of 1 or 0.

    Args:
        decided: whether the pairs of a row and another row are one product.
        added: those of them that are not among the pairs.
    """
    joined = join_pairs([scored.pairs, added.pairs])
    own = {k: np.concatenate([getattr(scored, k), getattr(added, k)]) for k in MEASURED}
    labels = np.array(list(decided.values()), np.float64)
    keys = _keys(*np.array(list(decided), np.int64).reshape(-1, 2).T)
    order = np.argsort(keys)
    wanted = _keys(joined.rows, joined.others)
    positions = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    known = keys[order][positions] == wanted
    own["probability"][known] = labels[order][positions[known]]
    order = np.lexsort((joined.others, joined.rows))
    kept = {name: each[order] for name, each in own.items()}
    return ScoredPairs(joined.take(order), **kept, scored=scored.scored, pictures=scored.pictures)


def find_missing(pairs: Candidates, decided: Mapping[Pair, bool]) -> Ints:
    """The decided pairs `(n, 2)` that are not among these."""
    wanted = np.array(list(decided), np.int64).reshape(-1, 2)
    return wanted[~np.isin(_keys(*wanted.T), _keys(pairs.rows, pairs.others))]


def _keys(rows: Ints, others: Ints) -> Ints:
    return (rows << ROW_BITS) | others
