"""Vectors and nearest neighbours, against numpy."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from prodmatch.errors import DamagedError, MismatchError, ProdmatchError, StoreError
from prodmatch.model.heads import Heads, fit_cca
from prodmatch.model.projection import Projection
from prodmatch.search.vectors import vector_index as ann
from prodmatch.search.vectors.index_builder import Kind, build_index, choose_kinds
from prodmatch.search.vectors.list_pieces import Trained
from prodmatch.search.vectors.vector_index import (
    AnnIndex,
    exact_neighbours,
    measure_milliseconds,
    recall_at,
    tune_index,
)
from prodmatch.storage.vectors import Vectors, check_unit, join_parts, normalise, split_parts


def random_rows(count: int, dim: int, seed: int = 0) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=(count, dim)))


KINDS: tuple[Kind, ...] = ("flat", "codes", "hnsw", "sq8")


def tolerance(kind: Kind, rows: Vectors, query: Vectors) -> float:
    """How far a score may be from numpy's: of sums in another order, and of codes, half of one."""
    if kind == "codes":
        return float(np.abs(query) @ np.abs(rows).max(axis=0)) * 2**-11 + 1e-6
    code = np.ptp(rows, axis=0) / 255 if kind == "sq8" else np.zeros(rows.shape[1])
    return float(np.abs(query) @ code) / 2 + 1e-6


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def built(kind: Kind) -> tuple[AnnIndex, Vectors]:
    """An index of each kind over 3,000 rows, and the rows; every tenth lacks its second half."""
    rows = random_rows(3000, 16)
    rows[::10, 8:] = 0.0
    rows = normalise(rows)
    index = build_index(lambda: np.array_split(rows, 5), len(rows), 16, kind)
    tune_index(index, random_rows(20, 16, seed=1), random_rows(20, 16, seed=3), lambda: [rows], 10)
    return index, rows


def brute_force(rows: Vectors, queries: Vectors, count: int) -> np.ndarray:
    return -np.sort(-(queries @ rows.T), axis=1)[:, :count]


def test_scores_are_numpys_inner_products_higher_first(
    built: tuple[AnnIndex, Vectors], kind: Kind
) -> None:
    index, rows = built
    queries = random_rows(50, 16, seed=2)
    queries[:20, 8:] = 0.0  # as the text signal asks
    queries[20:40, :8] = 0.0
    for within in (None, np.arange(1, 3000, 2), np.arange(5, 3000, 70), np.array([17])):
        for query, found in zip(queries, index.search(queries, 10, within=within), strict=True):
            assert (np.diff(found.scores) <= 0).all()
            true = rows[found.rows] @ query
            np.testing.assert_allclose(found.scores, true, atol=tolerance(kind, rows, query))
            whole = found.rows % 10 != 0  # of a half that is missing, codes say next to nothing
            kept = index.vectors(found.rows[whole]) @ query  # what the codes stand for: exactly
            np.testing.assert_allclose(found.scores[whole], kept, atol=1e-6)


def test_what_is_found_is_what_brute_force_finds(
    built: tuple[AnnIndex, Vectors], kind: Kind
) -> None:
    index, rows = built
    queries = random_rows(50, 16, seed=2)
    truth = exact_neighbours([rows], queries, 10)
    found = index.search(queries, 10)
    pairs = zip(found, truth, strict=True)
    same = np.mean([len(np.intersect1d(ours.rows, true.rows)) / 10 for ours, true in pairs])
    assert same == 1.0 if kind == "flat" else same > 0.95


def test_codes_keep_the_place_of_a_missing_half() -> None:
    rows = random_rows(500, 16)
    rows[::3, 8:] = 0.0
    rows[1::3, :8] = 0.0
    rows = normalise(rows)
    index = build_index(lambda: [rows], 500, 16, "sq8")
    found = index.vectors(np.arange(500))
    np.testing.assert_array_equal(found == 0, rows == 0)
    np.testing.assert_allclose(found, rows, atol=2 / 255)  # of numbers in [-1, 1], by bytes


def test_the_recall_of_codes_is_that_of_the_true_vectors() -> None:
    rows = random_rows(3000, 64)
    rows = normalise(rows[:1] + 0.05 * rows)  # about as near to each other as codes are wide
    index = build_index(lambda: [rows], 3000, 64, "sq8")
    recall = tune_index(index, rows[50:99], rows[:50], lambda: np.array_split(rows, 7), 10)
    truth = exact_neighbours([rows], rows[:50], 10)
    pairs = zip(index.search(rows[:50], 10), truth, strict=True)
    both = [len(np.intersect1d(ours.rows, true.rows)) / 10 for ours, true in pairs]
    assert recall == pytest.approx(np.mean(both))
    assert 0.5 < recall < 1


