"""Logs of users and products: what is read, what is refused, and how events count."""

import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch.errors import QueryError
from prodmatch.histories import log as log_module
from prodmatch.histories.log import (
    EVENTS,
    MOST_EVENTS,
    BlockSizes,
    Histories,
    LogSettings,
    read_part,
    split_log,
)

IDS = pa.array([f"p{n}" for n in range(300)])
DAY = 86_400.0


def read(path: Path, scratch: Path, settings: LogSettings | None = None) -> list[Histories]:
    settings = settings or LogSettings()
    parts, _ = split_log(path, IDS, scratch, settings)
    return [read_part(part, settings) for part in parts]


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def scratch(folder: Path) -> Path:
    """A new directory: a log's parts are written once."""
    return Path(tempfile.mkdtemp(dir=folder))


def test_events_are_sorted_by_user_and_time(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.parquet",
        user=["b", "a", "b", "a", "b"],
        product_id=["p3", "p1", "p2", "p0", "p9"],
        time=[3.0, 5.0, 1.0, 4.0, 2.0],
    )
    (found,) = read(path, tmp_path)
    assert found.users.to_pylist() == ["a", "b"]
    assert [found.rows[found.of(n)].tolist() for n in (0, 1)] == [[0, 1], [2, 9, 3]]


def test_a_log_in_many_parts_has_each_user_in_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    users, rows = rng.integers(0, 40, 1000), rng.integers(0, 300, 1000)
    path = write(
        tmp_path / "log.parquet",
        user=[f"u{user}" for user in users],
        product_id=[f"p{row}" for row in rows],
        time=np.arange(1000.0),
    )
    sizes = BlockSizes(part_rows=150, batch_rows=90)
    (tmp_path / "scratch").mkdir()
    found = read(path, tmp_path / "scratch", LogSettings(sizes=sizes))
    assert len(found) == 7
    histories = {
        name: part.rows[part.of(position)].tolist()
        for part in found
        for position, name in enumerate(part.users.to_pylist())
    }
    assert histories == {f"u{user}": rows[users == user].tolist() for user in set(users.tolist())}


@pytest.mark.parametrize(
    "times",
    [
        [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 31)],
        [datetime(2026, 1, day, tzinfo=UTC).replace(tzinfo=None) for day in (1, 31)],
        [datetime(2026, 1, day, tzinfo=UTC).date() for day in (1, 31)],
        [datetime(2026, 1, day, tzinfo=UTC).timestamp() for day in (1, 31)],
        [int(datetime(2026, 1, day, tzinfo=UTC).timestamp()) for day in (1, 31)],
        [int(datetime(2026, 1, day, tzinfo=UTC).timestamp() * 1_000) for day in (1, 31)],
        [datetime(2026, 1, day, tzinfo=UTC).timestamp() * 1e6 for day in (1, 31)],
        [int(datetime(2026, 1, day, tzinfo=UTC).timestamp()) * 10**9 for day in (1, 31)],
        [20260101, 20260131],
        ["20260101", "20260131"],
        ["2026-01-01", "2026-01-31T00:00:00Z"],
        ["2026-01-01T02:00:00+02:00", "1769817600"],
        ["2026-01-01", "2026-01-31"],
        ["2026-01-01T00:00:00", "2026-01-31T00:00:00"],
        ["2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z"],
        ["1767225600", "1769817600"],
    ],
)
def test_a_weight_falls_by_a_half_in_a_half_life(times: list[object], tmp_path: Path) -> None:
    path = write(tmp_path / "log.parquet", user=["a"] * 2, product_id=["p1", "p2"], time=times)
    (found,) = read(path, tmp_path)
    np.testing.assert_allclose(found.weights, [0.5, 1.0], atol=1e-6)


def test_a_time_that_cannot_be_read_is_the_oldest_and_a_warning(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.parquet",
        user=["a"] * 4,
        product_id=["p1", "p2", "p3", "p4"],
        time=["2026-01-31", "2026-13-04", "", "2026-01-01"],
    )
    parts, report = split_log(path, IDS, tmp_path, LogSettings())
    (found,) = (read_part(part, LogSettings()) for part in parts)
    np.testing.assert_allclose(found.weights, [0.5**20, 0.5**20, 0.5, 1.0], atol=1e-6)
    assert report.used == 4
    (warning,) = report.warnings(path)
    assert "1 times cannot be read, such as '2026-13-04'; these events count as the old" in warning


