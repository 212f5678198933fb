"""Alarms: signals above their limits, categories that moved, what the gate would refuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.morning.categories import CategoryShift
from prodmatch.morning.ordinary import Limit, is_alarm
from prodmatch.morning.pair import TEXT, Pair, Signal
from prodmatch.morning.queries import TOP, UNEXPLAINED
from prodmatch.morning.report import Alarm, MovedQuery, SuspectRow
from prodmatch.morning.snapshot import Snapshot


@dataclass(frozen=True)
class Findings:
    """What the checks found, and where it is more than usual."""

    pair: Pair
    signals: Sequence[Signal]
    limits: Mapping[str, Limit]
    shifts: Sequence[CategoryShift]

    def alarms(self) -> list[Alarm]:
        """An alarm for each signal above its limit, and each category that moved, largest first."""
        found = [self._alarm(each) for each in self._loud()]
        found.sort(key=lambda alarm: -alarm.count / max(1, alarm.limit))
        return found + [self._shift_alarm(each) for each in self.shifts if each.figures.significant]

    def counts(self) -> dict[str, dict[str, float]]:
        """What each signal found, what is usual, and what its limit is."""
        return {
            each.name: {
                "count": len(each.rows),
                "usual": self.limits[each.name].usual,
                "limit": self.limits[each.name].most,
            }
            for each in self.signals
        }

    def rows(self) -> list[SuspectRow]:
        """The products of all alarms, with what changed."""
        found = [row for signal in self._loud() for row in self._rows(signal)]
        for shift in self.shifts:
            if shift.figures.significant:
                signal = Signal("shifted", shift.figures.column, "", shift.rows)
                found += self._rows(signal)
        return found

    def _loud(self) -> list[Signal]:
        loud = [each for each in self.signals if is_alarm(len(each.rows), self.limits[each.name])]
        return [each for each in loud if not self._is_loss_of_a_column(each, loud)]

    def _is_loss_of_a_column(self, signal: Signal, loud: Sequence[Signal]) -> bool:
        """Whether these are lost texts that an alarm names by the column they stood in."""
        columns = [each for each in loud if each.check == "lost" and each.column in self.pair.texts]
        return signal.name == f"lost:{TEXT}" and any(
            np.isin(signal.rows, each.rows).all() for each in columns if each.column != TEXT
        )

    def _alarm(self, signal: Signal) -> Alarm:
        limit, count = self.limits[signal.name], len(signal.rows)
        snapshot = self.pair.last if signal.gone else self.pair.tonight
        ids = snapshot.ids(signal.rows[:NAMED])
        column = f"{signal.column}: " if signal.column else ""
        what = f"{column}{count} products {signal.text}"
        usual = f"usual are {limit.usual:.0f} a night, up to {limit.most}"
        text = f"{what} ({name_some(ids, count)}); {usual}"
        return Alarm(signal.name, text, count, limit.usual, limit.most, ids, what)

    def _shift_alarm(self, shift: CategoryShift) -> Alarm:
        ids, each = self.pair.tonight.ids(shift.rows[:NAMED]), shift.figures
        what = (
            f"{each.column} {each.category!r}: the {each.part} of {each.moved} of {each.products} "
            f"products moved, mean cosine {each.cosine:.2f}"
        )
        text = f"{what} ({name_some(ids, each.moved)})"
        return Alarm(f"shifted:{each.column}", text, each.moved, 0.0, 0, ids, what)

    def _rows(self, signal: Signal) -> list[SuspectRow]:
        pair, snapshot = self.pair, self.pair.last if signal.gone else self.pair.tonight
        ids, titles = snapshot.ids(signal.rows), _column(snapshot, "title", signal)
        own = signal.column if signal.column in pair.columns else "title"
        names = signal.shown or (own,)
        none: list[str | None] = [None] * len(ids)
        before = _joined({name: _before(pair, name, signal) for name in names})
        after = _joined(
            {name: none if signal.gone else _column(pair.tonight, name, signal) for name in names}
        )
        return [
            SuspectRow(signal.name, *row)
            for row in zip(ids, [title or "" for title in titles], before, after, strict=True)
        ]


def _column(snapshot: Snapshot, name: str, signal: Signal) -> list[str | None]:
    """A column of a signal's rows as texts; nulls where there is no such column."""
    if name not in snapshot.products.column_names:
        return [None] * len(signal.rows)
    values = snapshot.products[name].take(pa.array(signal.rows)).to_pylist()
    return [_shown(value) for value in values]


def _joined(columns: Mapping[str, list[str | None]]) -> list[str | None]:
    """The values of a column; of several, each by the name of its column."""
    if len(columns) == 1:
        return next(iter(columns.values()))
    rows = zip(*columns.values(), strict=True)
    return [
        "; ".join(f"{name}: {value}" for name, value in zip(columns, row, strict=True) if value)
        for row in rows
    ]


def _before(pair: Pair, name: str, signal: Signal) -> list[str | None]:
    if signal.gone:
        return _column(pair.last, name, signal)
    if name not in pair.last.products.column_names:
        return [None] * len(signal.rows)
    sources = dict(zip(pair.after.tolist(), pair.before.tolist(), strict=True))
    column = pair.last.products[name]
    rows = [sources.get(row) for row in signal.rows.tolist()]
    values = [None if row is None else column[row].as_py() for row in rows]
    return [_shown(value) for value in values]


def _shown(value: object) -> str | None:
    return f"{value:.10g}" if isinstance(value, float) else None if value is None else str(value)


def other_alarms(refusals: Sequence[str], moved: Sequence[MovedQuery], queries: int) -> list[Alarm]:
    """What the gate would refuse, and queries that moved without a reason in the rows."""
    found = [Alarm("gate", text, 0, 0.0, 0, []) for text in refusals]
    unexplained = sum(each.unexplained for each in moved)
    if queries and unexplained / (TOP * queries) > UNEXPLAINED:
        names = name_some([each.query for each in moved], len(moved))
        text = (
            f"queries: {unexplained} of {TOP * queries} first products of {queries} queries are "
            f"others, though no product changed ({names}): another model, weights or synonyms?"
        )
        found.append(Alarm("queries", text, unexplained, 0.0, int(UNEXPLAINED * TOP * queries), []))
    return found