def test_the_same_rows_make_the_same_bytes(kind: Kind, tmp_path: Path) -> None:
    rows = random_rows(3000, 16)
    for name in ("one", "two"):
        built = build_index(lambda: np.array_split(rows, 5), 3000, 16, kind)
        built.save(tmp_path / name)
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")


@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_few_rows_can_be_indexed_in_any_way(count: int, kind: Kind, tmp_path: Path) -> None:
    rows = random_rows(count, 8)
    index = build_index(lambda: [rows], count, 8, kind)
    index.save(tmp_path / "index.faiss")
    opened = AnnIndex.open(tmp_path / "index.faiss", row_count=count, dim=8)
    assert opened.kind == index.kind
    assert opened.vectors(np.arange(count)).shape == (count, 8)
    if count:
        (found,) = opened.search(rows[:1], 10)
        assert found.rows[0] == 0


def read_files(path: Path) -> list[bytes]:
    """Those of a saved index."""
    return [each.read_bytes() for each in sorted(path.parent.glob(f"{path.stem}*"))]


def test_rows_that_stay_keep_their_list_and_new_ones_are_added(tmp_path: Path) -> None:
    rows = random_rows(3000, 16)
    build_index(lambda: [rows], 3000, 16, "codes").save(tmp_path / "old")
    old = AnnIndex.open(tmp_path / "old", row_count=3000, dim=16)
    order = np.random.default_rng(3).permutation(3000)[:2500]
    tonight = np.concatenate([rows[order], random_rows(100, 16, seed=8)])
    tonight[:50] = random_rows(50, 16, seed=9)  # these have changed
    earlier = Trained(old, np.concatenate([order, np.full(100, -1)]))
    blocks = np.array_split(tonight, 7)
    kept = build_index(lambda: blocks, 2600, 16, "codes", earlier)
    same = earlier.same(tonight, 0)
    assert same.tolist() == [-1] * 50 + order[50:].tolist() + [-1] * 100
    nothing = Trained(old, np.full(2600, -1))  # so every row is assigned anew
    built = build_index(lambda: blocks, 2600, 16, "codes", nothing)
    kept.save(tmp_path / "kept")
    built.save(tmp_path / "built")
    assert read_files(tmp_path / "kept") == read_files(tmp_path / "built")
    new = build_index(lambda: blocks, 2600, 16, "codes")
    queries = random_rows(200, 16, seed=5), random_rows(200, 16, seed=6)
    for each in queries:
        each[::2, 8:] = 0.0
        each[1::2, :8] = 0.0
    recalls = [tune_index(index, *queries, lambda: blocks, 10) for index in (kept, new)]
    assert recalls[0] == pytest.approx(recalls[1], abs=0.02)
    assert max(kept.breadths) <= 1.6 * max(new.breadths)


def test_centroids_with_equal_codes_are_compared_too() -> None:
    rows = random_rows(700, 2)  # a part of one number, so that there are few directions
    index = build_index(lambda: [rows], 700, 2, "codes")
    for lists in index.lists or ():
        lists.breadth = lists.quantizer.list_count * 2 // 3
    for query, found in zip(rows[:50], index.search(rows[:50], 10), strict=True):
        np.testing.assert_allclose(found.scores[0], query @ query, atol=1e-3)


