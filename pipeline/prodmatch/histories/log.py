"""A log of users and products: read in batches, split by user, and sorted in bounded memory."""

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.catalogue.files import find_files
from prodmatch.catalogue.records import PARQUET_SUFFIXES, find_named, parse_records
from prodmatch.errors import CatalogueError, QueryError, require_path, require_type
from prodmatch.histories.texts import cell_text, read_texts
from prodmatch.histories.times import NO_TIME, Seconds, read_times
from prodmatch.storage.temporary import new_scratch_file

EVENTS = {"view": 1.0, "click": 1.0, "like": 3.0, "cart": 3.0, "purchase": 5.0, "return": -3.0}
OTHER_EVENT = 1.0  # weight of a kind of event that is not named, or of none
FIELDS = ("user", "product_id", "time", "event")
MOST_WEIGHT = 1000.0
MOST_EVENTS = 100  # of a user that count, the newest; the older ones are only viewed
HALF_LIFE_EVENTS = 20.0  # of an event's weight where the log has no times
MOST_HALF_LIVES = 20.0  # that a weight falls by
SECONDS_OF_DAY = 86_400.0
TIMES = "Give timestamps, ISO 8601 such as 2026-01-31T12:00:00, or seconds since 1970."
PART_SCHEMA = pa.schema(
    [("user", pa.string()), ("row", pa.int32()), ("time", pa.float64()), ("weight", pa.float32())]
)


@dataclass(frozen=True)
class BlockSizes:
    """How much of a log, and of an index, is worked on at a time."""

    batch_rows: int = 1 << 18  # of the log that are read
    part_rows: int = 1_000_000  # events that are sorted
    users: int = 512  # whose recommendations are made
    candidates: int = 200  # of a user, by content and by co-views
    dense_rows: int = 8192  # of an index all of which are compared, without a search


@dataclass(frozen=True)
class LogSettings:
    """How events count."""

    # Weights of kinds of events, whatever their case; a negative one is of what to keep away from.
    events: Mapping[str, float] = field(default_factory=lambda: dict(EVENTS))
    half_life: float = 30.0  # days in which an event's weight falls by a half
    sizes: BlockSizes = field(default_factory=BlockSizes)

    def __post_init__(self) -> None:
        number = int | float | np.number
        require_type(self.half_life, number, "`half_life`", "Give days.", QueryError)
        require_type(self.events, Mapping, "`events`", "Give {kind: weight}.", QueryError)
        for kind, weight in self.events.items():
            require_type(
                kind, str, f"`events`: {kind!r:.40}", "Give the name of a kind.", QueryError
            )
            require_type(weight, number, f"`events`: {kind:.40}", "Give a number.", QueryError)
            if not abs(weight) <= MOST_WEIGHT:
                raise QueryError(
                    f"`events`: {kind}={weight:g} must be from -{MOST_WEIGHT:g} to {MOST_WEIGHT:g}."
                )
        if not 0 < self.half_life < math.inf:
            raise QueryError(f"`half_life`: {self.half_life:g} must be a number of days above 0.")
        events = {kind.strip().lower(): weight for kind, weight in self.events.items()}
        object.__setattr__(self, "events", events)


