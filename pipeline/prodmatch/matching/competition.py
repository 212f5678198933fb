"""Competition: how much more alike a pair is than the next best that either side has.

Where two shops are compared and each lists a product once, a better candidate speaks against a
pair as much as what the pair itself says.
"""

import numpy as np

from prodmatch.matching.candidate_pairs import Candidates
from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.matching.pair_features import Margins, Values

FEWEST_PRICES = 20  # pairs, to know in what currencies their prices are


class Competition:
    """Compares pairs with all candidates of their rows."""

    def __init__(self, pairs: Candidates, row_count: int, other_count: int) -> None:
        """Takes all candidates, each once."""
        self._by_row = _best_two(pairs.rows, pairs.likeness, row_count)
        self._by_other = _best_two(pairs.others, pairs.likeness, other_count)

    def margins(self, pairs: Candidates) -> Margins:
        """The lower and the higher of each pair's two margins; NaN where a side has no other."""
        found = [
            _margin(best[keys], pairs.likeness)
            for best, keys in ((self._by_row, pairs.rows), (self._by_other, pairs.others))
        ]
        return Margins(np.fmin(*found), np.fmax(*found))


def price_rate(pairs: Candidates, left: Values, right: Values) -> float:
    """What prices of the other side are multiplied by, to be those of this side.

    The median ratio of the prices of each row and its best candidate, as of two currencies; 1 where
    few have prices.

    Args:
        left: the prices of all rows, NaN where there is none; `right`: of all others.
    """
    order = np.lexsort((-pairs.likeness, pairs.rows))
    _, first = np.unique(pairs.rows[order], return_index=True)
    best = order[first]
    ratios = left[pairs.rows[best]] / right[pairs.others[best]]
    ratios = ratios[~np.isnan(ratios)]
    return float(np.median(ratios)) if len(ratios) >= FEWEST_PRICES else 1.0


def _best_two(keys: Ints, values: Values, count: int) -> Values:
    """The two highest values `(count, 2)` of each key, NaN where it has fewer."""
    order = np.lexsort((-values, keys))
    keys, values = keys[order], values[order]
    starts = np.searchsorted(keys, np.arange(count + 1))
    found = np.full((count, 2), np.nan)
    for position in range(2):
        has = np.diff(starts) > position
        found[has, position] = values[starts[:-1][has] + position]
    return found


def _margin(best: Values, values: Values) -> Values:
    is_best = values >= best[:, 0] - 1e-9
    return np.asarray(values - np.where(is_best, best[:, 1], best[:, 0]))
