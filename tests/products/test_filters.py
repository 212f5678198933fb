"""Answers within a filter equal brute force by numpy, at every selectivity."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.products.product_db_writer import write_products
from prodmatch.search.answers.hits import Hit
from prodmatch.search.encoded_query import EncodedQuery
from prodmatch.search.options import SearchOptions
from prodmatch.search.searcher import Searcher
from prodmatch.search.vectors import vector_index as ann
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.search.vectors.vector_index import exact_neighbours, tune_index
from prodmatch.storage.generations import open_generation, publish_generation
from prodmatch.storage.vectors import Vectors, join_parts, normalise, split_parts

COUNT = 20_000
WORDS = ("red", "blue", "shirt", "mug", "lamp", "boot", "linen", "wool")


@pytest.fixture(scope="module")
def rows() -> Vectors:
    rng = np.random.default_rng(0)
    parts = [normalise(rng.normal(size=(COUNT, 8))) for _ in range(2)]
    parts[1][::10] = 0.0  # no picture
    return join_parts(*parts)


def halved(rng: np.random.Generator, count: int) -> Vectors:
    """Queries of texts alone and of pictures alone."""
    parts, nothing = normalise(rng.normal(size=(count, 8))), np.zeros((count, 8), np.float32)
    return np.concatenate([np.hstack([parts, nothing]), np.hstack([nothing, parts])])


@pytest.fixture(scope="module", params=["flat", "codes", "hnsw", "sq8"])
def opened(
    request: pytest.FixtureRequest,
    published: Path,
    rows: Vectors,
    tmp_path_factory: pytest.TempPathFactory,
) -> Searcher:
    """A generation of 20,000 drawn products, under an index of each kind."""
    index = build_index(lambda: [rows], COUNT, 16, request.param)
    tune_index(index, halved(np.random.default_rng(2), 50), rows[:9], lambda: [rows], 10)
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "product_id": [f"p{row:05d}" for row in range(COUNT)],
            "text": [" ".join(rng.choice(WORDS, 3)) for _ in range(COUNT)],
            "bucket": rng.permutation(COUNT),
        }
    )
    source = open_generation(published)

    def fill(folder: Path) -> dict[str, object]:
        index.save(folder / "index.faiss")
        write_products(folder / "products.sqlite", table.schema, table.to_batches())
        (folder / "encoders").mkdir()
        for path in (source.folder / "encoders").iterdir():
            (folder / "encoders" / path.name).write_bytes(path.read_bytes())
        kept = {
            name: source.manifest[name] for name in ("model", "model_fingerprint", "embeddings")
        }
        return {**kept, "products": COUNT, "dim": 16}

    store = tmp_path_factory.mktemp("drawn")
    return Searcher(publish_generation(store, fill))


def ask(opened: Searcher, encoded: EncodedQuery, options: SearchOptions) -> list[Hit]:
    return opened.find_page(encoded, options).hits


def bucket_of(opened: Searcher) -> np.ndarray:
    found = opened.products.metadata(np.arange(COUNT))
    return np.array([row["bucket"] for row in found])


def unit(seed: int) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=8))


@pytest.mark.parametrize("share", [0.5, 0.01, 0.001, 0.0001])
@pytest.mark.parametrize(("half", "signal"), [(0, "text"), (1, "image")])
def test_a_leg_within_a_filter_finds_what_brute_force_finds(
    opened: Searcher, share: float, half: int, signal: str
) -> None:
    rows = opened.ann.vectors(np.arange(COUNT))  # what the index keeps, codes or not
    limit = max(1, round(share * COUNT))
    within = np.flatnonzero(bucket_of(opened) < limit)
    options = SearchOptions(f"bucket < {limit}", top=10, weights={signal: 1.0})
    for seed in range(5):
        encoded = EncodedQuery(None, unit(seed), unit(seed + 50))
        asked = (encoded.text, encoded.image)[half]
        cosines = normalise(split_parts(rows[within])[half]) @ asked
        present = split_parts(rows[within])[half].any(axis=1)
        best = within[present][np.argsort(-cosines[present], kind="stable")][:10]
        found = ask(opened, encoded, options)
        assert len(found) == min(10, len(within))  # as many as there are
        missing = {f"p{row:05d}" for row in within[~present]}
        names = [hit.product_id for hit in found if hit.product_id not in missing]
        assert names == [f"p{row:05d}" for row in best[: len(names)]]


def test_a_search_of_the_index_within_half_of_the_rows_finds_what_brute_force_finds(
    opened: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann, "FILTERED_ROWS", 100)  # not row by row
    rows = opened.ann.vectors(np.arange(COUNT))
    within = np.flatnonzero(bucket_of(opened) < COUNT // 2)
    queries = halved(np.random.default_rng(3), 20)
    found = opened.ann.search(queries, 10, within=within)
    truth = exact_neighbours([rows[within]], queries, 10)
    pairs = zip(found, truth, strict=True)
    same = [len(np.intersect1d(ours.rows, within[true.rows])) / 10 for ours, true in pairs]
    assert np.mean(same) == 1.0 if opened.ann.kind in ("Flat", "SQ8") else np.mean(same) > 0.95


@pytest.mark.parametrize("share", [0.5, 0.01, 0.001, 0.0001])
def test_words_within_a_filter_find_what_brute_force_finds(opened: Searcher, share: float) -> None:
    limit = max(1, round(share * COUNT))
    within = np.flatnonzero(bucket_of(opened) < limit)
    everywhere = opened.products.match("red lamp")
    scores = everywhere.of(within)
    order = np.lexsort((within, -scores))
    expected = [f"p{row:05d}" for row, score in zip(within[order], scores[order], strict=True)]
    expected = expected[: int((scores > 0).sum())][:10]
    options = SearchOptions(f"bucket < {limit}", top=10, weights={"lexical": 1.0})
    found = ask(opened, EncodedQuery("red lamp", unit(1), unit(2)), options)
    assert [hit.product_id for hit in found] == expected
