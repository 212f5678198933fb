"""Generated nights on one store: each gives what a new store would, and reads what has changed."""

import logging
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import COLOURS, draw, product
from tiny import embed_tiny, lenient, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedReport, plan_embedding
from prodmatch.embedding import fuse as fusion
from prodmatch.embedding import last_vectors
from prodmatch.model.description import Model
from prodmatch.storage.embeddings import Embeddings, require_embeddings, vectors_of

Row = dict[str, object]
FILES = 4
KINDS = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("colour", pa.string()),
        ("price", pa.float64()),
        ("image", pa.list_(pa.binary())),
    ]
)


@dataclass
class Shop:
    """A catalogue of several files that changes from night to night."""

    folder: Path
    rng: random.Random
    lists: bool  # of pictures; else a product has one
    files: list[list[Row]] = field(default_factory=lambda: [[] for _ in range(FILES)])
    added: int = 0

    def picture(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.05:
            return rng.choice([b"<html>no picture", b"", draw((1, 2, 3), 0)[:90]])
        return draw(rng.choice(list(COLOURS.values())), rng.randrange(10_000), side=8)

    def new_row(self) -> Row:
        self.added += 1
        row = product(self.added)
        count = self.rng.choice([0, 1, 1, 1, *([2, 3] if self.lists else [])])
        title = row["title"] if self.rng.random() < 0.9 else self.rng.choice(["", None, "Ã©t Ã©"])
        images = [self.picture() for _ in range(count)]
        return {**{name: row.get(name) for name in KINDS.names}, "title": title, "image": images}

    def fill(self, count: int) -> None:
        """Adds that many products."""
        for _ in range(count):
            self.rng.choice(self.files).append(self.new_row())

    def change(self) -> None:
        """One change of a random kind to a random file."""
        rng = self.rng
        rows = rng.choice(self.files)
        if not rows or rng.random() < 0.3:
            rows.insert(rng.randint(0, len(rows)), self.new_row())
            return
        position = rng.randrange(len(rows))
        row = rows[position] = dict(rows[position])
        kind = rng.randrange(8)
        if kind == 0:
            del rows[position]
        elif kind == 1:
            row["price"] = rng.choice([None, 1.5, -0.0, float("nan"), rng.random()])
        elif kind == 2:
            row["title"] = rng.choice(["", None, f"red lamp {rng.random()}", "blue mug"])
        elif kind == 3:
            row["image"] = [self.picture() for _ in range(rng.randint(0, 3 if self.lists else 1))]
        elif kind == 4:
            row["image"] = list(reversed(row["image"]))  # type: ignore[call-overload]
        elif kind == 5:
            row["product_id"] = rng.choice([None, "", "p0001", f"q{rng.randrange(99)}"])
        elif kind == 6:
            rng.shuffle(rows)
        else:
            rng.choice(self.files).append(rows.pop(position))

    def save(self) -> None:
        """Writes the files that are not as they were."""
        self.folder.mkdir(exist_ok=True)
        for number, rows in enumerate(self.files):
            path = self.folder / f"{number}.parquet"
            table = pa.Table.from_pylist(rows, schema=KINDS)
            if not self.lists:
                firsts = [(cell or [None])[0] for cell in table["image"].to_pylist()]
                table = table.set_column(4, "image", pa.array(firsts, pa.binary()))
            if not path.exists() or not _same(pq.read_table(path), table):
                pq.write_table(table, path, row_group_size=self.rng.choice([3, 100]))


def _same(one: pa.Table, other: pa.Table) -> bool:
    return repr(one.to_pylist()) == repr(other.to_pylist())


def report_of(report: EmbedReport) -> dict[str, object]:
    names = ("rows", "embedded", "rejects", "images_unusable", "without_text", "without_image")
    return {name: getattr(report, name) for name in names}


def compare(ours: Embeddings, theirs: Embeddings) -> None:
    """Both hold the same products in the same order, their vectors to rounding."""
    assert ours.digest == theirs.digest
    one, other = (pa.Table.from_batches(each.batches(), each.schema) for each in (ours, theirs))
    assert one.schema.equals(other.schema)
    assert _same(one.drop_columns(["vector"]), other.drop_columns(["vector"]))
    left, right = (vectors_of(table["vector"].combine_chunks()) for table in (one, other))
    np.testing.assert_allclose(left, right, atol=1e-6)


@pytest.mark.parametrize("lists", [False, True])
def test_twenty_nights_give_what_a_new_store_would(
    lists: bool,
    tiny: Model,
    quick_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    count_cases: Counting,
) -> None:
    monkeypatch.setattr("prodmatch.scanning.cache.SETTLED_SECONDS", -1e9)
    monkeypatch.setattr(fusion, "SHARD_ROWS", 16)
    monkeypatch.setattr(last_vectors, "READ_ROWS", 8)
    caplog.set_level(logging.INFO, "prodmatch.embedding.fuse")
    shop = Shop(quick_disk / "catalogue", random.Random(int(lists)), lists)
    shop.fill(40)
    store = quick_disk / "store"
    save_query_encoders(store, tiny)
    rows = 0
    for number in range(20):
        for _ in range(shop.rng.choice([0, 1, 3, 10]) if number else 0):
            shop.change()
        shop.save()
        planned = plan_embedding(open_catalogue(shop.folder), tiny, store, lenient())
        report = embed_tiny(shop.folder, tiny, store)
        assert planned.texts_to_encode == report.texts_encoded
        alone = quick_disk / f"alone-{number}"
        save_query_encoders(alone, tiny)
        assert report_of(embed_tiny(shop.folder, tiny, alone)) == report_of(report)
        compare(require_embeddings(store), require_embeddings(alone))
        rejects = f"rejects/{require_embeddings(alone).digest}.parquet"
        assert pq.read_table(store / rejects).equals(pq.read_table(alone / rejects))
        rows += report.embedded
    assert rows > 400
    assert sum(getattr(each, "reused", 0) for each in caplog.records) > 0.2 * rows
    count_cases("nights compared with a new store", 20)


@pytest.mark.parametrize("bit", [0, 7])
def test_damaged_vectors_of_last_night_are_made_again(
    bit: int, tiny: Model, quick_disk: Path
) -> None:
    store, folder = quick_disk / "store", quick_disk / "catalogue"
    shop = Shop(folder, random.Random(3), lists=False)
    save_query_encoders(store, tiny)
    shop.fill(30)
    shop.save()
    embed_tiny(folder, tiny, store)
    path = require_embeddings(store).paths()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1 << bit
    path.write_bytes(content)
    shop.files[0][0]["price"] = 99.0
    shop.save()
    embed_tiny(folder, tiny, store)
    save_query_encoders(quick_disk / "alone", tiny)
    embed_tiny(folder, tiny, quick_disk / "alone")
    compare(require_embeddings(store), require_embeddings(quick_disk / "alone"))


class ShopOfOwnPictures(Shop):
    """Products that each have a picture of their own."""

    pictures = 0

    def picture(self) -> bytes:
        self.pictures += 1
        return draw((9, 9, 9), self.pictures, side=8)


def damage_vectors(shard: Path) -> None:
    """Changes a byte of the vectors, which are looked at where a shard is read."""
    names = pq.read_schema(shard).names
    column = pq.read_metadata(shard).row_group(0).column(names.index("vector"))
    content = bytearray(shard.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    shard.write_bytes(content)


def test_a_new_title_needs_no_feature_of_a_picture(tiny: Model, quick_disk: Path) -> None:
    store, folder = quick_disk / "store", quick_disk / "catalogue"
    shop = ShopOfOwnPictures(folder, random.Random(5), lists=False)
    save_query_encoders(store, tiny)
    shop.fill(30)
    shop.save()
    embed_tiny(folder, tiny, store)
    known = [*(store / "features").glob("*/*.parquet")]
    assert len(known) == 2
    for shard in known:
        damage_vectors(shard)  # so that none of them can be read
    shop.files[0][0]["title"] = "a red lamp that nobody has seen"
    shop.files[1][0]["price"] = 99.0
    shop.save()
    embed_tiny(folder, tiny, store)
    texts, _ = require_embeddings(store).features
    (made,) = {*(store / "features").glob("*/*.parquet")} - {*known}
    assert made.parent.name == texts
