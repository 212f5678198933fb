"""Logs of users and products: what is read, what is refused, and how events count."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch.errors import QueryError
from prodmatch.histories import log as log_module
from prodmatch.histories.log import MOST_EVENTS, Histories, LogSettings, read_part, split_log

IDS = pa.array([f"p{n}" for n in range(300)])
DAY = 86_400.0


def read(path: Path, scratch: Path, settings: LogSettings | None = None) -> list[Histories]:
    settings = settings or LogSettings()
    parts, _ = split_log(path, IDS, scratch, settings)
    return [read_part(part, settings) for part in parts]


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


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


def test_a_log_in_many_parts_has_each_user_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    users, rows = rng.integers(0, 40, 1000), rng.integers(0, 300, 1000)
    path = write(
        tmp_path / "log.parquet",
        user=[f"u{user}" for user in users],
        product_id=[f"p{row}" for row in rows],
        time=np.arange(1000.0),
    )
    monkeypatch.setattr(log_module, "PART_ROWS", 150)
    monkeypatch.setattr(log_module, "BATCH_ROWS", 90)
    (tmp_path / "scratch").mkdir()
    found = read(path, tmp_path / "scratch")
    assert len(found) == 7
    histories = {
        name: part.rows[part.of(place)].tolist()
        for part in found
        for place, name in enumerate(part.users.to_pylist())
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
