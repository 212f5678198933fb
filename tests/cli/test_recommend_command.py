"""`recommend` and `evaluate` with logs, as from a shell."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from prodmatch_cli.main import cli


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("user,product_id\nann,p0001\nann,p0002\nbob,p0003\n")
    return path


def test_every_user_of_a_log_gets_products(published: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = invoke("recommend", "--store", published, "--histories", log, "--out", out, "--top", 3)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["users"], report["recommendations"], report["rows"]) == (2, 6, 3)
    assert pq.read_table(out)["user"].to_pylist() == ["ann"] * 3 + ["bob"] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--histories", "LOG"], "--histories goes with --out. Give that too"),
        (["--histories", "LOG", "--out", "x", "--liked", "p0001"], "--liked does not go with"),
        (["--liked", "p0001", "--out", "x"], "--out goes with --histories."),
        ([], "Give --liked, or --histories with --out."),
        (["--histories", "LOG", "--out", "x", "--events", "view"], "--events: 'view' is not of"),
        (["--histories", "LOG", "--out", "x", "--events", "view=much"], "that is no number"),
        (["--histories", "LOG", "--out", "x", "--half-life", "0"], "'--half-life'"),
        (["--histories", "LOG", "--out", "."], "is no regular file"),
    ],
)
def test_wrong_usage_is_told(options: list[str], message: str, published: Path, log: Path) -> None:
    given = [str(log) if option == "LOG" else option for option in options]
    done = invoke("recommend", "--store", published, *given)
    assert done.exit_code == 2
    assert message in done.output


def test_evaluate_takes_a_log_or_judged_queries(published: Path, log: Path) -> None:
    done = invoke("evaluate", "--store", published)
    assert (
        done.exit_code,
        "Give --queries and --qrels, --clicks, or --histories." in done.output,
    ) == (
        2,
        True,
    )
    done = invoke("evaluate", "--store", published, "--histories", log, "--qrels", log)
    assert done.exit_code == 2
    done = invoke("evaluate", "--store", published, "--histories", log)
    assert done.exit_code == 2
    assert "nobody among one in ten users" in done.output
    rows = [f"u{n},p{row:04d}\n" for n in range(900) for row in (n % 30, 59 - n % 30)]
    log.write_text("user,product_id\n" + "".join(rows))
    done = invoke("evaluate", "--store", published, "--histories", log)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].split() == [
        *("measure", "content", "co_views", "popularity", "blend", "gain", "over", "p")
    ]
