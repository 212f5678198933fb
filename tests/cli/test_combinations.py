"""An option that would be ignored is refused, where it is given for that run alone."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from prodmatch_cli.main import cli

JUDGED = "evaluate --queries q.csv --qrels r.csv"
LOGGED = "recommend --histories log.csv --out out.parquet"
TRAIN = "train c.parquet --out model"
ENCODERS = f"{TRAIN} --text-encoder . --image-encoder resnet18"
OF_PAGES = ["--catalogue c.parquet", "--columns title=name", "--image-root ."]
OF_HEADS = [
    *("--text-encoder bert", "--image-encoder resnet18", "--image-weights r.pth", "--download"),
    *("--labels l.csv", "--loss siglip", "--columns title=name", "--text-columns title"),
    *("--image-root .", "--store store", "--precision bf16", "--workers 2"),
]
# What is run, options that it would ignore, and what the message says of each.
TABLE = [
    ("build c.parquet", ["--download"], "goes with --model NAME"),
    ("build c.parquet --model compact", ["--download"], "goes with --model NAME"),
    ("build c.parquet --synonyms s.csv", ["--no-synonyms"], ""),
    ("build c.parquet --groups s.csv", ["--no-groups"], ""),
    (
        "check c.parquet",
        ["--store s", "--html h.html", "--out o.parquet", "--colour-by brand"],
        "goes with --deep",
    ),
    ("check c.parquet --no-decode", ["--workers 2"], "does not go with --no-decode"),
    ("convert a.csv b.parquet", ["--match sku", "--image-paths"], "goes with --images"),
    ("embed c.parquet", ["--download"], "goes with --model NAME"),
    ("embed c.parquet --model compact", ["--download"], "goes with --model NAME"),
    (
        "evaluate --histories log.csv",
        [
            *("--queries q.csv", "--qrels r.csv", "--clicks c.csv", "--against s"),
            *("--device cpu", "--relevant 2", "--threshold .4", "--filter a=1"),
            *("--weights text=1", "--run r.txt", "--out out"),
        ],
        "does not go with --histories",
    ),
    (JUDGED, ["--events view=2", "--half-life 3"], "goes with --histories"),
    (JUDGED, ["--device cpu"], "goes with --against MODEL"),
    (f"{JUDGED} --against store", ["--device cpu"], "goes with --against MODEL"),
    (JUDGED, ["--threshold .4"], "goes with --format json or --out"),
    ("evaluate --clicks c.csv", ["--queries q.csv", "--qrels r.csv"], "does not go with --clicks"),
    ("index --synonyms s.csv", ["--no-synonyms"], ""),
    ("index --groups s.csv", ["--no-groups"], ""),
    ("pretrain c.parquet --out model", ["--runs 2"], "goes with --model"),
    ("query shirt", [*OF_PAGES, "--link url"], "goes with --html"),
    ("query shirt --format csv", ["--facets brand", "--count"], "goes with --format table, json"),
    *((f"query a --format {form}", ["--explain"], "goes with --format table.")
      for form in ("csv", "json", "jsonl")),
    ("query --image p.png", ["--exact"], "goes with TEXT or --queries"),
    ("query --id p0001", ["--exact"], "goes with TEXT or --queries"),
    ("query --queries q.csv", ["--image p.png", "--id p0001"], "does not go with --queries"),
    (
        "recommend --liked p0001",
        ["--out o.parquet", "--events view=2", "--half-life 3"],
        "goes with --histories",
    ),
    ("recommend --liked a --format json", ["--explain"], "goes with --format table."),
    (
        LOGGED,
        [
            *("--liked p0001", "--disliked p0002", "--weights text=1", "--min-probability .5"),
            *("--offset 2", "--diverse .5", "--boost price=1", "--format json", "--explain"),
        ],
        "does not go with --histories",
    ),
    ("synonyms", ["--top 3", "--out s.txt"], "goes with --suggest"),
    ("tag --out o.parquet", ["--columns title=name"], "goes with CATALOGUE or --html"),
    ("tag --out o.parquet", ["--image-root ."], "goes with --html"),
    ("tag c.parquet --out o.parquet", ["--image-root ."], "goes with --html"),
    (TRAIN, ["--pairs p.parquet", "--texts t.parquet"], "goes with --encoders scratch or finetune"),
    (TRAIN, ["--image-weights r.pth", "--download"], "goes with --text-encoder and --image"),
    (ENCODERS, ["--model compact"], "does not go with --text-encoder and --image-encoder"),
    (f"{ENCODERS} --image-weights r.pth", ["--download"], "does not go with --text-encoder"),
    (f"{TRAIN} --encoders scratch", [*OF_HEADS, "--model compact"],
     "does not go with --encoders scratch"),
    (f"{TRAIN} --encoders finetune", OF_HEADS, "does not go with --encoders finetune"),
]  # fmt: skip
CASES = [(line, option, reason) for line, options, reason in TABLE for option in options]

# The other options of each command: they count in all that it does. Those of `embed` and a dry run
# of it are given together: it says what a run with them would do.
COUNTING = {
    "build": "columns text-columns image-root store model device precision engine workers leave-out"
    " max-reject max-removed max-lost accept-changes allow-empty weights memory min-recall type"
    " synonyms groups language",
    "check": "columns text-columns image-root leave-out no-decode max-lost max-reject deep format",
    "convert": "images encoding delimiter",
    "drift": "store generation against queries evaluations max-drift history seed out format",
    "embed": "columns text-columns image-root store model device precision engine workers leave-out"
    " max-reject max-removed max-lost accept-changes allow-empty dry-run",
    "evaluate": "store histories format",
    "explain": "store image weights boost format html png catalogue columns image-root",
    "export": "store to generation",
    "gc": "store keep minutes",
    "generations": "store format",
    "index": "store model engine weights memory min-recall type synonyms groups language",
    "match": "store against out precision pairs scorer decisions candidates html image-root columns"
    " catalogue",
    "pretrain": "model pairs texts epochs batch-rows out dim seed log-dir device",
    "pull": "store",
    "push": "store generation keep",
    "query": "store queries top filter weights min-probability offset one-per diverse boost format"
    " html model",
    "recommend": "store histories top filter one-per",
    "rollback": "store to",
    "serve": "store host port threads facets access-log catalogue columns image-root",
    "synonyms": "store suggest",
    "tag": "store column precision values labels out html",
    "train": "encoders epochs out dim seed log-dir device",
    "verify": "store generation",
}
COMMON = ["config", "log-level", "log-format", "quiet"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store" / "index").mkdir(parents=True)


def invoke(line: str) -> Result:
    return CliRunner().invoke(cli, shlex.split(line))


def assert_runs(line: str) -> None:
    """That a command begins, and comes to the files that are not there."""
    found = invoke(line)
    assert "error: " in found.output
    assert not re.search("goe?s? with", found.output), found.output


@pytest.mark.parametrize(("line", "option", "reason"), CASES)
def test_an_option_that_would_be_ignored_is_refused(line: str, option: str, reason: str) -> None:
    found = invoke(f"{line} {option}")
    name = option.split()[0].replace("--no-", "--")
    end = f"Give that too, or leave {name} out." if reason[:1] == "g" else "Leave one of them out."
    assert found.exit_code == 2, found.output
    (message,) = (each for each in found.output.splitlines() if each.startswith("Error: "))
    assert message.startswith(f"Error: {name} {reason or 'does not go with --no-'}")
    assert message.endswith(end)


def test_a_text_that_would_be_ignored_is_refused() -> None:
    found = invoke("query shirt --queries q.csv")
    assert found.exit_code == 2
    assert "TEXT does not go with --queries. Leave one of them out." in found.output


@pytest.mark.parametrize(("line", "option"), [case[:2] for case in CASES if case[2]])
def test_the_same_in_a_variable_is_for_other_runs(
    line: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = option.removeprefix("--").partition(" ")
    variable = f"prodmatch-{line.split()[0]}-{name}".upper().replace("-", "_")
    monkeypatch.setenv(variable, value or "1")
    assert_runs(line)


@pytest.mark.parametrize(
    "line",
    [
        "query shirt",
        "match --out out",
        "tag --out o.parquet",
        "tag c.parquet --out o.parquet",
        "check c.parquet --no-decode",
        f"{TRAIN} --encoders scratch",
        JUDGED,
    ],
)
def test_a_file_of_options_for_all_commands_stops_none(line: str, tmp_path: Path) -> None:
    (tmp_path / "prodmatch.toml").write_text(
        'store = "store"\ndevice = "cpu"\nprecision = "float32"\nworkers = 2\n'
        'columns = "title=name"\nimage-root = "."\ntext-columns = "title"\nmodel = "compact"\n'
    )
    assert_runs(line)


def test_a_precision_for_all_commands_is_that_of_the_encoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODMATCH_PRECISION", "float32")
    assert_runs("match --out out")
    (tmp_path / "prodmatch.toml").write_text("precision = 0.9\n")
    assert "'precision' must be text, found 0.9." in invoke("tag --out o.parquet").output


def options(command: click.Command) -> Iterator[str]:
    """The names of a command's options, without those that every command has."""
    for option in command.params:
        if isinstance(option, click.Option):
            name = max(option.opts, key=len).removeprefix("--")
            if name not in COMMON:
                yield name


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_every_option_counts_always_or_is_refused_where_it_does_not(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    refused = {
        option.split()[0].removeprefix("--") for line, option, _ in CASES if line.split()[0] == name
    }
    counting = COUNTING[name].split()
    assert refused.isdisjoint(counting)
    assert sorted(options(command)) == sorted([*refused, *counting])
