"""Answers within a filter equal brute force by numpy, at every selectivity."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch import ann
from prodmatch.ann import build_index
from prodmatch.answering import OpenGeneration, Wanted
from prodmatch.generations import open_generation, publish_generation
from prodmatch.hits import Hit
from prodmatch.probes import Probe
from prodmatch.products import write_products
from prodmatch.vectors import Vectors, join_halves, normalise, split_halves

COUNT = 20_000
WORDS = ("red", "blue", "shirt", "mug", "lamp", "boot", "linen", "wool")


@pytest.fixture(scope="module")
def rows() -> Vectors:
    rng = np.random.default_rng(0)
    halves = [normalise(rng.normal(size=(COUNT, 8))) for _ in range(2)]
    halves[1][::10] = 0.0  # no picture
    return join_halves(*halves)


@pytest.fixture(scope="module", params=["exact", "lists"])
def opened(
    request: pytest.FixtureRequest,
    published: Path,
    rows: Vectors,
    tmp_path_factory: pytest.TempPathFactory,
) -> OpenGeneration:
    """A generation of 20,000 drawn products, under an index of either kind."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "lists":
            patch.setattr(ann, "EXACT_ROWS", 1000)
            patch.setattr(ann, "TRAINING_ROWS_PER_LIST", 10)
        index = build_index(lambda: [rows], COUNT, 16)
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
        kept = {"model_fingerprint": source.manifest["model_fingerprint"]}
        return {**kept, "products": COUNT, "dim": 16}

    store = tmp_path_factory.mktemp("drawn")
    return OpenGeneration(publish_generation(store, fill))


def ask(opened: OpenGeneration, probe: Probe, wanted: Wanted) -> list[Hit]:
    return opened.answers([probe], ["q"], wanted)[0]


def bucket_of(opened: OpenGeneration) -> np.ndarray:
    found = opened.products.connection.execute("SELECT bucket FROM products ORDER BY row")
    return np.array([bucket for (bucket,) in found])


def unit(seed: int) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=8))


@pytest.mark.parametrize("share", [0.5, 0.01, 0.001, 0.0001])
@pytest.mark.parametrize(("half", "leg"), [(0, "text"), (1, "image")])
def test_a_leg_within_a_filter_finds_what_brute_force_finds(
    opened: OpenGeneration, rows: Vectors, share: float, half: int, leg: str
) -> None:
    limit = max(1, round(share * COUNT))
    within = np.flatnonzero(bucket_of(opened) < limit)
    wanted = Wanted(f"bucket < {limit}", top=10, weights={leg: 1.0})
    for seed in range(5):
        probe = Probe(None, unit(seed), unit(seed + 50))
        asked = (probe.text, probe.image)[half]
        cosines = normalise(split_halves(rows[within])[half]) @ asked
        present = split_halves(rows[within])[half].any(axis=1)
        best = within[present][np.argsort(-cosines[present], kind="stable")][:10]
        found = ask(opened, probe, wanted)
        assert len(found) == min(10, len(within))  # as many as there are
        missing = {f"p{row:05d}" for row in within[~present]}
        names = [hit.product_id for hit in found if hit.product_id not in missing]
        assert names == [f"p{row:05d}" for row in best[: len(names)]]


@pytest.mark.parametrize("share", [0.5, 0.01, 0.001, 0.0001])
def test_words_within_a_filter_find_what_brute_force_finds(
    opened: OpenGeneration, share: float
) -> None:
    limit = max(1, round(share * COUNT))
    within = np.flatnonzero(bucket_of(opened) < limit)
    everywhere = opened.products.match("red lamp")
    scores = everywhere.of(within)
    order = np.lexsort((within, -scores))
    expected = [f"p{row:05d}" for row, score in zip(within[order], scores[order], strict=True)]
    expected = expected[: int((scores > 0).sum())][:10]
    wanted = Wanted(f"bucket < {limit}", top=10, weights={"lexical": 1.0})
    found = ask(opened, Probe("red lamp", unit(1), unit(2)), wanted)
    assert [hit.product_id for hit in found][: len(expected)] == expected
    assert len(found) == min(10, len(within))
