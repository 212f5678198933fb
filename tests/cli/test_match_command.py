"""`match`, as from a shell."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from prodmatch.reports.matches import Side, _marked
from prodmatch_cli.main import cli


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["match", *map(str, arguments)])


def test_the_report_is_a_line_of_json(published: Path, tmp_path: Path) -> None:
    done = invoke("--store", published, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["left"] == 60
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"pairs.parquet", "groups.parquet", "scores.safetensors"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["match", "--out", "afile"], "--out afile: is no directory."),
        (["match", "--out", "o", "--html", "afile/x"], "--html afile: is no directory."),
        (["match", "--out", "o", "--html", "o/groups.parquet"], "is that of --out, too."),
        (
            ["match", "--out", "o", "--pairs", "none.csv"],
            "none.csv: there is no such file.",
        ),
        (
            ["tag", "--out", "o/x", "--labels", "none.csv"],
            "none.csv: there is no such file.",
        ),
        (["tag", "--out", "o/x", "--html", "o/x"], "--html o/x: is that of --out, too."),
        (["drift", "--out", "afile/o"], "--out afile: is no directory."),
        (
            ["evaluate", "--queries", "q.csv", "--qrels", "r.csv", "--out", "afile"],
            "--out afile: is no directory.",
        ),
    ],
)
def test_what_cannot_be_read_or_written_is_refused_at_once(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("afile", "q.csv", "r.csv"):
        Path(name).write_text("x\n")
    done = CliRunner().invoke(cli, [*arguments, "--store", str(published)])
    assert done.exit_code == (1 if "directory" in message else 2)
    assert message in done.stderr.splitlines()[-1]
    assert not Path("o").exists()


def test_phases_are_lines_off_a_terminal(published: Path, tmp_path: Path) -> None:
    done = invoke("--store", published, "--out", tmp_path / "out")
    lines = [line.split(" ", 2)[2] for line in done.stderr.splitlines() if line[:2] == "20"]
    assert [line for line in lines if not line.startswith("scoring")] == [
        "reading the listings",
        "finding candidates",
        "grouping",
        "writing",
    ]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "Missing option '--out'"),
        (["--out", "x", "--precision", "0"], 2, "'--precision'"),
        (["--out", "x", "--pairs", "none.csv"], 2, "none.csv: there is no such file."),
        (["--out", "x", "--scorer", "none"], 1, "--scorer none: there is no such file."),
        (
            ["--out", "x", "--against", "none"],
            1,
            "none: holds no index yet. Run 'prodmatch build CATALOGUE --store none'.",
        ),
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


def test_the_page_shows_pairs_whose_decisions_are_labels(published: Path, tmp_path: Path) -> None:
    page = tmp_path / "pairs.html"
    done = invoke("--store", published, "--out", tmp_path / "out", "--html", page)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    (policy,) = re.findall(r"script-src '(sha256-[^']+)'", text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy == "sha256-" + b64encode(sha256(script.encode()).digest()).decode()
    assert 'saveAs("labels.csv", ["left", "right"], "match")' in script
    shown = re.findall(r'data-left="(p\d{4})" data-right="(p\d{4})"', text)
    assert shown
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pylist()
    assert set(shown) <= {(pair["left"], pair["right"]) for pair in pairs}
    assert "data:image/webp;base64," in text
    assert "<mark>" in text


def test_equal_words_are_not_marked() -> None:
    columns = {"a": {"title": "Red Tee | 64 GB"}, "b": {"title": "tee red 32 GB"}}
    side = Side({}, columns)
    marked = _marked(side, "a", side, "b")
    assert [word for word, alone in marked if alone] == ["64"]