def test_kinds_of_events_have_weights_and_unknown_ones_are_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.parquet",
        user=["a"] * 5,
        product_id=["p1", "p2", "p3", "p4", "p5"],
        time=[1.0] * 5,
        event=["view", "Purchase", "return", "gift", None],
    )
    settings = LogSettings(events={"view": 2.0, "purchase": 7.0, "return": -1.0})
    parts, report = split_log(path, IDS, tmp_path, settings)
    assert read_part(parts[0], settings).weights.tolist() == [2.0, 7.0, -1.0, 1.0, 1.0]
    assert report.warnings(path) == [
        f"{path}: kinds of events without a weight count 1: 'gift' (1)."
    ]
    with pytest.raises(QueryError, match="view=nan must be from"):
        LogSettings(events={"view": float("nan")})


def test_what_was_sent_back_is_no_longer_liked(tmp_path: Path) -> None:
    events = [("a", "p1", 5), ("a", "p2", 5), ("b", "p1", 5), ("a", "p1", -3), ("a", "p1", 1)]
    users, products, weights = zip(*events, strict=True)
    path = write(
        tmp_path / "log.parquet",
        user=users,
        product_id=products,
        time=[1.0] * 5,
        event=[str(weight) for weight in weights],
    )
    settings = LogSettings(events={str(weight): weight for weight in weights})
    (found,) = read(path, tmp_path, settings)
    assert [found.weights[found.of(n)].tolist() for n in (0, 1)] == [[0, 5, -3, 1], [5]]


def test_without_times_the_order_counts_and_old_events_are_only_seen(tmp_path: Path) -> None:
    count = MOST_EVENTS + 20
    path = write(
        tmp_path / "log.parquet",
        user=["a"] * count,
        product_id=[f"p{n}" for n in range(count)],
    )
    (found,) = read(path, tmp_path)
    assert found.rows.tolist() == list(range(count))
    assert not found.weights[:20].any()
    assert found.weights[20:].tolist() == sorted(found.weights[20:].tolist())
    assert found.weights[20] > 0


def test_what_cannot_be_used_is_counted_and_the_user_stays(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.parquet",
        user=["a", "", None, "b", "b", "c"],
        product_id=["p1", "p1", "p1", "gone", None, " "],
    )
    parts, report = split_log(path, IDS, tmp_path, LogSettings())
    assert (report.rows, report.used) == (6, 1)
    assert report.rejects == {"no_user": 2, "unknown_product": 1, "no_product_id": 2}
    assert report.rows == report.used + sum(report.rejects.values())
    assert read_part(parts[0], LogSettings()).users.to_pylist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", "user,product_id,time\n7,p1,2026-01-01\n7,p2,2026-01-02\n"),
        ("log.jsonl", '{"user": 7, "product_id": "p1"}\n{"user": 7, "product_id": "p2"}\n'),
    ],
)
def test_csv_and_json_lines_are_read(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    (found,) = read(tmp_path / name, tmp_path)
    assert (found.users.to_pylist(), found.rows.tolist()) == (["7"], [1, 2])


def test_numbers_are_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "log.parquet", user=[7, 8], product_id=[12.0, None])
    parts, _ = split_log(path, pa.array(["11", "12"]), tmp_path, LogSettings())
    found = read_part(parts[0], LogSettings())
    assert (found.users.to_pylist(), found.rows.tolist()) == (["7", "8"], [1])


