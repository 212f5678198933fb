"""What every user of a log gets, against numpy over the stored vectors."""

from collections import Counter
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch import ProductIndex, open_index
from prodmatch.errors import QueryError
from prodmatch.evaluate_histories import evaluate_histories
from prodmatch.histories import log as log_module
from prodmatch.histories.co_views import SHRINK, CoViews
from prodmatch.histories.learn import (
    FEWEST_HELD_OUT,
    USUAL_BLEND,
    LeftOut,
    evaluate_blends,
    leave_last_out,
)
from prodmatch.histories.log import BlockSizes, Histories, LogSettings
from prodmatch.histories.rows import RowMaker
from prodmatch.histories.tastes import Candidates, Recommender, choose
from prodmatch.recommend import recommend_products, recommend_to_users
from prodmatch.search.options import SearchOptions
from prodmatch.search.searcher import Searcher
from prodmatch.search.vectors.neighbours import Neighbours, exact_neighbours
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Rows, Vectors

PRODUCTS = 60


@pytest.fixture(scope="module")
def index(published: Path) -> ProductIndex:
    return open_index(published)


def write_log(path: Path, histories: dict[str, list[int]]) -> Path:
    events = [(user, f"p{row:04d}") for user, rows in histories.items() for row in rows]
    users, products = zip(*events, strict=True)
    pq.write_table(pa.table({"user": users, "product_id": products}), path)
    return path


def shown(path: Path) -> dict[str, list[str]]:
    table = pq.read_table(path).to_pylist()
    found: dict[str, list[str]] = {}
    for row in table:
        found.setdefault(row["user"], []).append(row["product_id"])
        assert row["rank"] == len(found[row["user"]])
    return found


