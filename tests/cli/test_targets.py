"""No command writes what it reads, nor into a store or among a catalogue's files."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from prodmatch.storage.settings import StoreSettings, write_settings
from prodmatch_cli.main import cli
from prodmatch_cli.options.targets import check_targets

C, F, R = "catalogue.parquet", "folder", "remembered.parquet"
JUDGED = ["evaluate", "--queries", "q.csv", "--qrels"]
REFUSED = [
    (["tag", C, "--out", C], f"--out {C}: is CATALOGUE {C}."),
    (["tag", C, "--out", f"folder/../{C}"], f"is CATALOGUE {C}."),
    (["tag", C, "--out", "link"], f"--out link: is CATALOGUE {C}."),
    (["tag", C, "--out", "hard"], f"--out hard: is CATALOGUE {C}."),
    (["tag", "--out", R], "is the store's catalogue"),
    (["tag", "--out", "t", "--html", R], "is the store's catalogue"),
    (["tag", "--out", "t", "--labels", "a.csv", "--labels", "t"], "is --labels t."),
    (["tag", F, "--out", f"{F}/new.parquet"], f"would be read as a part of CATALOGUE {F}."),
    (["tag", F, "--out", f"{F}/deep/er/NEW.PQ"], f"would be read as a part of CATALOGUE {F}."),
    (["tag", F, "--out", f"{F}/_k=1/new.pq"], f"would be read as a part of CATALOGUE {F}."),
    (["tag", "--out", "store/store.json"], "is in --store store."),
    (["tag", "--out", "store/t.parquet"], "is in --store store."),
    (["check", C, "--deep", "--out", C], f"--out {C}: is CATALOGUE {C}."),
    (["check", C, "--deep", "--html", R], "--html remembered.parquet: is the store's catalogue"),
    (["match", "--out", "m", "--html", C, "--catalogue", C], f"--html {C}: is --catalogue {C}."),
    (["match", "--out", "m", "--html", R], "is the store's catalogue"),
    (["match", "--out", "store"], "--out store/pairs.parquet: is in --store store."),
    (["match", "--out", "other", "--against", "other"], "is in --against other."),
    (["match", "--out", "m", "--pairs", "a.csv", "--scorer", "a.csv"], "is --pairs a.csv."),
    (["match", "--out", "m", "--pairs", "m/pairs.parquet"], "is --pairs m/pairs.parquet."),
    (["query", "x", "--html", R], "is the store's catalogue"),
    (["query", "--queries", "q.csv", "--html", "q.csv"], "is --queries q.csv."),
    (["query", "--image", "pics/1.png", "--html", "pics/1.png"], "is --image pics/1.png."),
    (["query", "x", "--html", "synonyms.txt"], "is the store's synonyms"),
    (["explain", "x", "p1", "--html", R], "is the store's catalogue"),
    (["explain", "x", "p1", "--png", "pics/1.png"], "is a picture in the store's pictures"),
    (["recommend", "--histories", "a.csv", "--out", "a.csv"], "is --histories a.csv."),
    (["synonyms", "--suggest", "--out", "synonyms.txt"], "is the store's synonyms"),
    (["synonyms", "--suggest", "--out", R], "is the store's catalogue"),
    ([*JUDGED, "e/to_judge.csv", "--out", "e"], "is --qrels e/to_judge.csv."),
    ([*JUDGED, "a.csv", "--out", "store"], "is in --store store."),
    ([*JUDGED, "a.csv", "--against", "other", "--out", "other"], "is in --against other."),
    (["drift", "--out", "store"], "--out store/drift.html: is in --store store."),
    (["drift", "--queries", "d/drift.json", "--out", "d"], "is --queries d/drift.json."),
    (["convert", C, C], f"TARGET {C}: is SOURCE {C}."),
    (["convert", "a.csv", "pics/1.png", "--images", "pics"], "is a picture in --images pics."),
    (["export", "store/night"], "OUT store/night: is in --store store."),
    (["push", "store"], "TARGET store: is --store store."),
    (["push", "store/night"], "TARGET store/night: is in --store store."),
    (["train", C, "--out", "store/model"], "--out store/model: is in --store store."),
    (["train", C, "--out", "n", "--log-dir", "store/log"], "--log-dir store/log: is in --store"),
    (["train", C, "--out", "n", "--model", "n"], "--out n: is --model n."),
    (["pretrain", C, "--model", "other", "--out", "other/n"], "is in --model other."),
    (["pretrain", C, "--out", C], f"--out {C}: is DATA {C}."),
    (["pretrain", C, "--pairs", "a.csv", "--out", "n", "--log-dir", "a.csv"], "is --pairs a"),
]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that commands read, and a store that remembers some of them."""
    monkeypatch.chdir(tmp_path)
    for name in (C, R, "a.csv", "q.csv", "synonyms.txt", f"{F}/a.parquet", "pics/1.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    for name in ("store", "other"):
        Path(name).mkdir()
    Path("link").symlink_to(C)
    os.link(C, "hard")
    write_settings(
        Path("store"),
        StoreSettings(
            "compact",
            tmp_path / R,
            {},
            (),
            image_root=tmp_path / "pics",
            synonyms=tmp_path / "synonyms.txt",
        ),
    )
    return tmp_path


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_a_command_reads_it_does_not_replace(
    shop: Path, arguments: list[str], message: str
) -> None:
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr.splitlines()[-1]
    assert before == {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("catalogue", "target"),
    [(C, "t.parquet"), (F, "t.parquet"), (F, f"{F}/t.html"), (F, f"{F}/_t.parquet")],
)
def test_other_files_are_written(shop: Path, catalogue: str, target: str) -> None:
    folder = click.Argument(["catalogue"])
    context = click.Context(click.Command("any", params=[folder]))
    context.params["catalogue"] = Path(catalogue)
    with context:
        check_targets((Path(target), "--out"))


def test_what_a_killed_run_left_of_an_output_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("product_id,title\n1,Red mug\n")
    left, other = (Path(f"_tmp-{0:032}-{name}") for name in ("c.parquet", "d.parquet"))
    for path in (left, other):
        path.touch()
        os.utime(path, (1e9, 1e9))
    assert CliRunner().invoke(cli, ["convert", "a.csv", "c.parquet"]).exit_code == 0
    assert (left.exists(), other.exists()) == (False, True)