@dataclass
class LogReport:
    """What was read of a log; `rows` is `used` and the rejects together."""

    rows: int = 0
    used: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    no_record: str = ""  # what is wrong with the first line that is none
    other_events: Counter[str] = field(default_factory=Counter)  # kinds without a weight
    unread_times: Counter[str] = field(default_factory=Counter)  # what is no time
    kinds: set[str] = field(default_factory=set)  # of events that were found
    not_found: list[str] = field(default_factory=list)  # kinds whose weight was given for nothing
    misnamed: dict[str, str] = field(default_factory=dict)  # columns that seem to be what lacks

    def warnings(self, path: Path) -> list[str]:
        """What a person should know of it."""
        found = []
        if self.no_record:
            count = self.rejects["no_record"]
            found.append(f"{self.no_record} {count} such line{'s' * (count > 1)} left out.")
        found += [
            f"{path}: has no column {name!r}, and does not read {other!r}. Name that {name!r} if "
            "it is one."
            for name, other in self.misnamed.items()
        ]
        if self.other_events:
            kinds = ", ".join(f"{kind!r} ({n})" for kind, n in self.other_events.most_common(5))
            found.append(
                f"{path}: kinds of events without a weight count {OTHER_EVENT:g}: {kinds}."
            )
        if self.not_found:
            found.append(
                f"{path}: no event is of the kind {' or '.join(map(repr, self.not_found))}, which "
                f"`events` has a weight for; found: {', '.join(sorted(self.kinds)[:5]) or 'none'}. "
                "Compare the names."
            )
        if self.unread_times:
            example, _ = self.unread_times.most_common(1)[0]
            found.append(
                f"{path}: {self.unread_times.total()} times cannot be read, such as "
                f"{example[:80]!r}; these events count as the oldest. {TIMES}"
            )
        if self.rejects["unknown_product"] > self.rows / 2:
            found.append(
                f"{path}: {self.rejects['unknown_product']} of {self.rows} rows name products "
                "that are not in the index. Compare the ids."
            )
        return found


@dataclass(frozen=True)
class Histories:
    """The events of some users, oldest first; `starts` bounds those of each user.

    A user of whose products none is in the index has no events.
    """

    users: pa.Array  # (n,) strings
    starts: npt.NDArray[np.int64]  # (n + 1,)
    rows: npt.NDArray[np.int64]  # (events,) of the index
    weights: npt.NDArray[np.float32]  # (events,): by kind and age; 0 is only viewed

    def __len__(self) -> int:
        return len(self.users)

    def of(self, position: int) -> slice:
        """The events of a user."""
        return slice(int(self.starts[position]), int(self.starts[position + 1]))


def check_log(path: object, settings: object) -> Path:
    """The path of a log; refuses what a caller from Python gives in place of it or its settings.

    Raises:
        QueryError: one of them is of another type.
    """
    require_type(settings, LogSettings | None, "`settings`", "Give LogSettings(...).", QueryError)
    return require_path(path, "histories")


