"""The training of encoders: anchors, what stays as it is, and a run that goes on after a kill."""

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from training_data import save_pair, training_set

from prodmatch.encoders.networks.text import load_tokenizer
from prodmatch.errors import ModelError, StoreError
from prodmatch.model.description import EncoderPair
from prodmatch.pretraining.batches import TextReader
from prodmatch.pretraining.contrastive import (
    ContrastSettings,
    Run,
    Work,
    mean_weights,
    train_dual_encoder,
)
from prodmatch.pretraining.dual_encoder import DualEncoder

SETTINGS = ContrastSettings(
    epochs=3, batch_rows=16, inner_dim=16, text_rate=0.01, image_rate=1e-4, average=0.5
)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every processor, and quicker than bf16 for small encoders."""
    monkeypatch.setattr("prodmatch.encoders.device.has_bf16", lambda _: False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> EncoderPair:
    return save_pair(tmp_path_factory.mktemp("pair"))


def begin(pair: EncoderPair) -> DualEncoder:
    torch.manual_seed(0)
    return DualEncoder.of_pair(pair, SETTINGS.inner_dim).eval()


def train(pair: EncoderPair, work: Work, settings: ContrastSettings = SETTINGS) -> Run:
    reader = TextReader(load_tokenizer(pair.text_folder), pair.text, 32)
    data = training_set(32), training_set(20)
    return train_dual_encoder(begin(pair), reader, data, settings, work)


def trained(pair: EncoderPair, folder: Path, settings: ContrastSettings) -> DualEncoder:
    model = begin(pair)
    model.load_state_dict(train(pair, Work(folder), settings).best)
    return model.eval()


@torch.inference_mode()
def own_vectors(model: DualEncoder, pair: EncoderPair) -> torch.Tensor:
    reader = TextReader(load_tokenizer(pair.text_folder), pair.text, 32)
    texts = ["a lamp to try", "chair, green", "the boot of a number"]
    return functional.normalize(model.text(*reader.tokens(texts))[:, : model.text.own], dim=1)


@torch.inference_mode()
def class_shares(model: DualEncoder) -> torch.Tensor:
    _, logits = model.image.learn(torch.from_numpy(training_set(60).pictures[48:]))
    assert logits is not None
    return logits.softmax(dim=1)


def test_anchored_encoders_stay_nearer_to_where_they_began(
    pair: EncoderPair, tmp_path: Path
) -> None:
    start = begin(pair)
    held = trained(pair, tmp_path / "held", SETTINGS)
    loose = replace(SETTINGS, text_anchor=0.0, class_anchor=0.0)
    free = trained(pair, tmp_path / "free", loose)
    before, shares = own_vectors(start, pair), class_shares(start)
    moved = [1 - (own_vectors(model, pair) * before).sum(1).mean() for model in (held, free)]
    assert 0 < moved[0] < 0.8 * moved[1]
    moved = [(class_shares(model) - shares).abs().sum(1).mean() for model in (held, free)]
    assert 0 < moved[0] < 0.8 * moved[1]
    names = held.state_dict()
    for name, value in start.state_dict().items():
        if "running" in name and name.startswith("image."):  # the statistics that it came with
            torch.testing.assert_close(names[name], value, rtol=0, atol=0)
        if name.startswith("text.encoder.embeddings."):
            torch.testing.assert_close(names[name], value, rtol=0, atol=0)
    assert not torch.equal(names["image.net.stem.norm.weight"], start.image.net.stem.norm.weight)
    assert not torch.equal(names["image.net.fc.weight"], start.image.net.fc.weight)


def test_a_killed_run_goes_on_to_the_same_end(pair: EncoderPair, tmp_path: Path) -> None:
    whole = train(pair, Work(tmp_path / "whole"))

    def kill(name: str, value: float, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(pair, Work(tmp_path / "killed", kill))
    logged: list[tuple[str, int]] = []
    resumed = train(
        pair, Work(tmp_path / "killed", lambda name, _, epoch: logged.append((name, epoch)))
    )
    assert logged == [("loss of seed 0", 2), ("val_recall_at_10 of seed 0", 2)]
    assert [row["epoch"] for row in resumed.report] == [0, 1, 2]
    for name, value in whole.best.items():
        torch.testing.assert_close(resumed.best[name], value, rtol=1e-5, atol=1e-6)
    again = train(pair, Work(tmp_path / "killed"))  # nothing is left to do
    assert again.report == resumed.report
    other = replace(SETTINGS, text_rate=1e-4)
    with pytest.raises(ModelError, match=r"seed-0\.pt: is the work of another training"):
        train(pair, Work(tmp_path / "killed"), other)


def test_a_checkpoint_that_finds_no_room_is_named(pair: EncoderPair, tmp_path: Path) -> None:
    run, path = Run(begin(pair), SETTINGS), tmp_path / "seed-0.pt"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StoreError, match=rf"{path}: cannot be written \(File too large\)"):
            run.save(path, "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_checkpoint_that_cannot_be_read_is_named(
    content: bytes, pair: EncoderPair, tmp_path: Path
) -> None:
    (tmp_path / "seed-0.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"seed-0\.pt: cannot be read as the work of a training"):
        train(pair, Work(tmp_path))


@pytest.mark.parametrize("what", ["pairs", "texts", "descriptions", "attributes"])
def test_a_checkpoint_of_other_texts_is_not_gone_on_from(
    pair: EncoderPair, tmp_path: Path, what: str
) -> None:
    reader = TextReader(load_tokenizer(pair.text_folder), pair.text, 32)
    data, settings = training_set(20), replace(SETTINGS, epochs=1)
    train_dual_encoder(begin(pair), reader, (data, data), settings, Work(tmp_path))
    longer = replace(settings, head_epochs=3)  # what heads learn for is no matter of the encoders
    train_dual_encoder(begin(pair), reader, (data, data), longer, Work(tmp_path))
    first, *others = data.products
    changed = {
        "pairs": replace(data, text_pairs=data.text_pairs[1:]),
        "texts": replace(data, texts=[*data.texts, "one more"]),
        "descriptions": replace(data, products=[replace(first, description="new"), *others]),
        "attributes": replace(data, products=[replace(first, attributes={}), *others]),
    }[what]
    with pytest.raises(ModelError, match="is the work of another training"):
        train_dual_encoder(begin(pair), reader, (changed, data), settings, Work(tmp_path))


def test_a_source_for_every_product_is_refused(pair: EncoderPair, tmp_path: Path) -> None:
    reader = TextReader(load_tokenizer(pair.text_folder), pair.text, 32)
    data = replace(training_set(8), sources=np.arange(8))
    with pytest.raises(ModelError, match=r"no two products .* have the same `source`"):
        train_dual_encoder(begin(pair), reader, (data, data), SETTINGS, Work(tmp_path))


def test_classes_without_names_are_refused(tmp_path: Path) -> None:
    pair = save_pair(tmp_path)
    names = pair.image_folder / "classes.txt"
    names.write_text("a photo of a mug\n")
    with pytest.raises(ModelError, match=f"{names}: must name the 5 classes"):
        begin(pair)


def test_the_best_epoch_is_kept(
    pair: EncoderPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def judge(model: DualEncoder, *_: object) -> float:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return [0.2, 0.9, 0.5][len(seen) - 1]

    monkeypatch.setattr("prodmatch.pretraining.contrastive.title_to_picture", judge)
    found = train(pair, Work(tmp_path))
    assert [row["val_recall_at_10"] for row in found.report] == [0.2, 0.9, 0.5]
    for name, value in found.best.items():
        torch.testing.assert_close(value, seen[1][name], rtol=0, atol=0)
    name = "text_head.linear.weight"
    assert not torch.equal(seen[1][name], seen[2][name])


def test_runs_are_averaged_number_by_number() -> None:
    runs = [
        {"weight": torch.tensor([1.0, 2.0]), "count": torch.tensor(5)},
        {"weight": torch.tensor([3.0, 8.0]), "count": torch.tensor(5)},
    ]
    mean = mean_weights(runs)
    torch.testing.assert_close(mean["weight"], torch.tensor([2.0, 5.0]))
    assert mean["count"] == 5


@pytest.mark.parametrize(("side", "crop"), [(160, 128), (96, 64), (224, 192), (32, 32)])
def test_crops_are_smaller_than_whole_pictures(side: int, crop: int) -> None:
    assert SETTINGS.crop_pixels(side) == crop
