"""`train` and `pretrain`, which is `train --encoders scratch` and `finetune`."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from prodmatch_cli.main import cli


def usage_error(*arguments: str) -> str:
    found = CliRunner().invoke(cli, [*arguments, "--out", "model"])
    assert found.exit_code == 2, found.output
    return found.output


@pytest.mark.parametrize("command", ["train", "pretrain"])
def test_a_training_needs_an_epoch(command: str) -> None:
    assert "'--epochs': 0 is not in the range" in usage_error(command, "c.parquet", "--epochs", "0")


@pytest.mark.parametrize("command", ["train", "pretrain"])
def test_a_seed_is_no_negative_number(command: str) -> None:
    assert "'--seed': -1 is not in the range" in usage_error(command, "c.parquet", "--seed", "-1")


def test_training_encoders_is_pretrain_under_its_other_name(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.parquet")
    out = ["--out", str(tmp_path / "model")]
    pretrained = CliRunner().invoke(cli, ["pretrain", missing, *out])
    trained = CliRunner().invoke(cli, ["train", missing, "--encoders", "scratch", *out])
    assert "no Parquet file with split" in pretrained.stderr
    assert (trained.exit_code, trained.stderr) == (pretrained.exit_code, pretrained.stderr)


def test_one_encoder_goes_with_the_other() -> None:
    found = usage_error("train", "c.parquet", "--text-encoder", "bert")
    assert "--text-encoder goes with --image-encoder. Give that too" in found
    found = usage_error("train", "c.parquet", "--image-encoder", "resnet18")
    assert "--image-encoder goes with --text-encoder. Give that too" in found