def test_one_product_alone_gives_what_is_like_it(index: ProductIndex, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.parquet", {"a": [7]})
    report = recommend_to_users(index, log, tmp_path / "out.parquet", SearchOptions(top=5))
    like = recommend_products(index, ["p0007"], options=SearchOptions(top=5))
    found = shown(tmp_path / "out.parquet")
    assert found == {"a": [hit.product_id for hit in like]}
    assert (report.users, report.recommendations, report.rejects) == (1, 5, {})
    assert {row["because"] for row in pq.read_table(tmp_path / "out.parquet").to_pylist()} == {
        "p0007"
    }


def test_scores_are_content_and_a_share_of_co_views(index: ProductIndex, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = {f"u{n:02d}": rng.choice(PRODUCTS, 4, replace=False).tolist() for n in range(40)}
    histories |= {f"v{n:02d}": [3, 50, 11][: 2 + n % 2] for n in range(9)}
    log = write_log(tmp_path / "log.parquet", histories)
    report = recommend_to_users(index, log, tmp_path / "out.parquet", SearchOptions(top=PRODUCTS))
    assert report.blend == USUAL_BLEND
    users, pairs = Counter[int](), Counter[tuple[int, int]]()
    for rows in histories.values():
        users.update(rows)
        pairs.update(permutations(rows, 2))
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert any(row["co_views"] for row in table)
    for row in table:
        seen = histories[row["user"]]
        half_lives = np.arange(len(seen))[::-1] / log_module.HALF_LIFE_EVENTS
        weights = 0.5**half_lives / (0.5**half_lives).sum()
        other = int(row["product_id"][1:])
        assert other not in seen
        counts = np.array([pairs[own, other] for own in seen], np.float64)
        counts[counts < 2] = 0
        alike = counts / np.sqrt([max(1, users[own] * users[other]) for own in seen])
        expected = float((weights * alike * counts / (counts + SHRINK)).sum())
        assert row["co_views"] == pytest.approx(expected, abs=1e-5)
        assert row["score"] == pytest.approx(row["content"] + USUAL_BLEND * expected, abs=1e-4)
    for user, rows in histories.items():
        scores = [row["score"] for row in table if row["user"] == user]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == PRODUCTS - len(rows)


def test_the_batches_and_parts_make_no_difference(index: ProductIndex, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    histories = {f"u{n}": rng.choice(PRODUCTS, 1 + n % 6).tolist() for n in range(70)}
    log = write_log(tmp_path / "log.parquet", histories)
    recommend_to_users(index, log, tmp_path / "one.parquet")
    small = LogSettings(sizes=BlockSizes(batch_rows=30, part_rows=50, users=7))
    recommend_to_users(index, log, tmp_path / "many.parquet", settings=small)
    assert shown(tmp_path / "one.parquet") == shown(tmp_path / "many.parquet")


@pytest.mark.parametrize(
    "options", [SearchOptions(), SearchOptions("price >= 20", one_per="colour")]
)
def test_a_search_finds_what_comparing_all_products_does(
    index: ProductIndex, tmp_path: Path, options: SearchOptions
) -> None:
    rng = np.random.default_rng(2)
    histories = {f"u{n}": rng.choice(PRODUCTS, 1 + n % 6).tolist() for n in range(70)}
    log = write_log(tmp_path / "log.parquet", {**histories, "none": [9999]})
    recommend_to_users(index, log, tmp_path / "compared.parquet", options)
    sparse = LogSettings(sizes=BlockSizes(dense_rows=0))
    recommend_to_users(index, log, tmp_path / "searched.parquet", options, sparse)
    compared, searched = (
        pq.read_table(tmp_path / f"{name}.parquet") for name in ("compared", "searched")
    )
    for name in ("user", "rank", "product_id", "because"):
        assert compared[name] == searched[name]
    for name in ("score", "content", "co_views"):
        assert compared[name].to_numpy() == pytest.approx(searched[name].to_numpy(), abs=1e-5)


class Penalised:
    """An index of which half of the pictures have a hubness penalty."""

    def __init__(self, ann: AnnIndex) -> None:
        self.row_count, self.dim = ann.row_count, ann.dim
        self.plain = ann.vectors(np.arange(ann.row_count))
        self.plain[:, ann.dim // 2] = 0.0
        self.penalised = self.plain.copy()
        self.penalised[::2, ann.dim // 2] = -1.0

    def vectors(self, rows: Rows) -> Vectors:
        return self.penalised[rows].copy()


def test_what_is_most_like_a_product_is_no_hub(index: ProductIndex) -> None:
    """A hubness penalty must count for nothing."""
    ann = Penalised(index.searcher.ann)
    searcher = cast(Searcher, SimpleNamespace(ann=ann, weights=index.searcher.weights))
    ids = pa.array([f"p{row:04d}" for row in range(PRODUCTS)])
    rng, none, plain = np.random.default_rng(6), np.zeros(0, np.int64), ann.plain
    viewed = np.stack([rng.choice(PRODUCTS, 6, replace=False) for _ in range(30)])
    names = pa.array([str(user) for user in range(30)])
    histories = Histories(
        names, np.arange(0, 181, 6), viewed.ravel(), np.ones(viewed.size, np.float32)
    )
    co_views = CoViews(np.zeros(PRODUCTS + 1, np.int64), none, none, np.zeros(PRODUCTS, np.int64))
    maker = RowMaker(Recommender(searcher), co_views, 0.0, ids, none, top=20)
    rows = maker.make(histories, range(30)).to_pylist()
    assert len(rows) == 600
    for row in rows:
        own, shown_row = viewed[int(row["user"])].tolist(), int(row["product_id"][1:])
        nearest = max(own, key=lambda other: float(plain[shown_row] @ plain[other]))
        assert row["because"] == f"p{nearest:04d}"


class Pictureless:
    """An index of which half of the products have no picture."""

    def __init__(self, ann: AnnIndex) -> None:
        self.row_count, self.dim = ann.row_count, ann.dim
        self.stored = ann.vectors(np.arange(ann.row_count))
        self.stored[::2, ann.dim // 2 :] = 0.0

    def vectors(self, rows: Rows) -> Vectors:
        return self.stored[rows].copy()

    def search(
        self, queries: Vectors, count: int, *, within: Rows | None = None
    ) -> list[Neighbours]:
        rows = np.arange(self.row_count) if within is None else within
        found = exact_neighbours([self.stored[rows]], queries, count)
        return [Neighbours(rows[near.rows], near.scores) for near in found]


@pytest.mark.parametrize("dense_rows", [0, PRODUCTS])
def test_products_without_a_picture_are_candidates_like_others(
    index: ProductIndex, dense_rows: int
) -> None:
    """Their inner products are smaller, their content is not."""
    searcher = SimpleNamespace(ann=Pictureless(index.searcher.ann), weights=index.searcher.weights)
    every, none = np.arange(PRODUCTS), np.zeros(0, np.int64)
    histories = Histories(
        pa.array([str(row) for row in every]),
        np.arange(PRODUCTS + 1),
        every,
        np.ones(PRODUCTS, np.float32),
    )
    co_views = CoViews(np.zeros(PRODUCTS + 1, np.int64), none, none, every)
    few, most = (
        Recommender(cast(Searcher, searcher), sizes).find(histories, range(PRODUCTS), co_views, 3)
        for sizes in (
            BlockSizes(candidates=6, dense_rows=dense_rows),
            BlockSizes(candidates=PRODUCTS, dense_rows=0),
        )
    )
    (shown_few, few_scores), (shown_most, most_scores) = (
        choose(found, 0.0, 3) for found in (few, most)
    )
    assert len(few.rows) < len(most.rows)
    assert shown_few.rows.tolist() == shown_most.rows.tolist()
    assert few_scores == pytest.approx(most_scores, abs=1e-5)


@pytest.mark.parametrize("where", [None, "price >= 20"])
def test_what_was_viewed_or_may_not_be_shown_takes_no_place_of_candidates(
    index: ProductIndex, tmp_path: Path, where: str | None
) -> None:
    """Long histories, whose own products are the nearest, and few candidates."""
    rng = np.random.default_rng(4)
    histories = {f"u{n}": rng.choice(PRODUCTS, 25, replace=False).tolist() for n in range(150)}
    log = write_log(tmp_path / "log.parquet", histories)
    for name, sizes in {
        "compared": BlockSizes(candidates=8),
        "searched": BlockSizes(candidates=8, dense_rows=0),
        "every": BlockSizes(candidates=PRODUCTS, dense_rows=0),
    }.items():
        out, options = tmp_path / f"{name}.parquet", SearchOptions(where, top=4)
        recommend_to_users(index, log, out, options, LogSettings(sizes=sizes))
    compared, searched, every = (
        pq.read_table(tmp_path / f"{name}.parquet") for name in ("compared", "searched", "every")
    )
    assert compared["co_views"].to_numpy().all()
    for name in ("user", "rank", "product_id"):
        assert compared[name] == searched[name]
    for name in ("score", "content", "co_views"):
        assert compared[name].to_numpy() == pytest.approx(searched[name].to_numpy(), abs=1e-5)
    of_all, of_few = (
        {(row["user"], row["product_id"]): row["co_views"] for row in table.to_pylist()}
        for table in (every, searched)
    )
    both = of_all.keys() & of_few.keys()
    assert len(both) > 0.9 * len(of_all)
    assert [of_few[key] for key in both] == pytest.approx([of_all[key] for key in both], abs=1e-5)


@pytest.mark.parametrize("where", ["price >= 40", "price < 0"])
def test_a_filter_decides_what_is_shown_and_not_what_is_learnt(
    index: ProductIndex, tmp_path: Path, where: str
) -> None:
    rng = np.random.default_rng(5)
    firsts = rng.integers(PRODUCTS, size=1200).tolist()
    histories = {f"u{n}": [first, (first + 30) % PRODUCTS] for n, first in enumerate(firsts)}
    log = write_log(tmp_path / "log.parquet", histories)
    whole = recommend_to_users(index, log, tmp_path / "whole.parquet")
    found = recommend_to_users(index, log, tmp_path / "out.parquet", SearchOptions(where))
    assert whole.success_at_10["blend"] > 0
    assert (found.blend, found.success_at_10) == (whole.blend, whole.success_at_10)
    assert whole.warnings == []
    nothing = where == "price < 0"
    assert found.warnings == nothing * [
        "the filter 'price < 0' holds for no product, so nothing is shown to anybody."
    ]
    assert (found.recommendations == 0) == nothing


def test_who_is_found_by_no_blend_chooses_none(index: ProductIndex) -> None:
    none = np.zeros(0, np.int64)
    co_views = CoViews(np.zeros(PRODUCTS + 1, np.int64), none, none, np.zeros(PRODUCTS, np.int64))
    count = FEWEST_HELD_OUT
    names, ones = pa.array([f"u{n}" for n in range(count)]), np.ones(count, np.int64)
    history = Histories(names, np.arange(count + 1), ones, np.ones(count, np.float32))
    left_out = LeftOut(history, ones)  # which is never shown again
    found = evaluate_blends(Recommender(index.searcher), left_out, co_views)
    assert found.blend == USUAL_BLEND


@pytest.mark.parametrize("count", [1, 2, FEWEST_HELD_OUT - 1])
def test_of_few_held_out_the_usual_blend_is_measured(index: ProductIndex, count: int) -> None:
    none = np.zeros(0, np.int64)
    co_views = CoViews(np.zeros(PRODUCTS + 1, np.int64), none, none, np.zeros(PRODUCTS, np.int64))
    names, had = pa.array([f"u{n}" for n in range(count)]), np.arange(count)
    near = [int(index.search(like=f"p{row:04d}", top=1)[0].product_id[1:]) for row in had]
    history = Histories(names, np.arange(count + 1), had, np.ones(count, np.float32))
    left_out = LeftOut(history, np.array(near))
    ranks = evaluate_blends(Recommender(index.searcher), left_out, co_views).ranks
    assert ranks["content"].all()
    np.testing.assert_array_equal(ranks["blend"], ranks["content"])  # as nobody shares products


def test_a_filter_holds_and_who_has_nothing_known_gets_what_many_have(
    index: ProductIndex, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log.parquet", {"a": [40, 41], "b": [40], "c": [9999]})
    options = SearchOptions("price >= 40", top=30)
    report = recommend_to_users(index, log, tmp_path / "out.parquet", options)
    found = shown(tmp_path / "out.parquet")
    allowed = {f"p{row:04d}" for row in range(40, PRODUCTS)}
    assert report.rejects == {"unknown_product": 1}
    assert set(found["a"]) == allowed - {"p0040", "p0041"}
    assert set(found["c"]) == allowed
    assert found["c"][:2] == ["p0040", "p0041"]


def test_of_the_products_of_a_value_a_user_gets_one(index: ProductIndex, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.parquet", {"a": [1, 2, 4], "b": [9999]})
    recommend_to_users(index, log, tmp_path / "out.parquet", SearchOptions(one_per="colour"))
    for products in shown(tmp_path / "out.parquet").values():
        assert sorted(int(name[1:]) % 3 for name in products) == [0, 1, 2]


@pytest.mark.parametrize("dense_rows", [8192, 0])
def test_who_has_too_few_groups_among_the_nearest_gets_those_behind_them(
    index: ProductIndex, tmp_path: Path, dense_rows: int
) -> None:
    """The nearest six of a user are of one colour or two."""
    histories = {f"u{n}": [n, n + 3, n + 6] for n in range(12)} | {"none": [9999]}
    log = write_log(tmp_path / "log.parquet", histories)
    options = SearchOptions(one_per="colour", top=3)
    for name, candidates in (("few", 1), ("all", PRODUCTS)):
        sizes = BlockSizes(candidates=candidates, dense_rows=dense_rows)
        out = tmp_path / f"{name}.parquet"
        recommend_to_users(index, log, out, options, LogSettings(sizes=sizes))
    few, every = (
        pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("few", "all")
    )
    assert [row["product_id"] for row in few] == [row["product_id"] for row in every]
    assert [row["score"] for row in few if row["user"] == "none"] == [0, 0, 0]
    assert all(row["score"] for row in few if row["user"] != "none")


def test_of_a_group_one_is_chosen() -> None:
    count = 12
    candidates = Candidates(
        np.repeat([0, 1], count // 2),
        np.arange(count),
        np.linspace(1, 0, count),
        np.zeros(count),
    )
    groups = np.array([0, 0, 1, 4, 5, 1, 2, 2, 2, 2, 2, 3])
    chosen, scores = choose(candidates, 1.0, 3, groups)
    assert chosen.rows.tolist() == [0, 2, 3, 6, 11]
    assert scores.tolist() == candidates.content[chosen.rows].tolist()


def test_the_last_product_that_is_new_is_left_out() -> None:
    def history(*rows: int) -> Histories:
        weights = np.array([-1.0 if row < 0 else 1.0 for row in rows], np.float32)
        starts = np.array([0, len(rows)])
        return Histories(pa.array(["u"]), starts, np.abs(np.array(rows)), weights)

    for rows, before, last in (
        ((1, 2, 3), [1, 2], [3]),
        ((1, 2, 1), [1], [2]),
        ((1, 2, -3), [1], [2]),
        ((1, 1, 1), [], []),
        ((5,), [], []),
        ((-5, 4), [], []),
    ):
        found = leave_last_out(history(*rows))
        assert (found.histories.rows.tolist(), found.last.tolist()) == (before, last)


def test_what_users_do_is_learnt_and_measured(index: ProductIndex, tmp_path: Path) -> None:
    """Pairs that no picture tells: who has one of a pair of products has the other next."""
    rng = np.random.default_rng(2)
    partner = rng.permutation(PRODUCTS)
    histories = {}
    for n in range(1200):
        first = int(rng.integers(PRODUCTS))
        histories[f"u{n}"] = [int(rng.integers(PRODUCTS)), first, int(partner[first])]
    log = write_log(tmp_path / "log.parquet", histories)
    found = evaluate_histories(index, log, LogSettings({**log_module.EVENTS, "gift": 2.0}))
    (warning,) = found.warnings
    assert "no event is of the kind 'gift'" in warning
    success = {name: figures["Success@10"].value for name, figures in found.figures.items()}
    assert success["co_views"] > 0.9
    assert success["blend"] > 0.9
    assert success["content"] < 0.5
    assert success["popularity"] < 0.5
    assert found.blend > 0
    assert found.gains["RR@10"].signal == "co_views"
    few = write_log(tmp_path / "few.parquet", {"a": [1, 2]})
    with pytest.raises(QueryError, match="nobody among one in ten users"):
        evaluate_histories(index, few)
