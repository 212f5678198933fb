"""The one pass over a catalogue: what was read is what is counted."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from tiny import save_catalogue

from prodmatch.catalogue.reader import Batch, Catalogue, open_catalogue
from prodmatch.embedding.plan import new_contents, scan_catalogue
from prodmatch.errors import CatalogueError
from prodmatch.storage.features import content_key


@dataclass(frozen=True)
class Replaced(Catalogue):
    """A catalogue whose second file is another one before the first is read to its end."""

    def part_batches(self, position: int, earlier_ids: set[bytes] | None = None) -> Iterator[Batch]:
        for batch in super().part_batches(position, earlier_ids):
            if not position:
                other = self.parts[1].path.with_name("other")
                shutil.copy(self.parts[1].path, other)
                other.replace(self.parts[1].path)
            yield batch


@dataclass(frozen=True)
class Short(Catalogue):
    """A catalogue that gives fewer rows than its footers claim."""

    def part_batches(self, position: int, earlier_ids: set[bytes] | None = None) -> Iterator[Batch]:
        if not position:
            yield from super().part_batches(position, earlier_ids)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    save_catalogue(folder / "a.parquet", 9)
    save_catalogue(folder / "b.parquet", 9, first=9)
    return open_catalogue(folder)


def test_a_catalogue_is_read_once_and_counted(catalogue: Catalogue, tmp_path: Path) -> None:
    scan = scan_catalogue(catalogue, tmp_path)
    assert (len(scan.product_ids), scan.rows.tolist()) == (18, list(range(18)))


def test_a_file_replaced_while_it_is_read_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    replaced = Replaced(**vars(catalogue))
    with pytest.raises(CatalogueError, match="was replaced while it was read"):
        scan_catalogue(replaced, tmp_path)


def test_fewer_rows_than_the_footers_claim_are_refused(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(CatalogueError, match="18 rows are claimed, 9 were read"):
        scan_catalogue(Short(**vars(catalogue)), tmp_path)


def test_only_new_contents_are_planned_each_once_in_order() -> None:
    keys = [content_key(letter.encode()) if letter != "-" else None for letter in "ab-acbd-ce"]
    known = [content_key(b"b"), content_key(b"e")]
    found = new_contents(pa.array(keys, pa.binary(16)), pa.array(known, pa.binary(16)))
    assert found.tolist() == [0, 4, 6]