def test_numbers_are_text_as_they_are_written(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    users = [7.0, 1.2, 1.7, nan, inf, -inf, None, 1e20, -3.0]
    for kind in (pa.float32(), pa.float64()):
        column = pa.array(users, kind)
        path = write(tmp_path / "log.parquet", user=column, product_id=["p1"] * len(users))
        parts, report = split_log(path, IDS, scratch(tmp_path), LogSettings())
        found = read_part(parts[0], LogSettings()).users.to_pylist()
        assert found == sorted(["7", "1.2", "1.7", "1e+20", "-3"])
        assert (report.used, report.rejects["no_user"]) == (5, 4)
    decimals = [Decimal("7.00"), Decimal("1.20")]
    path = write(tmp_path / "log.parquet", user=decimals, product_id=[1, 1])
    parts, _ = split_log(path, pa.array(["1"]), scratch(tmp_path), LogSettings())
    assert read_part(parts[0], LogSettings()).users.to_pylist() == ["1.20", "7"]


def test_values_of_json_are_those_of_parquet(tmp_path: Path) -> None:
    users = ["1", "1.0", '"1"', "1.2", "1e20", "true", "NaN", "Infinity", "null", "[1]", "{}"]
    lines = [f'{{"user": {user}, "product_id": 5.0}}' for user in users]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    parts, report = split_log(tmp_path / "log.jsonl", pa.array(["5"]), tmp_path, LogSettings())
    found = read_part(parts[0], LogSettings())
    assert found.users.to_pylist() == ["1", "1.2", "1e+20", "true"]
    assert found.starts.tolist() == [0, 3, 4, 5, 6]
    assert report.rejects["no_user"] == 5


@pytest.mark.parametrize("name", ["user", "product_id", "event"])
@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array([["p1"]]), "list<"),
        (pa.array([{"a": "p1"}]), "struct<a: string>"),
        (pa.array([b"\xff"]), "no UTF-8"),
        (pa.array([b"\xff"]).cast(pa.string(), safe=False), "no UTF-8"),
        (pa.array([b"\xff"]).dictionary_encode(), "no UTF-8"),
    ],
)
def test_columns_that_are_no_text_are_refused(
    name: str, column: pa.Array, found: str, tmp_path: Path
) -> None:
    columns = {"user": ["u"], "product_id": ["p1"], "event": ["view"], name: column}
    path = write(tmp_path / "log.parquet", **columns)
    with pytest.raises(QueryError) as error:
        split_log(path, IDS, tmp_path, LogSettings())
    message = str(error.value)
    assert message.startswith(f"`histories`: the column {name!r} is {found}")
    assert message.endswith(". Write it as text or whole numbers.")


@pytest.mark.parametrize(
    "kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_may_be_kept_in_any_form(kind: pa.DataType, tmp_path: Path) -> None:
    columns = {
        "user": ["a", "a"],
        "product_id": ["p1", "p2"],
        "event": ["view", "cart"],
        "time": ["2026-01-31", "2026-01-01"],
    }
    table = {name: pa.array(values).cast(kind) for name, values in columns.items()}
    (found,) = read(write(tmp_path / "log.parquet", **table), tmp_path)
    assert (found.users.to_pylist(), found.rows.tolist()) == (["a"], [2, 1])
    np.testing.assert_allclose(found.weights, [1.5, 1.0], atol=1e-6)


def test_times_may_be_coded_by_a_dictionary(tmp_path: Path) -> None:
    time = pa.array([1_769_817_600, 1_767_225_600]).cast(pa.timestamp("s")).dictionary_encode()
    path = write(tmp_path / "log.parquet", user=["a"] * 2, product_id=["p1", "p2"], time=time)
    (found,) = read(path, tmp_path)
    np.testing.assert_allclose(found.weights, [0.5, 1.0], atol=1e-6)


def test_the_case_of_kinds_is_nothing_and_a_kind_that_is_not_there_is_named(tmp_path: Path) -> None:
    events = ["VIEW ", "Cart"]
    path = write(tmp_path / "log.parquet", user=["a"] * 2, product_id=["p1", "p2"], event=events)
    settings = LogSettings(events={**EVENTS, " View": 2.0, "CART": 4.0, "cart": 4.0, "purchse": 9})
    parts, report = split_log(path, IDS, scratch(tmp_path), settings)
    decay = 0.5 ** (1 / log_module.HALF_LIFE_EVENTS)
    np.testing.assert_allclose(read_part(parts[0], settings).weights, [2.0 * decay, 4.0], atol=1e-6)
    assert report.warnings(path) == [
        f"{path}: no event is of the kind 'purchse', which `events` has a weight for; "
        "found: cart, view. Compare the names."
    ]
    bare = write(tmp_path / "bare.parquet", user=["a"], product_id=["p1"])
    _, report = split_log(bare, IDS, scratch(tmp_path), LogSettings(events={**EVENTS, "view": 2.0}))
    (warning,) = report.warnings(bare)
    assert "no event is of the kind 'view', which `events` has a weight for; found: none" in warning
    assert split_log(bare, IDS, scratch(tmp_path), LogSettings())[1].warnings(bare) == []


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("nan"), float("inf")])
def test_a_half_life_is_a_number_of_days(half_life: float) -> None:
    with pytest.raises(QueryError, match=r"`half_life`: .* must be a number of days above 0\."):
        LogSettings(half_life=half_life)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": ["a"], "item": ["p1"]}, "has no column 'product_id'; found user, item"),
        ({"who": ["a"]}, "has no column 'user' and none 'product_id'"),
        (
            {"user": ["a"], "product_id": ["x"]},
            r"none of 1 rows can be used \(unknown_product: 1\)",
        ),
        (
            {"user": ["a"], "product_id": ["p1"], "time": ["yesterday"]},
            "1 of 1 times cannot be read, such as 'yesterday'",
        ),
    ],
)
def test_logs_that_cannot_be_used_are_refused(
    columns: dict[str, list[str]], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "log.parquet", **columns)
    with pytest.raises(QueryError, match=message):
        split_log(path, IDS, tmp_path, LogSettings())


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(content)
    with pytest.raises(QueryError, match=r"log\.parquet"):
        split_log(tmp_path / "log.parquet", IDS, tmp_path, LogSettings())