def split_log(
    path: Path, product_ids: pa.Array, scratch: Path, settings: LogSettings
) -> tuple[list[Path], LogReport]:
    """Parts of a log, each with all events of its users, and what was read.

    Args:
        path: a Parquet file or a directory of them, or CSV or JSON lines, with `user`,
            `product_id` and, where there are any, `time` (timestamps, ISO 8601, or seconds and
            parts of them) and `event`. Rows without a time are the oldest, in the file's order.
        product_ids: of the index, row by row.

    Raises:
        QueryError: the log cannot be read, has no such columns, or none of its products is in
            the index.
    """
    report = LogReport()
    count, batches = _open_log(path, report, settings.sizes.batch_rows)
    part_count = max(1, -(-count // settings.sizes.part_rows))
    paths = [scratch / f"part-{n}.parquet" for n in range(part_count)]
    for number, part in enumerate(_split(batches, product_ids, settings, len(paths), report)):
        target = paths[number % len(paths)].with_suffix(f".{number // len(paths)}.parquet")
        with new_scratch_file(target) as file:
            pq.write_table(part, file, compression="lz4")
    if not report.used:
        found = ", ".join(f"{reason}: {n}" for reason, n in report.rejects.items())
        raise QueryError(
            f"`histories` {path}: none of {report.rows} rows can be used ({found}). "
            "Compare the ids with those of the index."
        )
    given = (kind for kind, weight in settings.events.items() if EVENTS.get(kind) != weight)
    report.not_found = [kind for kind in given if kind not in report.kinds]
    return paths, report


def read_part(path: Path, settings: LogSettings) -> Histories:
    """The histories of a part, user by user in the order of their names."""
    files = sorted(path.parent.glob(f"{path.stem}.*.parquet"), key=lambda p: int(p.suffixes[0][1:]))
    tables = [pq.read_table(file) for file in files]
    table = pa.concat_tables(tables).combine_chunks() if tables else PART_SCHEMA.empty_table()
    users = pc.unique(table["user"]).sort()
    table = table.filter(pc.is_valid(table["row"])).combine_chunks()
    codes = pc.index_in(table["user"], value_set=users).to_numpy()
    times = table["time"].to_numpy()
    order = np.lexsort((np.arange(len(codes)), times, codes))
    codes, times = codes[order], times[order]
    starts = np.searchsorted(codes, np.arange(len(users) + 1))
    newest = starts[codes + 1] - 1  # the position of the user's newest event
    from_newest = newest - np.arange(len(order))
    known = np.isfinite(times)
    age = np.full(len(times), np.inf)
    age[known] = times[newest][known] - times[known]
    half_lives = age / (settings.half_life * SECONDS_OF_DAY)
    if not known.any():
        half_lives = from_newest / HALF_LIFE_EVENTS
    decay = 0.5 ** np.minimum(half_lives, MOST_HALF_LIVES)
    weights = table["weight"].to_numpy()[order] * decay * (from_newest < MOST_EVENTS)
    rows = table["row"].to_numpy()[order].astype(np.int64)
    weights[_taken_back(codes, rows, weights)] = 0
    return Histories(users, starts, rows, weights.astype(np.float32))


def _taken_back(
    users: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which likes a later event of the same user and product with a negative weight follows."""
    _, pairs = np.unique(users * (rows.max(initial=0) + 1) + rows, return_inverse=True)
    last = np.full(len(weights), -1)  # (pairs,): the position of the last negative event
    negative = np.flatnonzero(weights < 0)
    last[pairs[negative]] = negative  # ascending: the last one stays
    return np.asarray((weights > 0) & (np.arange(len(weights)) < last[pairs]))


def _open_log(path: Path, report: LogReport, batch_rows: int) -> tuple[int, Iterator[pa.Table]]:
    """How many rows a log has, and its batches; the report counts lines that are no record."""
    if not path.is_dir() and path.suffix.lower() not in PARQUET_SUFFIXES:
        parsed = parse_records(path, "`histories`")
        records = [record for record in parsed if not isinstance(record, QueryError)]
        broken = [record for record in parsed if isinstance(record, QueryError)]
        if 2 * len(broken) >= len(parsed):
            raise QueryError(f"{broken[0]} {len(broken)} of {len(parsed)} lines are no records.")
        if broken:
            report.rows, report.no_record = len(broken), str(broken[0])
            report.rejects["no_record"] = len(broken)
        columns = {
            name: [cell_text(row.get(name)) for row in records]
            for name in FIELDS
            if any(name in row for row in records)
        }
        names = list(dict.fromkeys(name for row in records for name in row))
        _check_columns(path, names, report)
        return len(records), iter([pa.table(columns)])
    try:
        files = [each.path for each in find_files(path).files]
        counts = []
        for each in files:
            schema = pq.read_schema(each)
            _check_columns(each, schema.names, report)
            counts.append(pq.read_metadata(each).num_rows)
    except CatalogueError as error:
        raise QueryError(f"`histories` {error}") from error
    except (pa.ArrowException, OSError) as error:
        raise QueryError(f"`histories` {path}: cannot be read as Parquet ({error}).") from error
    return sum(counts), _read_files(files, batch_rows)


def _read_files(files: list[Path], batch_rows: int) -> Iterator[pa.Table]:
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                names = [name for name in FIELDS if name in file.schema_arrow.names]
                for batch in file.iter_batches(batch_rows, columns=names):
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise QueryError(f"`histories` {path}: cannot be read ({error}).") from error


def _check_columns(path: Path, names: list[str], report: LogReport) -> None:
    missing = [name for name in ("user", "product_id") if name not in names]
    if missing:
        raise QueryError(
            f"`histories` {path}: has no column {' and none '.join(map(repr, missing))}; found "
            f"{', '.join(map(str, names))[:200]}. Needed are user and product_id, and time and "
            "event where there are any."
        )
    for name in ("time", "event"):
        other = None if name in names else find_named(names, name)
        if other is not None:
            report.misnamed[name] = other


def _split(
    batches: Iterator[pa.Table],
    product_ids: pa.Array,
    settings: LogSettings,
    count: int,
    report: LogReport,
) -> Iterator[pa.Table]:
    """Each batch as `count` tables, a user always in the table of the same position."""
    for batch in batches:
        table = _read_batch(batch, product_ids, settings, report)
        encoded = table["user"].combine_chunks().dictionary_encode()
        names = encoded.dictionary.to_pylist()
        numbers = np.array([zlib.crc32(name.encode()) % count for name in names], np.int64)
        tables = numbers[encoded.indices.to_numpy(zero_copy_only=False)] if names else numbers
        for number in range(count):
            yield table.filter(pa.array(tables == number))


def _read_batch(
    batch: pa.Table, product_ids: pa.Array, settings: LogSettings, report: LogReport
) -> pa.Table:
    """The events of a batch, without a row where they cannot be used; the report counts those."""
    users, products = (read_texts(batch[name], name) for name in ("user", "product_id"))
    distinct = products.dictionary_encode()
    row_of = pc.index_in(distinct.dictionary, value_set=product_ids)
    rows = pc.take(row_of, distinct.indices)
    no_user, no_product = (np.asarray(pc.is_null(each)) for each in (users, products))
    unknown = np.asarray(pc.is_null(rows)) & ~no_product
    report.rows += len(batch)
    report.rejects += Counter(
        {
            "no_user": int(no_user.sum()),
            "no_product_id": int((no_product & ~no_user).sum()),
            "unknown_product": int((unknown & ~no_user).sum()),
        }
    )
    good = ~(no_user | no_product | unknown)
    report.used += int(good.sum())
    weights = _event_weights(batch, settings, good, report)
    times = np.full(len(batch), NO_TIME)
    if "time" in batch.column_names:
        times = _check_times(batch["time"], report)
    columns = [users, rows, pa.array(times), pa.array(weights, pa.float32())]
    return pa.Table.from_arrays(columns, schema=PART_SCHEMA).filter(pa.array(~no_user))


def _event_weights(
    batch: pa.Table, settings: LogSettings, good: npt.NDArray[np.bool_], report: LogReport
) -> npt.NDArray[np.float32]:
    if "event" not in batch.column_names:
        return np.full(len(batch), OTHER_EVENT, np.float32)
    kinds = pc.utf8_lower(pc.utf8_trim_whitespace(read_texts(batch["event"], "event")))
    kinds = kinds.dictionary_encode()
    names = kinds.dictionary.to_pylist()
    report.kinds |= set(names)
    codes = pc.fill_null(kinds.indices, len(names)).to_numpy(zero_copy_only=False)
    counts = np.bincount(codes[good], minlength=len(names) + 1)
    for name, count in zip(names, counts.tolist(), strict=False):
        if count and name not in settings.events:
            report.other_events[name] += count
    known = [settings.events.get(name, OTHER_EVENT) for name in names]
    return np.asarray(np.array([*known, OTHER_EVENT])[codes], np.float32)


def _check_times(column: pa.ChunkedArray, report: LogReport) -> Seconds:
    """Seconds since 1970; what is no time counts as none, where it is the exception."""
    try:
        seconds, unread = read_times(column)
    except pa.ArrowException as error:
        raise QueryError(f"`histories`: times cannot be read ({error}). {TIMES}") from error
    if 2 * len(unread) > len(column) - column.null_count:
        raise QueryError(
            f"`histories`: {len(unread)} of {len(column)} times cannot be read, such as "
            f"{unread[0][:80]!r}. {TIMES}"
        )
    report.unread_times += Counter(unread)
    return seconds
