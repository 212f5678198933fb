"""Whose last product is held out, and what the blend is learnt of."""

import numpy as np
import pyarrow as pa

from prodmatch.histories.learn import MOST_HELD_OUT, LeftOut, join_left_out
from prodmatch.histories.log import Histories


def left_out(users: dict[str, int]) -> LeftOut:
    """Users by their number, of which their history and last product are made."""
    numbers = np.array(list(users.values()))
    starts = np.concatenate([[0], np.cumsum(1 + numbers % 3)])
    rows = np.repeat(numbers, 1 + numbers % 3)
    histories = Histories(pa.array(list(users)), starts, rows, rows.astype(np.float32))
    return LeftOut(histories, numbers + 1)


def test_neither_names_nor_parts_choose_who_is_held_out() -> None:
    users = {f"{'az'[n >= 3000]}{n:05d}": n for n in range(6000)}
    whole = join_left_out([left_out(users)])
    assert len(whole.last) == len(whole.histories) == MOST_HELD_OUT == 2000
    assert 900 < sum(name.startswith("a") for name in whole.histories.users.to_pylist()) < 1100
    for position, name in enumerate(whole.histories.users.to_pylist()):
        number = users[name]
        own = whole.histories.of(position)
        assert whole.histories.rows[own].tolist() == [number] * (1 + number % 3)
        assert whole.histories.weights[own].tolist() == [number] * (1 + number % 3)
        assert whole.last[position] == number + 1
    names = list(users)
    parts = [left_out({name: users[name] for name in names[n::3]}) for n in range(3)]
    joined = join_left_out(parts)
    assert joined.histories.users == whole.histories.users
    assert joined.histories.rows.tolist() == whole.histories.rows.tolist()
    assert joined.last.tolist() == whole.last.tolist()
