"""Training from scratch, small: it learns, goes on after a kill, and never sees a test row."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small import COLOURS, KINDS, embed, products, write
from training_data import SHAPE, training_rows

from prodmatch.encoders.image import load_resnet
from prodmatch.encoders.text import WORDS, TextEncoder, load_words, save_words
from prodmatch.errors import ModelError
from prodmatch.model.description import open_model
from prodmatch.model.heads import Heads, add_residual_texts
from prodmatch.pretrain import train_encoders
from prodmatch.pretraining import head_fitting
from prodmatch.pretraining.augment import ImageAugmentation, TextAugmentation, mirror_and_crop
from prodmatch.pretraining.contrastive import (
    ContrastSettings,
    TrainingSet,
    Work,
    draw_batches,
)
from prodmatch.pretraining.data import check_splits, read_text_rows
from prodmatch.pretraining.dual_encoder import tokenize
from prodmatch.pretraining.ensemble import HeadRun, Sample, ensemble_runs
from prodmatch.pretraining.head_fitting import (
    FrozenFeatures,
    HeadFittingSettings,
    draw_balanced,
    fit_ensemble,
)
from prodmatch.pretraining.job import ScratchSettings, read_training_set, train_further
from prodmatch.pretraining.token_bag import (
    Pairs,
    Texts,
    draw_words,
    mean_rows,
    some_pairs,
    some_tokens,
)
from prodmatch.pretraining.tokenizer import train_tokenizer
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.losses import info_nce_of
from prodmatch.training.metrics import (
    HeldOut,
    draw_queries,
    fit_calibration,
    recall_of_pairs,
)
from prodmatch.training.pairs import TextPair, TrainingProduct, join_pairs


def test_training_from_scratch_makes_a_model_that_works_and_goes_on_after_a_kill(
    tmp_path: Path,
) -> None:
    pq.write_table(training_rows(120), tmp_path / "products.parquet")
    contrast = ContrastSettings(epochs=1, batch_rows=32, side_pixels=32, early_side_pixels=32)
    settings = ScratchSettings(SHAPE, contrast, masked_epochs=1, kept_dim=8)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    train_encoders(tmp_path / "products.parquet", tmp_path / "one", settings, texts=texts)
    # a killed run leaves its work; the next one goes on from there
    (tmp_path / "one.work").rename(tmp_path / "two.work")
    longer = replace(settings, contrast=replace(contrast, epochs=2))
    train_encoders(tmp_path / "products.parquet", tmp_path / "two", longer, texts=texts)
    saved = torch.load(tmp_path / "two.work" / "checkpoint.pt", weights_only=True)
    assert [row["epoch"] for row in saved["report"]] == [0, 1]
    model = open_model(str(tmp_path / "two"))
    assert model.heads.dim == 8
    assert model.heads.bank is not None
    report = embed(write(tmp_path / "c.parquet", products(10)), model, tmp_path / "store")
    assert report.embedded == 10


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = [str(row["title"]) for row in products(60)]
    found = [
        train_tokenizer(order, vocabulary_size=size).backend_tokenizer.to_str()
        for size in (60, 200)
        for order in (texts, texts[::-1], sorted(texts), texts)
    ]
    assert len(set(found)) == 2
    learnt = train_tokenizer(texts, vocabulary_size=200)
    assert learnt.tokenize("Red shirt ##h number 7") == [
        "red",
        "shirt",
        "[UNK]",
        "[UNK]",
        "h",
        "number",
        "7",
    ]
    assert set(learnt.get_added_vocab()) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}


def test_a_model_is_trained_further_from_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[FrozenFeatures, FrozenFeatures]] = []

    def fit_and_record(
        encoder: TextEncoder, seen: FrozenFeatures, judged: FrozenFeatures, *rest: Any
    ) -> head_fitting.EnsembledHeads:
        given.append((seen, judged))
        return fit_ensemble(encoder, seen, judged, *rest)

    monkeypatch.setattr("prodmatch.pretrain.fit_ensemble", fit_and_record)
    pq.write_table(training_rows(120), tmp_path / "products.parquet")
    contrast = ContrastSettings(epochs=3, batch_rows=32, side_pixels=32, early_side_pixels=32)
    settings = ScratchSettings(SHAPE, contrast, masked_epochs=1, kept_dim=8)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    first = train_encoders(tmp_path / "products.parquet", tmp_path / "one", settings, texts=texts)
    ((seen, judged),) = given
    assert seen.augmented is not None  # heads see other views too, and are judged by whole pictures
    assert seen.augmented.shape == seen.pictures.shape
    assert not np.allclose(seen.augmented, seen.pictures)
    assert judged.augmented is None
    start = open_model(str(tmp_path / "one"))
    data = read_training_set(tmp_path / "products.parquet", "val", [])
    still = replace(settings, contrast=replace(contrast, epochs=1, text_rate=0.0, image_rate=0.0))
    dual_encoder = train_further(start, data, data, still, Work(tmp_path / "still"))
    # the dual_encoder as they start: the parts of the model before its rotation
    rows = tokenize(dual_encoder.tokenizer, [product.title for product in data.products])
    with torch.no_grad():
        text = dual_encoder.model.eval().encode_texts(rows).numpy()
    encoder = TextEncoder(start.encoders.text_folder, start.encoders.text)
    features = encoder.encode([product.title for product in data.products])
    expected = normalise(features @ start.heads.text.weight + start.heads.text.bias)
    np.testing.assert_allclose(text, expected, atol=0.01)
    # what texts have beside it is left out
    looks = np.random.default_rng(0).normal(size=(len(features), len(start.heads.image.weight)))
    wide = replace(start, heads=add_residual_texts(start.heads, features, looks.astype(np.float32)))
    assert wide.heads.text.weight.shape[1] == expected.shape[1] + features.shape[1]
    dual_encoder = train_further(wide, data, data, still, Work(tmp_path / "wide"))
    with torch.no_grad():
        text = dual_encoder.model.eval().encode_texts(rows).numpy()
    np.testing.assert_allclose(text, expected, atol=0.01)
    # and as they end: half-way between there and where the steps led
    moved = replace(settings, contrast=replace(contrast, epochs=1))
    ended = train_further(start, data, data, moved, Work(tmp_path / "moved")).model.state_dict()
    led = torch.load(tmp_path / "moved" / "checkpoint.pt", weights_only=True)["average"]
    name = "text.embeddings.word_embeddings.weight"
    began = dual_encoder.model.state_dict()[name]
    assert not torch.equal(led[name], began)
    torch.testing.assert_close(ended[name], (began + led[name]) / 2)
    # batch normalisation goes by the model's statistics where they are kept, else by the batches'
    frozen = replace(settings, contrast=replace(contrast, epochs=1, frozen_norms=True))
    kept = train_further(start, data, data, frozen, Work(tmp_path / "kept")).model.state_dict()
    resnet, _ = load_resnet(start.encoders.image_folder, start.encoders.image.architecture)
    statistics = resnet.state_dict()["bn1.running_mean"]
    torch.testing.assert_close(kept["image.bn1.running_mean"], statistics)
    assert not torch.allclose(led["image.bn1.running_mean"], statistics)
    further = train_encoders(tmp_path / "products.parquet", tmp_path / "two", settings, start=start)
    assert further.val_recall_at_10 >= 0.5 * first.val_recall_at_10
    assert "trained further" in (tmp_path / "two" / "README.md").read_text()


def test_a_batch_is_of_one_source_and_every_product_in_one_batch() -> None:
    sources = np.array([7] * 100 + [3] * 30 + [9] * 2)
    batches = draw_batches(sources, 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(132))
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    assert [len(batch) for batch in batches if sources[batch[0]] == 7] == [34, 33, 33]
    first = [int(sources[batch[0]]) for batch in batches]
    assert first != sorted(first), "batches of a source follow each other"


def coloured_set(count: int) -> tuple[TrainingSet, np.ndarray, dict[str, np.ndarray]]:
    """Products of two sources, picture features, and text features by word."""
    rng = np.random.default_rng(0)
    words = {word: rng.normal(size=16).astype(np.float32) for word in (*COLOURS, *KINDS)}
    chosen = [(list(COLOURS)[n % 3], KINDS[n % 5]) for n in range(count)]
    said = [
        TrainingProduct(f"{colour} {kind}", "", {"colour": colour, "type": kind})
        for colour, kind in chosen
    ]
    looks = rng.normal(size=(16, 24)).astype(np.float32)
    seen = np.stack([words[colour] + words[kind] for colour, kind in chosen]) @ looks
    titles = np.array([15 * (n % 3) + n % 5 for n in range(count)])
    data = TrainingSet(
        said,
        np.zeros((count, 1, 1, 3), np.uint8),
        titles,
        np.arange(count),
        np.arange(count) % 2,
    )
    return data, seen + rng.normal(size=seen.shape).astype(np.float32), words


class Bag:
    """Stands where a text encoder does: its states say nothing, its tokens are the words."""

    vocabulary = 1 + len(COLOURS) + len(KINDS)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        known = {word: 1 + place for place, word in enumerate((*COLOURS, *KINDS))}
        return [[known.get(word, 0) for word in text.split()] or [0] for text in texts]

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.random.default_rng(2).normal(size=(len(texts), 4)).astype(np.float32)


def test_words_and_heads_are_learnt_and_from_shuffled_pictures_are_not() -> None:
    data, pictures, _ = coloured_set(300)
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=20, batch_rows=64, rate=1e-2)
    seen = FrozenFeatures(data, pictures)
    encoder: Any = Bag()
    learnt = fit_ensemble(encoder, seen, seen, settings)
    assert learnt.figure > 0.95
    assert learnt.words.shape == (Bag.vocabulary, 32)
    # the heads and the table that come back reach the figure that is said of them
    titles = [product.title for product in data.products]
    tokens = [np.array(row) for row in encoder.tokenize(titles)]
    features = np.concatenate([encoder.encode(titles), mean_rows(learnt.words, tokens)], axis=1)
    parts = learnt.heads.text(features), learnt.heads.image(pictures)
    assert recall_of_pairs(*parts, data.title_groups) == learnt.figure
    mixed = FrozenFeatures(data, pictures[np.random.default_rng(3).permutation(300)])
    chance = recall_of_pairs(
        parts[0], parts[1][np.random.default_rng(4).permutation(300)], data.title_groups
    )
    assert fit_ensemble(encoder, mixed, seen, settings).figure < chance + 0.2


def test_what_is_elsewhere_in_a_mirrored_picture_is_not_leant_on() -> None:
    data, pictures, _ = coloured_set(300)
    sides = 4 * np.random.default_rng(5).normal(size=(60, 12)).astype(np.float32)
    sides = sides[data.title_groups]  # tells titles best, until a picture is mirrored
    dim = pictures + np.random.default_rng(6).normal(scale=6, size=pictures.shape)
    plain, mirrored = (np.hstack([dim, by]).astype(np.float32) for by in (sides, -sides))
    settings = HeadFittingSettings(
        dim=16, inner_dim=32, runs=2, epochs=20, batch_rows=64, rate=1e-2
    )
    encoder: Any = Bag()
    judge = FrozenFeatures(data, mirrored)
    learnt = fit_ensemble(encoder, FrozenFeatures(data, plain, mirrored), judge, settings)
    assert learnt.figure > 0.9
    assert learnt.figures[0][-1] < 0.8 < learnt.figures[1][-1]  # every other fit sees them
    assert fit_ensemble(encoder, FrozenFeatures(data, plain), judge, settings).figure < 0.7
    never = replace(settings, augmented=0.0)
    assert fit_ensemble(encoder, FrozenFeatures(data, plain, mirrored), judge, never).figure < 0.7


def test_half_of_other_views_are_mirrored_and_all_are_larger() -> None:
    picture = np.full((20, 20, 3), 255, np.uint8)
    picture[:, :10] = (200, 0, 0)
    picture[[0, -1]] = picture[:, [0, -1]] = (0, 0, 200)  # a frame
    views = mirror_and_crop(np.stack([picture] * 400), 16, np.random.default_rng(0))
    assert views.shape == (400, 16, 16, 3)
    mirrored = views[:, 8, 3, 1] > views[:, 8, 12, 1]  # white is left
    assert 160 < mirrored.sum() < 240
    preprocessed = [(views[:, 8, place, 2] > views[:, 8, place, 0]).mean() for place in (0, -1)]
    assert max(preprocessed) < 0.9
    again = mirror_and_crop(np.stack([picture] * 400), 16, np.random.default_rng(0))
    np.testing.assert_array_equal(again, views)


def test_the_last_epoch_that_is_about_the_best_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    data, pictures, _ = coloured_set(150)  # of 15 titles: a standard error of .13
    figures = [0.5, 0.9, 0.8, 0.7]
    given = iter([*figures, 0.6])
    judged: list[Heads] = []

    def judge(fit: HeadRun, heads: Heads, sample: Sample) -> float:
        judged.append(heads)
        return next(given)

    monkeypatch.setattr(HeadRun, "recall", judge)
    settings = HeadFittingSettings(dim=16, inner_dim=32, runs=1, epochs=4, batch_rows=64)
    seen, encoder = FrozenFeatures(data, pictures), cast("Any", Bag())
    found = fit_ensemble(encoder, seen, seen, settings)
    assert found.figures == [figures]
    assert found.figure == 0.6  # of what was kept
    np.testing.assert_array_equal(found.heads.image.weight, judged[2].image.weight)
    assert not np.array_equal(judged[3].image.weight, judged[2].image.weight)


def test_joined_fits_compare_as_the_mean_of_each() -> None:
    rng = np.random.default_rng(0)
    texts = Texts([rng.integers(0, 40, 5) for _ in range(300)], rng.normal(size=(300, 3)))
    sample = Sample(texts, rng.normal(size=(300, 9)).astype(np.float32), np.arange(300))

    def draw_run(size: float) -> HeadRun:
        shapes = (40, 6), (3, 6), (6,), (9, 6), (6,)
        return HeadRun(*[size * rng.normal(size=shape).astype(np.float32) for shape in shapes])

    def cosines(fit: HeadRun) -> Vectors:
        heads = fit.project(sample, 1 + len(fit.text_bias))
        return heads.text(fit.features(texts)) @ heads.image(sample.pictures).T

    runs = [draw_run(size) for size in (0.1, 1.0, 20.0)]
    mean = np.mean([cosines(fit) for fit in runs], axis=0)
    whole = cosines(ensemble_runs(runs, sample, 18))
    assert np.corrcoef(mean.ravel(), whole.ravel())[0, 1] > 0.9
    alone = [np.corrcoef(cosines(fit).ravel(), whole.ravel())[0, 1] for fit in runs]
    assert max(alone) < 0.75, "the largest has the say of all"
    assert ensemble_runs(runs, sample, 6).words.shape == (40, 6)
    assert ensemble_runs(runs[:1], sample, 6) is runs[0]


def test_directions_are_kept_in_which_pairs_agree() -> None:
    rng = np.random.default_rng(0)
    words = np.zeros((40, 9), np.float32)  # products say the first twenty, others the rest
    words[:20, :3], words[:20, 8] = rng.normal(size=(20, 3)), rng.normal(size=20)
    words[20:30, 4:8] = 5 * rng.normal(size=(10, 4))
    words[30:] = -words[20:30]  # the contrary of each
    looks = np.eye(4, 9, dtype=np.float32)
    looks[3] *= 5  # seen more than anything, and said by no text
    fit = HeadRun(words, np.zeros((1, 9), "f4"), np.zeros(9, "f4"), looks, np.zeros(9, "f4"))
    said, other = (
        Texts(list(rng.integers(low, high, (2000, 3))), np.zeros((2000, 1), "f4"))
        for low, high in ((0, 20), (20, 30))
    )
    pictures = mean_rows(words, said.tokens)[:, :4]
    pictures[:, 3] = rng.normal(size=2000)
    sample = Sample(said, pictures, np.arange(2000))
    same, contrary = (
        replace(other, tokens=[row[::-1] + more for row in other.tokens]) for more in (0, 10)
    )

    def kept(some: Sample, count: int) -> Vectors:
        """How much of each direction is kept, 0 to 1."""
        return np.asarray(np.linalg.norm(fit.project(some, 1 + count).text.rotation, axis=1))

    products = kept(sample, 4)
    assert products[:3].min() > 0.9
    assert products[8] > 0.9, "texts are asked by texts too"
    assert products[3:8].max() < 0.3, "what varies most on one side alone is noise"
    assert kept(replace(sample, pairs=(other, same)), 8)[4:8].min() > 0.9
    assert kept(replace(sample, pairs=(other, contrary)), 5)[4:8].max() < 0.3
    # the leading directions are those that agree most, and both parts have the same
    heads = fit.project(replace(sample, pairs=(other, same)), 10)
    np.testing.assert_array_equal(heads.text.rotation, heads.image.rotation)
    agreed = (heads.text(fit.features(said)) * heads.image(pictures)).mean(axis=0)
    assert agreed.argmax() < 3


def test_pairs_of_texts_are_drawn_from_all_of_them() -> None:
    sides = [
        Texts([np.array([side, row]) for row in range(rows)], np.full((rows, 1), side, "f4"))
        for side, rows in ((0, 200), (1, 200), (2, 100), (3, 100))
    ]
    pairs = [Pairs(*sides[:2], np.arange(200)), Pairs(*sides[2:], np.arange(100))]
    found = some_pairs(pairs, 100)
    assert found is not None
    assert [row.tolist() for row in found[0].tokens[:2]] == [[0, 0], [0, 3]]
    assert [row[1] for row in found[0].tokens] == [row[1] for row in found[1].tokens]
    for side, (first, second) in zip(found, ((0, 2), (1, 3)), strict=True):
        assert [int(row[0]) for row in side.tokens] == side.states[:, 0].astype(int).tolist()
        assert [row[0] for row in side.tokens] == [first] * 67 + [second] * 34
    assert [len(side.tokens) for side in found] == [67 + 34] * 2
    assert some_pairs([], 100) is None


def test_words_learn_which_texts_say_the_same() -> None:
    data, pictures, _ = coloured_set(300)
    encoder: Any = Bag()
    # words of no product, each pair of one colour and one kind said together
    pairs = [
        TextPair(colour, kind, "s") for colour, kind in zip(COLOURS, KINDS[-3:], strict=True)
    ] * 20
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=8, batch_rows=64, rate=1e-2)
    cosines = []
    for said in ([], pairs):
        learnt = fit_ensemble(
            encoder,
            FrozenFeatures(replace(data, text_pairs=said), pictures),
            FrozenFeatures(data, pictures),
            settings,
        )
        tokens = [np.array(row) for row in encoder.tokenize([*COLOURS, *KINDS[-3:]])]
        rows = normalise(learnt.words[np.concatenate(tokens)])
        both = rows[:3] @ rows[3:].T
        cosines.append(float(np.diag(both).mean() - both[~np.eye(3, dtype=bool)].mean()))
    assert cosines[1] > cosines[0] + 0.1


def test_pairs_are_told_from_others_of_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    data, pictures, _ = coloured_set(300)
    pairs = [TextPair(colour, colour, "colours") for colour in COLOURS]
    pairs += [TextPair(kind, kind, "kinds") for kind in KINDS]
    encoder: Any = Bag()
    tokens = {
        source: {row[0] for row in encoder.tokenize([p.left for p in pairs if p.source == source])}
        for source in ("colours", "kinds")
    }
    seen: list[str] = []
    known = head_fitting._pair_loss

    def listen(model: Any, drawn: Any, rng: np.random.Generator) -> torch.Tensor:
        said = {int(row[0]) for row in drawn.left.tokens}
        seen.extend(source for source, own in tokens.items() if said == own)
        return known(model, drawn, rng)

    monkeypatch.setattr(head_fitting, "_pair_loss", listen)
    shop = FrozenFeatures(replace(data, text_pairs=pairs), pictures)
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=4, batch_rows=32)
    fit_ensemble(encoder, shop, shop, settings)
    assert set(seen) == {"colours", "kinds"}
    assert len(seen) == settings.runs * 4 * len(
        draw_balanced(data.sources, settings, np.random.default_rng(0))
    )


def test_a_pair_that_is_alone_in_its_source_is_left_out() -> None:
    data, pictures, _ = coloured_set(60)
    encoder: Any = Bag()
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=1, batch_rows=64)
    without = fit_ensemble(
        encoder, FrozenFeatures(data, pictures), FrozenFeatures(data, pictures), settings
    )
    alone = FrozenFeatures(replace(data, text_pairs=[TextPair("red", "blue", "s")]), pictures)
    assert fit_ensemble(encoder, alone, alone, settings).figures == without.figures


def test_pairs_are_joined_by_the_texts_that_they_share() -> None:
    pairs = [TextPair(*texts) for texts in ("ab", "cd", "be", "fc", "gh", "ea")]
    assert join_pairs(pairs).tolist() == [0, 1, 0, 1, 2, 0]


def test_some_tokens_of_a_text_are_drawn_in_order() -> None:
    rng = np.random.default_rng(0)
    drawn = [some_tokens(np.arange(30), rng).tolist() for _ in range(100)]
    assert {len(tokens) for tokens in drawn} == set(range(2, 9))
    assert all(tokens == sorted(set(tokens)) for tokens in drawn)
    assert some_tokens(np.array([4]), rng).tolist() == [4]


def test_a_table_of_words_comes_back_from_its_file(tmp_path: Path) -> None:
    table = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    table[3] *= 1e-3  # each row has its own scale
    table[4] = 0
    save_words(table, tmp_path / WORDS)
    found = load_words(tmp_path)
    assert found is not None
    assert torch.equal(found[4], table[4])
    torch.testing.assert_close(found, table, rtol=0, atol=float(table.abs().max()) / 250)
    torch.testing.assert_close(found[3], table[3], rtol=0, atol=float(table[3].abs().max()) / 250)


def test_a_damaged_table_of_words_is_named(tmp_path: Path) -> None:
    (tmp_path / WORDS).write_bytes(b"no table")
    with pytest.raises(ModelError, match=r"words\.safetensors: does not hold a table of words"):
        load_words(tmp_path)


def test_pairs_have_a_source_where_their_file_says_it(tmp_path: Path) -> None:
    rows = {"left": ["a", "b", None], "right": ["c", "d", "e"]}
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table(rows), path)
    found = read_text_rows(path, ["left", "right"], ["source"])
    assert found == [{"left": "a", "right": "c"}, {"left": "b", "right": "d"}]
    pq.write_table(pa.table({**rows, "source": ["x", None, "y"]}), path)
    found = read_text_rows(path, ["left", "right"], ["source"])
    assert [row["source"] for row in found] == ["x", None]
    with pytest.raises(ModelError, match="no Parquet file with text"):
        read_text_rows(path, ["text"])
    said = pa.array(["c", "d", "d"]).dictionary_encode()
    pq.write_table(pa.table({**rows, "right": said}), path)
    assert read_text_rows(path, ["left", "right"]) == [
        {"left": "a", "right": "c"},
        {"left": "b", "right": "d"},
    ]
    pq.write_table(pa.table({**rows, "right": [1, 2, 3]}), path)
    with pytest.raises(ModelError, match="column 'right' holds int64, not texts"):
        read_text_rows(path, ["left", "right"])


def test_small_sources_are_shown_several_times_where_words_and_heads_are_fitted() -> None:
    sources = np.array([7] * 400 + [3] * 160 + [5] * 50 + [9] * 4)
    batches = draw_balanced(sources, HeadFittingSettings(batch_rows=50), np.random.default_rng(0))
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    times = np.bincount(np.concatenate(batches), minlength=len(sources))
    assert [set(times[sources == source].tolist()) for source in (7, 3, 5, 9)] == [
        {1},
        {1},
        {2},
        {4},
    ]


def test_half_of_the_batches_are_of_products_that_resemble_each_other() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(1200) % 6  # in six places far from each other
    positions = rng.normal(size=(1200, 8)).astype(np.float32) + 30 * np.eye(8, dtype="f4")[kinds]
    sources = np.repeat([0, 1], [1000, 200])
    settings = HeadFittingSettings(batch_rows=100, smallest=0.0)
    batches = draw_balanced(sources, settings, rng, positions)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1200))
    assert len(batches) == len(draw_balanced(sources, settings, rng))
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    most = [np.bincount(kinds[batch]).max() / len(batch) for batch in batches]
    large = [share for share, batch in zip(most, batches, strict=True) if sources[batch[0]] == 0]
    assert sum(share > 0.4 for share in large) == 5
    assert all(share < 0.4 for share, batch in zip(most, batches, strict=True) if sources[batch[0]])
    alone = draw_balanced(sources, replace(settings, hard_negatives=1.0), rng, positions)
    assert sorted(np.concatenate(alone).tolist()) == list(range(1200))
    assert min(map(len, alone)) == 100


def test_towers_keep_their_own_heads_where_no_fit_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeadRun, "recall", lambda *_: 0.0)
    pq.write_table(training_rows(150), tmp_path / "products.parquet")
    contrast = ContrastSettings(epochs=2, batch_rows=32, side_pixels=32, early_side_pixels=32)
    fit = HeadFittingSettings(runs=1, epochs=1, batch_rows=32)
    settings = ScratchSettings(SHAPE, contrast, fit, masked_epochs=1, kept_dim=8)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    report = train_encoders(tmp_path / "products.parquet", tmp_path / "m", settings, texts=texts)
    assert report.after == report.before > 0
    pair = open_model(str(tmp_path / "m")).encoders
    assert not (pair.text_folder / "words.safetensors").exists()
    assert not (pair.image_folder / "layout.safetensors").exists()


def test_rows_of_another_split_are_refused(tmp_path: Path) -> None:
    table = training_rows(10).to_pandas()
    table.loc[3, "split"] = "test"
    table.to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ModelError, match="only 'train' and 'val' may be there"):
        check_splits(tmp_path / "c.parquet")


def test_the_loss_agrees_with_its_definition_and_leaves_equals_out() -> None:
    rng = np.random.default_rng(0)
    left, right = (torch.from_numpy(normalise(rng.normal(size=(5, 4)))) for _ in range(2))
    scale = torch.tensor(7.0)
    logits = (7.0 * left @ right.T).numpy()
    ignored = np.zeros((5, 5), dtype=bool)
    ignored[0, 1] = True
    kept = np.where(ignored, -np.inf, logits)
    rows = np.log(np.exp(kept).sum(axis=1)) - np.diag(logits)
    columns = np.log(np.exp(kept).sum(axis=0)) - np.diag(logits)
    found = info_nce_of(left @ right.T, torch.from_numpy(ignored), scale)
    assert found.item() == pytest.approx((rows.mean() + columns.mean()) / 2, rel=1e-5)


def test_a_probability_is_the_share_that_matches() -> None:
    rng = np.random.default_rng(0)
    text = normalise(rng.normal(size=(1000, 16)))
    image = normalise(text + 0.3 * rng.normal(size=text.shape))
    texts = [f"word{number}" for number in range(1000)]
    products = HeldOut(texts, text, image, np.arange(1000))
    found = fit_calibration(products, texts, text, (0.5, 0.5))
    assert found.ece < 0.01
    assert found.brier < 0.3 * found.base
    strangers = fit_calibration(products, texts, np.roll(text, 1, axis=0), (0.5, 0.5))
    assert strangers.brier > 0.9 * strangers.base  # cosines that say nothing


def test_queries_are_words_of_their_text() -> None:
    texts = ["Acme Red Crew Neck T-shirt", "one"]
    for seed in range(20):
        for text, query in zip(texts, draw_queries(texts, seed), strict=True):
            assert set(query.split()) <= set(text.split())
            assert 1 <= len(query.split()) <= 4


def test_recall_counts_a_picture_of_an_equal_title() -> None:
    text, image = np.eye(20, dtype=np.float32), np.roll(np.eye(20, dtype=np.float32), 1, axis=0)
    alone = recall_of_pairs(text[:, :1], image[:, :1], np.arange(20))
    assert alone <= 1.0
    assert recall_of_pairs(text, text, np.arange(20)) == 1.0
    assert recall_of_pairs(text, image, np.zeros(20, np.int64)) == 1.0


def test_recall_counts_equal_titles_once() -> None:
    image = np.eye(30, dtype=np.float32)
    text = image.copy()
    text[29] *= -1  # its own picture is the furthest
    assert recall_of_pairs(text, image, np.array([0] * 29 + [1])) == 0.5


def test_words_are_left_out_but_never_all_of_a_text() -> None:
    tokens = [np.arange(5), np.arange(5, 6), np.arange(6, 200)]
    for seed in range(20):
        words, starts = draw_words(tokens, 0.5, np.random.default_rng(seed))
        drawn = np.split(words.numpy(), starts.numpy()[1:])
        assert all(set(few) <= set(all_) for few, all_ in zip(drawn, tokens, strict=True))
        assert drawn[1].tolist() == [5]
        assert len(drawn[0]) > 0
        assert 50 < len(drawn[2]) < 150


def test_short_texts_are_made_of_what_is_said_of_the_product() -> None:
    product = TrainingProduct(
        "Acme Crew Neck Top", "", {"colour": "red", "type": "t-shirt|tee", "gender": "men"}
    )
    views = TextAugmentation(np.random.default_rng(0))
    said = {views.short(product) for _ in range(300)}
    assert {"red t-shirt", "red tee"} <= said
    assert not any("|" in text or "{" in text for text in said)


def test_picture_views_keep_the_hue() -> None:
    pictures = np.zeros((64, 40, 40, 3), np.uint8)
    pictures[..., 0] = 200  # red
    views = ImageAugmentation(np.random.default_rng(0), side=32).draw(pictures)
    assert views.shape == (64, 3, 32, 32)
    red, green, blue = views.mean(dim=(2, 3)).T
    assert (red > green).all()
    assert torch.allclose(green, blue, atol=1e-5)