@pytest.mark.parametrize(
    ("name", "head", "good", "broken"),
    [
        ("log.csv", "user,product_id\n", "u,p1\n", ["u,p1,p2\n", "u\n", '"u"x,p1\n']),
        (
            "log.jsonl",
            "",
            '{"user": "u", "product_id": "p1"}\n',
            ['{"user": "u", "prod\n', "[1]\n", "null\n"],
        ),
    ],
)
def test_lines_that_are_no_records_are_left_out_and_named(
    tmp_path: Path, name: str, head: str, good: str, broken: list[str]
) -> None:
    path = tmp_path / name
    for number, line in enumerate(broken):
        path.write_text(head + 2 * good + line + good)
        (scratch := tmp_path / str(number)).mkdir()
        parts, report = split_log(path, IDS, scratch, LogSettings())
        assert (report.rows, report.used, report.rejects["no_record"]) == (4, 3, 1)
        (warning,) = report.warnings(path)
        assert f": line {3 + bool(head)} " in warning
        assert warning.endswith("1 such line left out.")
        assert [len(read_part(part, LogSettings()).rows) for part in parts] == [3]
        path.write_text(head + good + line)
        with pytest.raises(QueryError, match="1 of 2 lines are no records"):
            split_log(path, IDS, tmp_path, LogSettings())


@pytest.mark.parametrize("suffix", [" UTC", "Z", " GMT"])
def test_times_may_name_their_zone(suffix: str, tmp_path: Path) -> None:
    times = [f"2026-01-0{day} 00:00:00{suffix}" for day in (2, 1)]
    path = write(tmp_path / "l.parquet", user=["a", "a"], product_id=["p0", "p1"], time=times)
    (found,) = read(path, scratch(tmp_path))
    assert found.rows.tolist() == [1, 0]


def test_a_column_that_seems_to_be_time_or_event_by_another_name_is_a_warning(
    tmp_path: Path,
) -> None:
    columns = {"user": ["a"], "product_id": ["p0"], "event_time": [5.0], "event_type": ["cart"]}
    path = write(tmp_path / "l.parquet", **columns)
    _, report = split_log(path, IDS, scratch(tmp_path), LogSettings())
    assert report.warnings(path) == [
        f"{path}: has no column {name!r}, and does not read {other!r}. Name that {name!r} if it "
        "is one."
        for name, other in (("time", "event_time"), ("event", "event_type"))
    ]
    path = write(tmp_path / "l.parquet", **columns, time=[1.0], event=["view"])
    _, report = split_log(path, IDS, scratch(tmp_path), LogSettings())
    assert report.warnings(path) == []
