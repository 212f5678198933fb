"""Projections of one block and of several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prodmatch.errors import ModelError
from prodmatch.model.familiarity import Familiarity
from prodmatch.model.heads import Heads, project_heads
from prodmatch.model.projection import HiddenUnits, Projection
from prodmatch.storage.vectors import normalise

RNG = np.random.default_rng(0)


def rows(count: int, width: int) -> np.ndarray:
    return RNG.normal(size=(count, width)).astype(np.float32)


def plain(features: int, inner: int) -> Projection:
    return Projection.linear(rows(features, inner), rows(1, inner)[0])


def test_blocks_are_told_apart_by_their_cosines_and_weighted_by_their_shares() -> None:
    parts = [(slice(0, 5), plain(5, 4)), (slice(5, 12), plain(7, 3))]
    joined = Projection.join(parts, (0.75, 0.25), 12)
    left, right = rows(6, 12), 100 * rows(6, 12)
    expected = sum(
        share * part(left[:, chosen]) @ part(right[:, chosen]).T
        for (chosen, part), share in zip(parts, (0.75, 0.25), strict=True)
    )
    np.testing.assert_allclose(joined(left) @ joined(right).T, expected, atol=1e-5)


def test_a_block_of_zeros_stays_zeros() -> None:
    parts = [
        (slice(0, 2), Projection.linear(np.eye(2))),
        (slice(2, 4), Projection.linear(np.eye(2))),
    ]
    joined = Projection.join(parts, (0.5, 0.5), 4)
    np.testing.assert_allclose(joined(np.array([[0, 0, 3, 4]], np.float32)), [[0, 0, 0.6, 0.8]])


def test_one_block_of_share_1_is_a_projection_without_blocks() -> None:
    one = replace(plain(9, 5), centre=rows(1, 5)[0], rotation=rows(5, 3))
    features = rows(20, 9)
    np.testing.assert_array_equal(replace(one, blocks=(5,))(features), one(features))
    joined = Projection.join([(slice(0, 9), one)], (1.0,), 9)
    np.testing.assert_allclose(joined(features), one(features), atol=1e-6)


def with_units(features: int, inner: int, units: int) -> Projection:
    hidden = HiddenUnits(rows(features, units), rows(1, units)[0])
    return Projection.linear(rows(features + units, inner), rows(1, inner)[0], hidden=hidden)


def test_hidden_units_of_a_later_projection_are_refused() -> None:
    units = HiddenUnits(np.ones((3, 2), np.float32), np.zeros(2, np.float32))
    first = Projection.linear(np.ones((3, 4)))
    later = Projection.linear(np.ones((5, 4)), hidden=units)
    with pytest.raises(ValueError, match="only the first projection"):
        Projection.stack([first, later], (0.5, 0.5))


def test_hidden_units_are_what_linear_maps_have_above_zero() -> None:
    part, features = with_units(6, 4, 3), rows(8, 6)
    assert part.features == 6
    assert part.hidden is not None
    units = np.maximum(features @ part.hidden.weight + part.hidden.bias, 0)
    assert 0 < np.mean(units > 0) < 1
    read = np.concatenate([features, units], axis=1)
    expected = normalise(read @ part.weight + part.bias)
    np.testing.assert_allclose(part(features), expected, atol=1e-5)


def test_weights_that_half_precision_holds_are_written_in_it(tmp_path: Path) -> None:
    exact, half = with_units(64, 32, 16), with_units(64, 32, 16).halved()
    for name, part in (("exact", exact), ("half", half)):
        Heads(part, part).save(tmp_path / name)
        again, features = Heads.open(tmp_path / name), rows(5, 64)
        assert again.text.weight.dtype == np.float32
        np.testing.assert_array_equal(again.text(features), part(features))
    sizes = [(tmp_path / name).stat().st_size for name in ("exact", "half")]
    assert sizes[1] < 0.8 * sizes[0]
    large = replace(exact, weight=exact.weight * 1e6)
    np.testing.assert_array_equal(large.halved().weight, large.weight)
    np.testing.assert_allclose(half(features), half.halved()(features))


def test_hidden_units_of_the_first_block_stay_its_own(tmp_path: Path) -> None:
    first, second = with_units(5, 4, 3), plain(7, 3)
    joined = Projection.join([(slice(0, 5), first), (slice(5, 12), second)], (0.75, 0.25), 12)
    features = rows(6, 12)
    assert joined.features == 12
    for position, (part, chosen) in enumerate(((first, slice(0, 5)), (second, slice(5, 12)))):
        np.testing.assert_allclose(
            joined.block(features, position), part.block(features[:, chosen], 0), atol=1e-6
        )
    wide = Projection.stack([joined, plain(12, 2)], (0.5, 0.5))
    np.testing.assert_allclose(wide.block(features, 0), joined.block(features, 0), atol=1e-6)
    Heads(plain(4, 7), joined).save(tmp_path / "heads.safetensors")
    again = Heads.open(tmp_path / "heads.safetensors")
    assert again.text.hidden is None
    np.testing.assert_array_equal(again.image(features), joined(features))


def test_centres_and_rotations_of_blocks_are_put_beside_each_other() -> None:
    first, second = (
        replace(plain(4, 4), centre=rows(1, 4)[0], rotation=rows(4, 2)) for _ in range(2)
    )
    features = rows(5, 8)
    joined = Projection.join([(slice(0, 4), first), (slice(4, 8), second)], (0.6, 0.4), 8)
    halves = [
        normalise(normalise(features[:, chosen] @ part.weight + part.bias) - part.centre)
        @ part.rotation
        * share**0.5
        for chosen, part, share in ((slice(0, 4), first, 0.6), (slice(4, 8), second, 0.4))
    ]
    np.testing.assert_allclose(joined(features), normalise(np.hstack(halves)), atol=1e-5)


def test_blocks_are_kept_on_disk_and_when_heads_are_projected(tmp_path: Path) -> None:
    def two(width: int) -> Projection:
        cuts = (slice(0, 6), slice(6, width))
        return Projection.join(
            [(cut, plain(len(range(width)[cut]), 6)) for cut in cuts], (0.7, 0.3), width
        )

    text, image = two(10), two(14)
    texts, pictures = rows(200, 10), rows(200, 14)
    heads = project_heads(text, image, (text(texts), image(pictures)), 9)
    assert heads.image.blocks == (6, 6)
    heads.save(tmp_path / "heads.safetensors")
    opened = Heads.open(tmp_path / "heads.safetensors")
    assert opened.text.shares == pytest.approx((0.7, 0.3))
    np.testing.assert_array_equal(opened.texts(texts), heads.texts(texts))
    np.testing.assert_array_equal(opened.pictures(pictures), heads.pictures(pictures))


@pytest.mark.parametrize(
    ("blocks", "shares"), [((2, 2), (0.5, 0.5)), ((3, 2), (0.5, 0.4)), ((5,), (0.5, 0.5))]
)
def test_blocks_that_do_not_fit_are_refused(
    blocks: tuple[int, ...], shares: tuple[float, ...]
) -> None:
    with pytest.raises(ModelError, match="sizes must sum to these, and shares to 1"):
        replace(plain(9, 5), blocks=blocks, shares=shares)


def test_stacked_projections_have_the_weighted_mean_of_the_inner_products() -> None:
    def directions(part: Projection, features: np.ndarray) -> np.ndarray:
        """What a projection gives before it is brought to unit length at last."""
        inner, start, rows = features @ part.weight + part.bias, 0, []
        for size, share in zip(part.blocks or (len(part.bias),), part.shares, strict=True):
            block = slice(start, start + size)
            rows.append(share**0.5 * normalise(normalise(inner[:, block]) - part.centre[block]))
            start += size
        return np.hstack(rows) @ part.rotation

    blocks = [(slice(0, 5), plain(5, 4)), (slice(5, 9), plain(4, 3))]
    joined = Projection.join(blocks, (0.7, 0.3), 9)
    parts = [
        replace(joined, centre=rows(1, 7)[0], rotation=rows(7, 5)),
        replace(plain(9, 6), centre=rows(1, 6)[0], rotation=rows(6, 2)),
    ]
    left, right, shares = rows(5, 9), rows(4, 9), (0.75, 0.25)
    stacked = Projection.stack(parts, shares)
    assert stacked.blocks == (4, 3, 6)
    assert stacked.shares == pytest.approx((0.525, 0.225, 0.25))
    expected = sum(
        share * directions(part, left) @ directions(part, right).T
        for part, share in zip(parts, shares, strict=True)
    )
    found = directions(stacked, left) @ directions(stacked, right).T
    np.testing.assert_allclose(found, expected, atol=1e-4)
    lengths = [np.linalg.norm(directions(stacked, each), axis=1) for each in (left, right)]
    np.testing.assert_allclose(
        stacked(left) @ stacked(right).T, expected / np.outer(*lengths), atol=1e-5
    )


def familiar(part: Projection, known: np.ndarray) -> Projection:
    """The projection, whose second block knows these rows of it."""
    directions = normalise(known)
    scales = np.abs(directions).max(axis=1) / 127
    codes = np.rint(directions / scales[:, None]).astype(np.int8)
    shares = np.array([0.1, 0.9], np.float32)
    threshold = np.array([0.7], np.float32)
    familiarity = Familiarity(codes, scales.astype(np.float32), threshold, np.array([1]), shares)
    return replace(part, familiarity=(familiarity,))


def test_a_strange_row_has_the_shares_of_strange_rows(tmp_path: Path) -> None:
    parts = [(slice(0, 5), plain(5, 4)), (slice(5, 11), Projection.linear(np.eye(6)))]
    joined = Projection.join(parts, (0.8, 0.2), 11)
    known, strange = rows(1, 11), rows(1, 11)
    strange[:, 5:] = -known[:, 5:]
    found = familiar(joined, known[:, 5:])
    assert found.familiarities(np.concatenate([known, strange])).round(3).tolist() == [1.0, 0.0]
    np.testing.assert_allclose(found(known), joined(known), atol=1e-3)
    other = Projection.join(parts, (0.1, 0.9), 11)
    np.testing.assert_allclose(found(strange), other(strange), atol=1e-3)
    both = np.concatenate([known, strange])
    np.testing.assert_array_equal(found(both)[1:], found(strange))

    Heads(found, joined).save(tmp_path / "heads.safetensors")
    opened = Heads.open(tmp_path / "heads.safetensors")
    np.testing.assert_array_equal(opened.text(both), found(both))
    assert opened.image.familiarity == ()
    assert joined.familiarities(both).tolist() == [1.0, 1.0]


def test_a_second_familiarity_leaves_the_first_blocks_their_proportions(tmp_path: Path) -> None:
    parts = [(slice(0, 5), plain(5, 4)), (slice(5, 11), Projection.linear(np.eye(6)))]
    known, shop, strange = (signs * np.abs(rows(1, 11)) for signs in np.sign(drawn_signs()))
    first = familiar(Projection.join(parts, (0.8, 0.2), 11), known[:, 5:])
    third = plain(11, 3)
    stacked = Projection.stack([first, third], (0.4, 0.6))
    assert stacked.familiarity == first.familiarity
    second = familiar(first, shop[:, 5:]).familiarity[0]
    second = replace(second, shares=np.array([0.8, 0.2, 0.0], np.float32))
    found = replace(stacked, familiarity=(*stacked.familiarity, second))

    def expected(features: np.ndarray, shares: tuple[float, float, float]) -> np.ndarray:
        return replace(stacked, shares=shares, familiarity=())(features)

    for features, shares in (
        (known, (0.8, 0.2, 0.0)),
        (shop, (0.04, 0.36, 0.6)),
        (strange, (0.1, 0.9, 0.0)),
    ):
        np.testing.assert_allclose(found(features), expected(features, shares), atol=1e-3)
    all_rows = np.concatenate([known, shop, strange])
    assert found.familiarities(all_rows).round(3).tolist() == [1.0, 1.0, 0.0]
    Heads(found, found).save(tmp_path / "heads.safetensors")
    opened = Heads.open(tmp_path / "heads.safetensors")
    np.testing.assert_array_equal(opened.text(all_rows), found(all_rows))


def drawn_signs() -> np.ndarray:
    """Three rows of signs that are orthogonal over the last six features."""
    own = [[1, 1, 1, 1, 1, 1], [1, -1, 1, -1, 1, -1], [-1, -1, -1, -1, -1, -1]]
    return np.hstack([np.ones((3, 5)), own])[:, None]
