"""Heads over frozen features: better than the closed form, labels that teach, losses that hold."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small import COLOURS, KINDS, products, run, save_encoders, write

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.errors import ModelError
from prodmatch.model.description import open_model
from prodmatch.model.heads import Heads, fit_cca
from prodmatch.storage.vectors import Vectors
from prodmatch.train import HeadSettings, _hold_out, best_heads, fit_heads
from prodmatch.training.dataset import Examples, Label, _equal_queries, read_labels
from prodmatch.training.heads import keep_texts
from prodmatch.training.held_out import recall_of_pairs, split_labelled
from prodmatch.training.trained_model import Fitted
from prodmatch.training.trainer import (
    LOSSES,
    LinearSettings,
    Similarities,
    StandardisedHead,
    train_linear,
)

SMALL = LinearSettings(dim=16, inner_dim=32, epochs=12, batch_rows=128)


def world(seed: int, count: int = 1200) -> tuple[Vectors, Vectors]:
    """Texts and pictures that share eight hidden causes, seen through noise of unequal size."""
    rng = np.random.default_rng(7)
    ways = rng.normal(size=(2, 8, 24))
    rng = np.random.default_rng(seed)
    causes = rng.laplace(size=(count, 8))
    noise = rng.normal(size=(2, count, 24)) * np.geomspace(0.1, 4.0, 24)
    text, image = (np.tanh(causes @ way) + part for way, part in zip(ways, noise, strict=True))
    return text.astype(np.float32), image.astype(np.float32)


def examples(seed: int, *, shuffled: bool = False) -> Examples:
    text, image = world(seed)
    numbers = np.arange(len(text))
    if shuffled:
        image = image[np.random.default_rng(1).permutation(len(image))]
    return Examples.of_pairs(text, image, numbers, numbers)


def recall(heads: Heads) -> float:
    text, image = world(1, 300)
    return recall_of_pairs(heads.text(text), heads.image(image), np.arange(300))


def test_pairs_teach_and_shuffled_pairs_teach_nothing() -> None:
    learnt, figures = train_linear([examples(0)], recall, SMALL)
    chance = 10 / 300
    assert recall(learnt) == max(figures) > 10 * chance
    _, shuffled = train_linear([examples(0, shuffled=True)], recall, SMALL)
    assert shuffled[-1] < 2.5 * chance


def test_the_closed_form_is_kept_where_gradients_end_below_it() -> None:
    """In a world of straight lines canonical correlation cannot be beaten by a short training."""
    text, image = world(0)
    numbers = np.arange(len(text))
    pairs = Examples.of_pairs(text, image, numbers, numbers)
    settings = HeadSettings(dim=16, epochs=2)
    fitted = best_heads(pairs, [pairs], recall, settings)
    assert (fitted.kind, fitted.after) == ("cca", fitted.before)
    assert recall(fitted.heads) == recall(fit_cca(text, image, 16)) > max(fitted.figures)


def talkative(seed: int, count: int = 1200) -> tuple[Vectors, Vectors, Vectors]:
    """Texts that also say what no picture shows, their pictures, and other texts of the same."""
    text, image = world(seed, count)
    rng = np.random.default_rng(seed + 100)
    own = rng.normal(size=(count, 8))
    again = own + rng.normal(scale=0.3, size=own.shape)
    other = rng.normal(scale=text.std(), size=text.shape)  # and nothing of what pictures show
    left, right = np.hstack([text, 6 * own]), np.hstack([other, 6 * again])
    return left.astype(np.float32), image, right.astype(np.float32)


def test_what_texts_say_themselves_is_kept_beside_what_pictures_show(tmp_path: Path) -> None:
    text, image, _ = talkative(0)
    numbers = np.arange(len(text))
    pairs = Examples.of_pairs(text, image, numbers, numbers)
    said, seen, asked = talkative(1, 300)

    def by_picture(heads: Heads) -> float:
        return recall_of_pairs(heads.texts(said), heads.pictures(seen), np.arange(300))

    def by_words(heads: Heads) -> float:
        return recall_of_pairs(heads.texts(asked), heads.texts(said), np.arange(300))

    learnt, figures = train_linear([pairs], by_picture, SMALL)
    fitted = Fitted(learnt, "linear", "infonce", 0.1, max(figures), figures)
    told = keep_texts(fitted, pairs, (by_picture, by_words), 0.05)
    whole = told.heads
    assert by_words(whole) > by_words(learnt) + 0.2
    assert by_picture(whole) > by_picture(learnt) - 0.05
    assert told.residual_texts == (by_words(learnt), by_words(whole))
    assert told.after == by_picture(whole)
    assert whole.dim == learnt.dim
    assert whole.image.weight.shape == learnt.image.weight.shape
    whole.save(tmp_path / "heads.safetensors")
    np.testing.assert_array_equal(
        Heads.open(tmp_path / "heads.safetensors").texts(said), whole.texts(said)
    )

    for measures, least in (
        ((by_picture, lambda heads: -by_words(heads)), 0.1),  # where words find less
        ((lambda heads: -by_words(heads), by_words), -1.0),  # where what decides is less
        ((by_picture, by_words), 1.0),  # where it is below the closed form
    ):
        fitted = Fitted(learnt, "linear", "infonce", least, max(figures), figures)
        found = keep_texts(fitted, pairs, measures, 0.05)
        assert found == replace(fitted, heads=found.heads)
        assert found.heads.bank is not None
        np.testing.assert_array_equal(found.heads.text.weight, learnt.text.weight)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_draws_together_what_belongs_together(loss: str) -> None:
    settings = LinearSettings(dim=16, inner_dim=32, epochs=12, batch_rows=128, loss=loss)
    _, figures = train_linear([examples(0)], recall, settings)
    assert max(figures) > 4 * 10 / 300


def similarities(cosines: list[list[float]], labels: list[float]) -> Similarities:
    ignored = torch.zeros(len(labels), len(labels), dtype=torch.bool)
    return Similarities(
        torch.tensor(cosines), ignored, torch.tensor(labels), torch.tensor(5.0), torch.tensor(-1.0)
    )


def test_losses_agree_with_their_definitions() -> None:
    cosines, labels = [[0.9, 0.1], [0.4, 0.5]], [1.0, 0.5]
    batch = similarities(cosines, labels)
    logits = 5.0 * np.array(cosines)
    rows = np.log(np.exp(logits).sum(1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(0)) - np.diag(logits)
    expected = ((rows + columns) / 2 * labels).sum() / 1.5
    assert LOSSES["infonce"](batch).item() == pytest.approx(expected, rel=1e-5)
    sigmoid = 1 / (1 + np.exp(-(logits - 1.0)))
    target = np.diag(labels)
    each = -(target * np.log(sigmoid) + (1 - target) * np.log(1 - sigmoid))
    assert LOSSES["siglip"](batch).item() == pytest.approx(each.sum() / 2, rel=1e-5)
    said, meant = np.array([0.9, 0.5, 0.1, 0.4]), np.array([1.0, 0.5, 0.0, 0.0])
    assert LOSSES["mse"](batch).item() == pytest.approx(((said - meant) ** 2).mean(), rel=1e-5)
    far = np.maximum(said - 0.2, 0)
    cosine = (meant * (1 - said) + (1 - meant) * far).mean()
    assert LOSSES["cosine"](batch).item() == pytest.approx(cosine, rel=1e-5)
    sigmoid = 1 / (1 + np.exp(-(5 * said - 1.0)))
    entropy = -(meant * np.log(sigmoid) + (1 - meant) * np.log(1 - sigmoid)).mean()
    assert LOSSES["bce"](batch).item() == pytest.approx(entropy, rel=1e-5)


def test_pairs_that_share_a_query_or_a_product_are_no_negatives() -> None:
    batch = similarities([[0.5, 0.9], [0.9, 0.5]], [1.0, 1.0])
    ignored = torch.tensor([[False, True], [True, False]])
    alone = Similarities(batch.cosines, ignored, batch.labels, batch.scale, batch.bias)
    assert LOSSES["infonce"](alone).item() == pytest.approx(0.0, abs=1e-6)
    assert LOSSES["infonce"](batch).item() > 1.0


NONE = np.array([], np.int64)


def test_labels_teach_what_texts_and_pictures_do_not_say() -> None:
    """Queries in a tongue of their own: only the labels tell what they mean."""
    rng = np.random.default_rng(3)
    text, image = world(0)
    turned = np.linalg.qr(rng.normal(size=(24, 24)))[0].astype(np.float32)
    queries = rows = np.arange(1200)
    asked = text @ turned
    ones = np.ones(1200, np.float32)
    labelled = Examples(asked, text, image, ones, queries, rows, text_share=0.5)
    sets, measure = split_labelled(labelled, examples(0), 0.1, NONE)
    learnt, _ = train_linear(sets, measure, SMALL)
    before = measure(fit_cca(text, image, 16))
    assert measure(learnt) > before + 0.1
    mixed = rng.permutation(1200)
    shuffled = Examples(asked[mixed], text, image, ones, queries[mixed], rows, text_share=0.5)
    sets, honest = split_labelled(shuffled, examples(0), 0.1, NONE)
    nothing, _ = train_linear(sets, honest, SMALL)
    assert honest(nothing) < 0.05


def test_what_is_held_out_of_labels_is_not_trained_on() -> None:
    """Neither a held-out query nor a held-out product; a query without a match would judge none."""
    text, image = world(0)
    queries, products = np.repeat(np.arange(100), 12), np.tile(np.arange(1200 // 12), 12)
    fitting = (queries >= 90).astype(np.float32)
    labelled = Examples(text, text, image, fitting, queries, products, text_share=0.5)
    apart = np.arange(0, 100, 7)
    (trained, _), measure = split_labelled(labelled, examples(0), 0.1, apart)
    assert not set(apart.tolist()) & set(trained.product_groups.tolist())
    left_out = set(range(100)) - set(trained.query_groups.tolist())
    assert len(left_out) == 1
    assert min(left_out) >= 90
    assert measure(fit_cca(text, image, 16)) > 0


def test_labels_that_are_all_held_out_are_refused() -> None:
    text, image = (part[:40] for part in world(0))
    fitting = (np.arange(40) < 20).astype(np.float32)
    queries, products = np.arange(40) % 10, np.arange(40)
    labelled = Examples(text, text, image, fitting, queries, products, text_share=0.5)
    with pytest.raises(ModelError, match="`labels`: all labels above 0 are of products or queries"):
        split_labelled(labelled, examples(0), 0.1, np.arange(20))
    sets, _ = split_labelled(labelled, examples(0), 0.1, np.arange(10))
    assert (sets[0].labels > 0).any()


def test_queries_that_differ_in_case_and_spaces_are_one() -> None:
    written = ["Red  Shirt", "red shirt ", "blue shirt", "RED SHIRT"]
    assert _equal_queries([Label(each, "p", 1.0) for each in written]).tolist() == [0, 0, 1, 0]


def labels(path: Path, rows: list[dict[str, object]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def judged(count: int = 120) -> list[dict[str, object]]:
    return [
        {
            "query": f"{list(COLOURS)[number % 3]} {KINDS[number % 5]}",
            "product_id": f"p{number:04d}",
            "label": number % 4 != 0,
        }
        for number in range(count)
    ]


def test_heads_are_fitted_with_labels_from_the_shell(tmp_path: Path) -> None:
    encoders = save_encoders(tmp_path)
    catalogue = write(tmp_path / "c.parquet", products(120))
    rows = [{"query": "red shirt", "product_id": "elsewhere", "label": True}, *judged()]
    found = run(
        "train", catalogue, "--out", tmp_path / "m", "--store", tmp_path / "store", "--dim", "8",
        "--text-encoder", encoders.text, "--image-encoder", encoders.resnet, "--epochs", "2",
        "--image-weights", encoders.weights, "--labels", labels(tmp_path / "l.parquet", rows),
        "--log-dir", tmp_path / "log",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert "of 121 labels are left out" in found.err
    assert "such as 'elsewhere'" in found.err
    (events,) = (tmp_path / "log").iterdir()
    assert b"heads" in events.read_bytes()
    assert found.last["after"] >= found.last["before"]  # type: ignore[operator]
    heads = open_model(str(tmp_path / "m")).heads
    assert heads.dim == 8
    assert heads.bank is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "yes"}, "row 3: the label is 'yes'; labels are true or false"),
        ({"label": -1.0}, "row 3: the label is -1.0"),
        ({"query": " "}, "row 3 needs query, product_id and label"),
        ({"product_id": None}, "row 3 needs query, product_id and label"),
        ({"bought": True}, "needs query, product_id and label; found query, product_id, bought"),
    ],
)
def test_a_bad_label_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows = judged()
    path = tmp_path / "l.jsonl"
    rows[2] = {**rows[2], **change}
    if "bought" in change:
        rows[2].pop("label")
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(ModelError, match=message):
        read_labels(path)


def test_labels_in_decimals_are_numbers(tmp_path: Path) -> None:
    """As warehouses export them."""
    rows = [{**row, "label": Decimal(n % 3)} for n, row in enumerate(judged())]
    found = read_labels(labels(tmp_path / "l.parquet", rows))
    assert [label.label for label in found[:3]] == [0.0, 0.5, 1.0]


def test_a_query_that_is_a_number_is_its_text(tmp_path: Path) -> None:
    """As jeans of number 501 are looked for."""
    found = read_labels(labels(tmp_path / "l.parquet", [{**row, "query": 501} for row in judged()]))
    assert {label.query for label in found} == {"501"}


def test_labels_that_are_all_equal_to_nothing_are_refused(tmp_path: Path) -> None:
    path = labels(tmp_path / "l.parquet", [{**row, "label": False} for row in judged()])
    with pytest.raises(ModelError, match="0 of 120 labels are above 0"):
        read_labels(path)


def test_labels_of_few_queries_are_refused(tmp_path: Path) -> None:
    encoders = save_encoders(tmp_path)
    files = EncoderFiles.of_files(encoders.text, encoders.resnet, encoders.weights)
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(90)))
    few = [{**row, "query": f"{' ' * n}Q{n % 9}", "label": True} for n, row in enumerate(judged())]
    path = labels(tmp_path / "l.parquet", few)
    with pytest.raises(ModelError, match="above 0 are of 9 queries; 10 are needed"):
        fit_heads(catalogue, files, tmp_path / "m", tmp_path / "s", HeadSettings(workers=0), path)


def test_labels_of_unknown_products_leave_no_model_behind(tmp_path: Path) -> None:
    encoders = save_encoders(tmp_path)
    files = EncoderFiles.of_files(encoders.text, encoders.resnet, encoders.weights)
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(90)))
    path = labels(
        tmp_path / "l.parquet", [{**row, "product_id": f"x{row['product_id']}"} for row in judged()]
    )
    with pytest.raises(ModelError, match="only 0 labels above 0 are of products of the catalogue"):
        fit_heads(catalogue, files, tmp_path / "m", tmp_path / "s", HeadSettings(workers=0), path)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("remainder", [3, 0])
def test_a_small_catalogue_holds_out_five_texts(remainder: int) -> None:
    groups = np.repeat(10 * np.arange(1, 51) + remainder, 2)
    held, joined = _hold_out(groups, 7 + np.arange(100))
    assert len(np.unique(groups[held])) == (50 if remainder == 0 else 5)
    assert not set(groups[held].tolist()) & set(groups[~held].tolist())
    np.testing.assert_array_equal(joined, groups)


def test_products_of_one_picture_are_held_out_together() -> None:
    """The sizes of a shirt have texts of their own: who learnt one knows the others."""
    rng = np.random.default_rng(0)
    texts = rng.permutation(10_000)[:900]
    pictures = np.repeat(rng.permutation(300), 3)
    texts[4] = texts[0]  # joins two designs
    held, joined = _hold_out(texts, pictures)
    assert 60 < held.sum() < 120
    assert not set(pictures[held].tolist()) & set(pictures[~held].tolist())
    assert len(np.unique(joined)) == 299
    assert len(set(joined[:6].tolist())) == 1


def test_a_picture_of_many_products_is_not_held_out() -> None:
    texts = 10 * np.arange(1, 1001)
    pictures = np.minimum(np.arange(1000), 700)  # the last 300 have one
    held, _ = _hold_out(texts, pictures)
    np.testing.assert_array_equal(held, np.arange(1000) < 700)
    held, _ = _hold_out(texts, np.zeros(1000, np.int64))
    np.testing.assert_array_equal(held, np.arange(1000) < 5)


def test_a_catalogue_without_pictures_cannot_teach_heads(tmp_path: Path) -> None:
    encoders = save_encoders(tmp_path)
    files = EncoderFiles.of_files(encoders.text, encoders.resnet, encoders.weights)
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(90), leave_out=["image"]))
    with pytest.raises(ModelError, match="only 0 distinct products have both text and picture"):
        fit_heads(catalogue, files, tmp_path / "m", tmp_path / "s", HeadSettings(workers=0))
    assert not (tmp_path / "m").exists()


def test_one_picture_of_all_products_cannot_teach_heads(tmp_path: Path) -> None:
    encoders = save_encoders(tmp_path)
    files = EncoderFiles.of_files(encoders.text, encoders.resnet, encoders.weights)
    rows = products(60)
    same = [{**row, "image": rows[0]["image"]} for row in rows]
    catalogue = open_catalogue(write(tmp_path / "c.parquet", same))
    with pytest.raises(ModelError, match="only 1 distinct pictures are of products with text"):
        fit_heads(catalogue, files, tmp_path / "m", tmp_path / "s", HeadSettings(workers=0))


@pytest.mark.parametrize("units", [0, 6])
def test_heads_leave_features_out_only_while_they_are_trained(units: int) -> None:
    features = np.random.default_rng(0).normal(3, 2, size=(50, 20)).astype(np.float32)
    head, rows = StandardisedHead(features, 8, 0.4, units), torch.from_numpy(features)
    with torch.no_grad():
        head.linear.weight.normal_()
    assert not torch.equal(head(rows), head(rows))
    head.eval()
    np.testing.assert_allclose(head(rows).detach().numpy(), head.fold()(features), atol=1e-5)
