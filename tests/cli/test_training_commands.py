"""`train` and `pretrain`: what an option cannot change is refused, not ignored."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from prodmatch_cli.main import cli

HEADS_ONLY = [
    ("--text-encoder", "bert"),
    ("--image-encoder", "resnet18"),
    ("--image-weights", "resnet.pth"),
    ("--download", None),
    ("--labels", "labels.parquet"),
    ("--loss", "siglip"),
    ("--columns", "title=name"),
    ("--text-columns", "title"),
    ("--image-root", "."),
    ("--workers", "2"),
]


def usage_error(*arguments: str) -> str:
    found = CliRunner().invoke(cli, [*arguments, "--out", "model"])
    assert found.exit_code == 2, found.output
    return found.output


@pytest.mark.parametrize("encoders", ["scratch", "finetune"])
@pytest.mark.parametrize(("option", "value"), HEADS_ONLY)
def test_options_of_heads_are_refused_where_encoders_are_trained(
    encoders: str, option: str, value: str | None
) -> None:
    found = usage_error(
        "train", "c.parquet", "--encoders", encoders, option, *([value] if value else [])
    )
    assert f"{option} has no use here (--encoders {encoders})" in found


@pytest.mark.parametrize("option", ["--pairs", "--texts"])
def test_options_of_encoders_are_refused_where_heads_are_fitted(option: str) -> None:
    assert f"{option} has no use here (--encoders frozen)" in usage_error(
        "train", "c.parquet", option, "x.parquet"
    )


def test_a_model_is_refused_where_encoders_begin_from_scratch() -> None:
    found = usage_error("train", "c.parquet", "--encoders", "scratch", "--model", "compact")
    assert "--model has no use here" in found


@pytest.mark.parametrize("command", ["train", "pretrain"])
def test_a_training_needs_an_epoch(command: str) -> None:
    assert "'--epochs': 0 is not in the range" in usage_error(command, "c.parquet", "--epochs", "0")


def test_training_encoders_is_pretrain_under_its_other_name(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.parquet")
    out = ["--out", str(tmp_path / "model")]
    pretrained = CliRunner().invoke(cli, ["pretrain", missing, *out])
    trained = CliRunner().invoke(cli, ["train", missing, "--encoders", "scratch", *out])
    assert "no Parquet file with split" in pretrained.stderr
    assert (trained.exit_code, trained.stderr) == (pretrained.exit_code, pretrained.stderr)
