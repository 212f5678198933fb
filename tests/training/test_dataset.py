"""Labels: of one measure, one for each query and product, and what a loss makes of those of 0."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch.errors import ModelError
from prodmatch.training.dataset import Examples, merge_labels, read_labels
from prodmatch.training.trainer import LinearSettings, train_linear


def write_labels(path: Path, values: list[float]) -> Path:
    rows = [
        {"query": f"q{number % 12}", "product_id": f"p{number}", "label": value}
        for number, value in enumerate(values)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([1.0] * 100 + [1e300], "row 101: the label is 1e+300"),
        ([1.0] * 55 + [1e30] * 60, "row 56: the label is 1e+30"),
        ([0.0] * 400 + [2.0] * 90 + [5000.0] * 10, "row 491: the label is 5000.0"),
    ],
)
def test_a_label_that_makes_others_count_nothing_is_refused(
    values: list[float], named: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="count next to nothing") as caught:
        read_labels(write_labels(tmp_path / "l.parquet", values))
    assert named in str(caught.value)


def test_counts_of_which_few_are_small_are_labels(tmp_path: Path) -> None:
    values = [1.0] * 5 + [20.0] * 95 + [5000.0]
    labels = read_labels(write_labels(tmp_path / "l.parquet", values))
    assert labels[-1].label == 1.0


def labelled(values: list[float], queries: list[int], products: list[int]) -> Examples:
    text = np.random.default_rng(0).normal(size=(len(values), 6)).astype(np.float32)
    groups = np.array(queries, np.int64), np.array(products, np.int64)
    return Examples(text, text, text, np.array(values, np.float32), *groups, text_share=0.5)


def test_several_labels_of_a_query_and_a_product_are_their_mean(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = labelled([1.0, 0.0, 0.5, 0.0, 1.0, 1.0], [3, 3, 7, 3, 3, 7], [1, 1, 1, 1, 2, 2])
    merged = merge_labels(given, Path("l.csv"))
    assert merged.query_groups.tolist() == [3, 7, 3, 7]
    assert merged.product_groups.tolist() == [1, 1, 2, 2]
    np.testing.assert_allclose(merged.labels, [1 / 3, 0.5, 1.0, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(merged.query, given.query[[0, 2, 4, 5]])
    assert caplog.messages == [
        "l.csv: 1 pairs of a query and a product have labels of 0 and above; their mean counts"
    ]


@pytest.mark.parametrize(
    ("loss", "is_warned"), [("infonce", True), ("siglip", True), ("bce", False)]
)
def test_labels_of_0_that_a_loss_does_not_use_are_warned_of(
    loss: str, is_warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    given = labelled([1.0, 0.0] * 10, list(range(20)), list(range(20)))
    with caplog.at_level(logging.WARNING):
        train_linear(
            [given], lambda _: 0.5, LinearSettings(dim=4, inner_dim=4, loss=loss, epochs=1)
        )
    warnings = [
        f"10 of 20 labels are 0, which the loss {loss} does not use; bce, cosine and mse do"
    ]
    assert caplog.messages == (warnings if is_warned else [])


def test_parts_are_as_wide_as_wanted() -> None:
    text, image = np.random.default_rng(0).normal(size=(2, 400, 320)).astype(np.float32)
    rows = np.arange(400)
    given = Examples.of_pairs(text, image, rows, rows)
    heads, _ = train_linear([given], lambda _: 0.5, LinearSettings(dim=300, epochs=1))
    assert heads.dim == 300
