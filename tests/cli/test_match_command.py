"""`match`, as from a shell."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prodmatch_cli.main import cli


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["match", *map(str, arguments)])


def test_the_report_is_a_line_of_json(published: Path, tmp_path: Path) -> None:
    done = invoke("--store", published, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["left"] == 60
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "pairs.parquet",
        "groups.parquet",
    }


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "Missing option '--out'"),
        (["--out", "x", "--precision", "0"], 2, "'--precision'"),
        (["--out", "x", "--pairs", "none.csv"], 2, "--pairs none.csv: there is no such file."),
        (["--out", "x", "--scorer", "none"], 1, "--scorer none: there is no such file."),
        (["--out", "x", "--against", "none"], 1, "none: "),
    ],
)
def test_what_is_wrong_is_named(
    options: list[str],
    code: int,
    message: str,
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("--store", published, *options)
    assert list(tmp_path.iterdir()) == []
    assert done.exit_code == code
    assert message in done.output