def uneven_rows(count: int, seed: int) -> Vectors:
    """Rows of a text part alone that vary along few axes, with far-off values there."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(3, size=(count, 32)) * 0.8 ** np.arange(32)
    return normalise(np.hstack([rows, np.zeros_like(rows)]))


def test_lists_chosen_by_codes_of_centroids_are_the_nearest() -> None:
    rows = uneven_rows(6000, 0)
    index = build_index(lambda: [rows], 6000, 64, "codes")
    lists, queries = (index.lists or ())[0], uneven_rows(50, 1)[:, :32]
    shares = []
    for query in queries @ lists.quantizer.rotation:
        scores = lists.quantizer.centroids @ query
        found, near = lists.nearest(query, 20)
        np.testing.assert_allclose(near, scores[found], atol=1e-6)
        shares.append(np.isin(np.argsort(-scores)[:20], found).mean())
    assert lists.quantizer.list_count > 100
    assert np.mean(shares) > 0.97


def test_codes_lose_little_of_rows_that_vary_along_few_axes() -> None:
    rows = uneven_rows(6000, 0)
    index = build_index(lambda: [rows], 6000, 64, "codes")
    lists, queries = (index.lists or ())[0], uneven_rows(50, 1)
    lists.breadth = lists.quantizer.list_count
    truth = exact_neighbours([rows], queries, 10)
    found = lists.candidates(queries[:, :32], 20, None, 1.0)
    shares = [np.isin(true.rows, near).mean() for true, near in zip(truth, found, strict=True)]
    assert np.mean(shares) > 0.93


def test_more_recall_is_looked_for_where_more_is_wanted() -> None:
    rows = random_rows(3000, 16)
    index = build_index(lambda: [rows], 3000, 16, "codes")
    for lists in index.lists or ():
        lists.breadth = 1
    found = []
    for wanted in (0.5, 0.9, 1.0):
        queries = random_rows(100, 16, seed=1), random_rows(100, 16, seed=2)
        for each in queries:
            each[:, 8:] = 0.0
        recall = tune_index(index, *queries, lambda: [rows], 10, wanted=wanted)
        found.append((index.breadths[0], recall))
    breadths, recalls = zip(*found, strict=True)
    assert breadths[0] < breadths[1] < breadths[2]
    assert recalls[1] > 0.85
    assert recalls[2] > 0.99


@pytest.mark.parametrize(
    ("kind", "rows", "memory", "expected"),
    [
        ("auto", 200_000, None, ["flat"]),
        ("auto", 200_001, None, ["codes", "flat"]),
        ("auto", 1_000_000, 2.0, ["codes"]),
        ("auto", 200_000, 0.3, ["codes"]),
        ("sq8", 1_000_000, 0.7, ["sq8"]),
    ],
)
def test_an_index_is_chosen_by_rows_and_memory(
    kind: Kind, rows: int, memory: float | None, expected: list[Kind]
) -> None:
    assert choose_kinds(kind, rows, 640, memory) == expected


def test_a_memory_that_no_index_fits_is_refused() -> None:
    with pytest.raises(StoreError, match=r"takes 0\.25 GiB or more .*`memory=0\.2` allows less"):
        choose_kinds("auto", 1_000_000, 640, 0.2)


def test_the_time_of_a_query_is_a_processor_s() -> None:
    rows = random_rows(3000, 16)
    index = build_index(lambda: [rows], 3000, 16)
    threads = faiss.omp_get_max_threads()
    assert 0 < measure_milliseconds(index, rows[:20], 10) < 100
    assert faiss.omp_get_max_threads() == threads


def test_no_padding_comes_back(built: tuple[AnnIndex, Vectors]) -> None:
    index, rows = built
    (found,) = index.search(rows[:1], 5000)
    assert found.rows.min() >= 0
    assert len(set(found.rows.tolist())) == len(found.rows)


def test_a_search_within_rows_finds_them_alone(
    built: tuple[AnnIndex, Vectors], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, rows = built
    within = np.arange(5, 3000, 7)
    queries = random_rows(5, 16, seed=3)
    exact = index.search(queries, 10, within=within)
    truth = brute_force(rows[within], queries, 10)
    for query, found, true in zip(queries, exact, truth, strict=True):
        np.testing.assert_allclose(found.scores, true, atol=tolerance(kind, rows, query))
    monkeypatch.setattr(ann, "FILTERED_ROWS", 10)  # now through the index itself
    for found in index.search(queries, 10, within=within):
        assert np.isin(found.rows, within).all()
        assert len(found.rows) == 10


def test_vectors_come_back_in_the_order_asked(built: tuple[AnnIndex, Vectors], kind: Kind) -> None:
    index, rows = built
    asked = np.array([2999, 0, 17])
    wide = {"sq8": 2 / 255, "codes": 2**-11}.get(kind, 0)
    np.testing.assert_allclose(index.vectors(asked), rows[asked], atol=wide, rtol=0)
    assert index.vectors(np.zeros(0, np.int64)).shape == (0, 16)


def test_what_is_saved_is_what_is_opened(built: tuple[AnnIndex, Vectors], tmp_path: Path) -> None:
    index, rows = built
    index.save(tmp_path / "index.faiss")
    opened = AnnIndex.open(tmp_path / "index.faiss", row_count=3000, dim=16)
    for ours, theirs in zip(index.search(rows[:9], 5), opened.search(rows[:9], 5), strict=True):
        np.testing.assert_array_equal(ours.rows, theirs.rows)
    plain = faiss.read_index(str(tmp_path / "index.faiss"))
    assert (plain.ntotal, plain.metric_type) == (3000, faiss.METRIC_INNER_PRODUCT)


def test_an_index_of_another_size_or_metric_is_refused(tmp_path: Path) -> None:
    index = build_index(lambda: [random_rows(10, 8)], 10, 8)
    index.save(tmp_path / "index.faiss")
    for rows, dim in ((11, 8), (10, 9)):
        with pytest.raises(DamagedError, match="expected an inner-product index"):
            AnnIndex.open(tmp_path / "index.faiss", row_count=rows, dim=dim)
    other = faiss.IndexFlatL2(8)
    other.add(random_rows(10, 8))
    faiss.write_index(other, str(tmp_path / "l2.faiss"))
    with pytest.raises(DamagedError, match="expected an inner-product index"):
        AnnIndex.open(tmp_path / "l2.faiss", row_count=10, dim=8)
    (tmp_path / "cut.faiss").write_bytes((tmp_path / "index.faiss").read_bytes()[:-20])
    with pytest.raises(DamagedError, match="cannot be read as a FAISS index"):
        AnnIndex.open(tmp_path / "cut.faiss", row_count=10, dim=8)


def test_queries_of_another_dimension_are_refused() -> None:
    index = build_index(lambda: [random_rows(10, 8)], 10, 8)
    with pytest.raises(MismatchError, match="has 8 dimensions"):
        index.search(random_rows(1, 9), 1)


def test_exact_neighbours_agree_whatever_the_blocks() -> None:
    rows, queries = random_rows(100, 8), random_rows(5, 8, seed=1)
    for blocks in (1, 3, 17):
        found = exact_neighbours(np.array_split(rows, blocks), queries, 7)
        np.testing.assert_allclose(
            np.stack([near.scores for near in found]), brute_force(rows, queries, 7), atol=1e-6
        )


def test_recall_counts_what_was_found() -> None:
    truth = exact_neighbours([random_rows(50, 8)], random_rows(4, 8, seed=1), 10)
    half = [ann.Neighbours(near.rows[:5], near.scores[:5]) for near in truth]
    assert recall_at(truth, truth) == 1.0
    assert recall_at(half, truth) == 0.5


def test_zeros_stay_zeros_and_all_else_is_of_unit_length() -> None:
    rows = np.array([[0.0, 0.0], [3.0, 4.0], [1e-30, 0.0]])
    np.testing.assert_allclose(normalise(rows), [[0, 0], [0.6, 0.8], [1, 0]], atol=1e-6)


def test_a_missing_half_is_zeros_and_the_whole_of_unit_length() -> None:
    text, image = random_rows(3, 4), random_rows(3, 4, seed=1)
    image[1] = 0.0
    joined = join_parts(text, image)
    np.testing.assert_allclose(np.linalg.norm(joined, axis=1), 1.0, atol=1e-6)
    left, right = split_parts(joined)
    np.testing.assert_allclose(normalise(left), text, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), [0.5**0.5, 0, 0.5**0.5], atol=1e-6)


@pytest.mark.parametrize("spoil", [np.nan, np.inf, 0.0, 2.0])
def test_vectors_that_are_not_unit_are_refused(spoil: float) -> None:
    rows = random_rows(5, 4)
    check_unit(rows)
    rows[3] *= spoil
    with pytest.raises(ProdmatchError, match="rows"):
        check_unit(rows)


def test_cca_finds_the_space_that_two_views_share() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(500, 6))
    text = np.concatenate([shared, rng.normal(size=(500, 20))], 1) @ rng.normal(size=(26, 26))
    image = np.concatenate([shared, rng.normal(size=(500, 9))], 1) @ rng.normal(size=(15, 15))
    text, image = text.astype(np.float32), image.astype(np.float32)
    heads = fit_cca(text[:400], image[:400], 6)
    scores = heads.text(text[400:]) @ heads.image(image[400:]).T
    assert (scores.argmax(axis=1) == np.arange(100)).mean() > 0.9


def test_heads_come_back_as_they_were_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def projection(features: int) -> Projection:
        parts = [rng.normal(size=size) for size in ((features, 8), 8, 8, (8, 5))]
        return Projection(*(part.astype(np.float32) for part in parts))

    heads = Heads(projection(12), projection(20))
    heads.save(tmp_path / "heads.safetensors")
    rows = rng.normal(size=(3, 12)).astype(np.float32)
    opened = Heads.open(tmp_path / "heads.safetensors")
    np.testing.assert_array_equal(opened.text(rows), heads.text(rows))
    np.testing.assert_allclose(np.linalg.norm(opened.text(rows), axis=1), 1.0, atol=1e-6)
