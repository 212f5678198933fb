"""A generation of drawn products, of which nothing has to be encoded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.model.calibration import Calibration
from prodmatch.products.product_db_writer import write_products
from prodmatch.search.encoded_query import EncodedQuery
from prodmatch.search.searcher import Searcher
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.storage.generations import open_generation, publish_generation
from prodmatch.storage.vectors import Vectors, join_parts, normalise

COUNT, SIZES = 1_000, 5  # products, and how many of them in a row share vectors and parent
WORDS = ("red", "blue", "shirt", "mug", "lamp")
DAY = np.datetime64("2026-01-01")


def columns() -> dict[str, list[object]]:
    rng = np.random.default_rng(3)
    brands = [None, "Ash", "Birch", "cedar", "Dogwood, Ltd", "Élan", *map(str, range(20))]
    return {
        "parent": [f"s{row // SIZES:03d}" for row in range(COUNT)],
        "brand": [brands[draw] for draw in (rng.random(COUNT) ** 2 * len(brands)).astype(int)],
        "rare": [f"r{row}" if row % 100 == 0 else None for row in range(COUNT)],
        "one": ["same"] * COUNT,
        "price": [float(draw) if draw >= 0 else None for draw in rng.integers(-3, 90, COUNT)],
        "stock": [bool(draw) for draw in rng.integers(0, 2, COUNT)],
        "day": [(DAY + int(draw)).item() for draw in rng.integers(0, 9, COUNT)],
        "a.b": rng.integers(0, 3, COUNT).tolist(),
        "empty": [None] * COUNT,
        "odd": [float("nan") if draw == 0 else float(draw) for draw in rng.integers(0, 4, COUNT)],
    }


def publish_drawn(published: Path, store: Path, *, lacking: float = 0.0) -> Searcher:
    """A generation of drawn products, five sizes of each that nothing but the id tells apart.

    Args:
        published: a store whose encoders it takes.
        store: where it goes.
        lacking: share of the products that lack their text vector, and as many their picture's.
    """
    rng = np.random.default_rng(0)
    parts = [normalise(rng.normal(size=(COUNT // SIZES, 8))) for _ in range(2)]
    ids = [f"p{number:05d}" for number in rng.permutation(COUNT)]
    texts = [" ".join(rng.choice(WORDS, 2)) for _ in range(COUNT)]
    draws = rng.random(COUNT // SIZES)
    parts[0][draws < lacking], parts[1][draws > 1 - lacking] = 0, 0
    rows = np.repeat(join_parts(*parts), SIZES, axis=0)
    index = build_index(lambda: [rows], COUNT, 16, "flat")
    table = pa.table({"product_id": ids, "text": texts, **columns()})
    table = table.set_column(
        table.schema.get_field_index("empty"), "empty", pa.nulls(COUNT, pa.string())
    )
    source = open_generation(published)

    def fill(folder: Path) -> dict[str, object]:
        index.save(folder / "index.faiss")
        write_products(folder / "products.sqlite", table.schema, table.to_batches(700))
        pq.write_table(table, folder / "products.parquet", row_group_size=1000)
        (folder / "encoders").mkdir()
        for path in (source.folder / "encoders").iterdir():
            (folder / "encoders" / path.name).write_bytes(path.read_bytes())
        kept = {
            name: source.manifest[name] for name in ("model", "model_fingerprint", "embeddings")
        }
        return {**kept, "products": COUNT, "dim": 16}

    found = Searcher(publish_generation(store, fill))
    known = found.encoders.description  # a random model may take the far for the likely
    found.encoders.description = replace(known, calibration=Calibration(5.0, 0.0))
    return found


def unit(seed: int) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=8))


def encoded(seed: int) -> EncodedQuery:
    return EncodedQuery(None, unit(seed), unit(seed + 1000))
