"""A directory is read whole: every file that holds products, and a word on all that does not."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.errors import CatalogueError


def save(path: Path, *ids: str, **columns: object) -> Path:
    """A Parquet file of products with these ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"product_id": list(ids), "title": [f"mug {i}" for i in ids], **columns})
    pq.write_table(table, path)
    return path


@dataclass(frozen=True)
class Case:
    """A directory, and what reading it gives."""

    make: Callable[[Path], object]
    ids: list[str]
    named: tuple[str, ...] = ()  # in the warnings
    columns: dict[str, list[object]] = field(default_factory=dict)  # of the folders


def files(*names: str) -> Callable[[Path], object]:
    """Makes these files, each with a product whose id is its place."""
    return lambda root: [save(root / name, str(position)) for position, name in enumerate(names)]


def beside(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Makes `a.parquet` with product 0, then something beside it."""
    return lambda root: (save(root / "a.parquet", "0"), make(root))


def link_out(root: Path) -> None:
    save(root.parent / "elsewhere" / "b.parquet", "1")
    (root / "linked").symlink_to(root.parent / "elsewhere")


CASES = {
    "one file": Case(files("a.parquet"), ["0"]),
    "a subfolder": Case(files("a.parquet", "sub/b.parquet"), ["0", "1"]),
    "folders in folders": Case(files("1/2/3/4/a.parquet", "1/2/b.parquet"), ["0", "1"]),
    "capitals": Case(files("A.PARQUET", "b.Parquet"), ["0", "1"]),
    "the short ending": Case(files("a.pq", "b.PQ"), ["0", "1"]),
    "compression in the name": Case(files("part-0.snappy.parquet"), ["0"]),
    "order of names": Case(files("b.parquet", "a.parquet", "a/z.parquet"), ["2", "1", "0"]),
    "spaces and letters of all kinds": Case(files("a b.parquet", "ü/é.parquet"), ["0", "1"]),
    "hidden files": Case(
        files("a.parquet", "_b.parquet", ".c.parquet", ".d/a.parquet", "_tmp/e.parquet"), ["0"]
    ),
    "a link to a file": Case(
        beside(
            lambda root: (root / "b.parquet").symlink_to(save(root.parent / "x.parquet", "1"))
        ),
        ["0", "1"],
    ),
    "a link to a folder": Case(beside(link_out), ["0", "1"]),
    "a link to itself": Case(
        beside(lambda root: (root / "loop").symlink_to(root)), ["0"], ("loop",)
    ),
    "a link to a file that is read": Case(
        beside(lambda root: (root / "b.parquet").symlink_to("a.parquet")), ["0"], ("b.parquet",)
    ),
    "a broken link": Case(
        beside(lambda root: (root / "b.parquet").symlink_to("none")), ["0"], ("b.parquet", "link")
    ),
    "an empty file": Case(
        beside(lambda root: (root / "b.parquet").touch()), ["0"], ("b.parquet", "empty")
    ),
    "another ending": Case(
        beside(lambda root: (root / "b.csv").write_text("product_id\n1\n")), ["0"], ("b.csv",)
    ),
    "no ending": Case(beside(lambda root: save(root / "part-0", "1")), ["0"], ("part-0", "rename")),
    "a file that is being written": Case(
        beside(lambda root: save(root / "b.parquet.tmp", "1")), ["0"], ("b.parquet.tmp", "rename")
    ),
    "a pipe": Case(beside(lambda root: os.mkfifo(root / "b.parquet")), ["0"], ("b.parquet",)),
    "other files below": Case(
        beside(lambda root: (root / "sub").mkdir() or (root / "sub" / "b.json").write_text("{}")),
        ["0"], ("sub/b.json",),
    ),
    "many others are counted": Case(
        beside(lambda root: [(root / f"{n}.txt").touch() for n in range(30)]), ["0"], ("25 more",)
    ),
    "a table with a log": Case(
        beside(lambda root: (root / "_delta_log").mkdir()), ["0"], ("Delta",)
    ),
    "folders of texts": Case(
        files("brand=acme/a.parquet", "brand=zeta/a.parquet"),
        ["0", "1"], columns={"brand": ["acme", "zeta"]},
    ),
    "folders of numbers": Case(
        files("year=2025/a.parquet", "year=2026/a.parquet"),
        ["0", "1"], columns={"year": [2025, 2026]},
    ),
    "folders of fractions": Case(
        files("size=9.5/a.parquet", "size=10/a.parquet"),
        ["1", "0"], columns={"size": [10.0, 9.5]},
    ),
    "leading zeros": Case(
        files("shop=007/a.parquet", "shop=12/a.parquet"),
        ["0", "1"], columns={"shop": ["007", "12"]},
    ),
    "a version is no fraction": Case(
        files("v=1.10/a.parquet", "v=1.9/a.parquet"), ["0", "1"], columns={"v": ["1.10", "1.9"]}
    ),
    "a null folder": Case(
        files("k=1/a.parquet", "k=__HIVE_DEFAULT_PARTITION__/a.parquet"),
        ["0", "1"], columns={"k": [1, None]},
    ),
    "escaped values": Case(
        files("kind=a%2Fb%20%C3%A9/a.parquet"), ["0"], columns={"kind": ["a/b é"]}
    ),
    "two keys": Case(
        files("a=1/b=x/a.parquet", "a=2/b=y/a.parquet"),
        ["0", "1"], columns={"a": [1, 2], "b": ["x", "y"]},
    ),
    "a file outside of the folders": Case(
        files("a.parquet", "b=1/a.parquet"), ["0", "1"], columns={"b": [None, 1]}
    ),
    "a key with an underscore": Case(
        files("_k=1/a.parquet"), ["0"], columns={"_k": [1]}
    ),
    "a column of the file comes first": Case(
        lambda root: save(root / "k=1" / "a.parquet", "0", k=["own"]),
        ["0"],
        ("a.parquet: has a column 'k' itself",),
        {"k": ["own"]},
    ),
    "a number beyond 64 bits": Case(
        files("k=99999999999999999999/a.parquet"), ["0"], columns={"k": ["99999999999999999999"]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_directory_is_read_whole(name: str, tmp_path: Path, count_cases: Counting) -> None:
    case, root = CASES[name], tmp_path / "catalogue"
    root.mkdir()
    case.make(root)
    catalogue = open_catalogue(root)
    batches = list(catalogue.batches())
    assert [i for batch in batches for i in batch.product_ids] == case.ids
    rows = [row for batch in batches for row in batch.metadata.to_pylist()]
    assert {name: [row[name] for row in rows] for name in case.columns} == case.columns
    warnings = " ".join(catalogue.warnings)
    assert all(word in warnings for word in case.named), warnings
    assert bool(case.named) == bool(warnings)
    count_cases("directories", 1)


def test_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.parquet", "0")
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("b.parquet")
        (warning,) = open_catalogue(tmp_path).warnings
    assert "no regular files: 'b.parquet'" in warning


def test_a_directory_without_a_catalogue_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "b.csv").touch()
    (tmp_path / "c.parquet").touch()
    with pytest.raises(CatalogueError, match=r"no file that ends in.*'b\.csv'.*'c\.parquet'"):
        open_catalogue(tmp_path)


def test_the_rows_of_all_files_are_numbered_on(tmp_path: Path) -> None:
    save(tmp_path / "sub" / "b.parquet", "2")
    save(tmp_path / "a.parquet", "0", "1")
    rows = [row for batch in open_catalogue(tmp_path).batches() for row in batch.rows.tolist()]
    assert rows == [0, 1, 2]


def test_a_folder_whose_files_have_its_column_themselves_is_named(tmp_path: Path) -> None:
    save(tmp_path / "brand=Acme" / "a.parquet", "p1", brand=["Zenith"])
    save(tmp_path / "brand=Acme" / "b.parquet", "p2")
    found = open_catalogue(tmp_path)
    assert [text for text in found.warnings if "'brand' itself" in text] == [
        f"{tmp_path}/brand=Acme/a.parquet: has a column 'brand' itself; that of its folder's name "
        "is not read."
    ]
    brands = [brand for batch in found.batches() for brand in batch.metadata["brand"].to_pylist()]
    assert brands == ["Zenith", "Acme"]


def test_pictures_below_their_root_are_not_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "a.parquet", "0", image=["a.jpg"])
    (tmp_path / "pictures").mkdir()
    for name in ("a.jpg", "pictures/b.jpg", "pictures/c.PNG", "pictures/list.csv"):
        (tmp_path / name).write_bytes(b"some")
    options = CatalogueOptions(image_root=tmp_path / "pictures")
    assert open_catalogue(tmp_path, options).warnings == (
        f"{tmp_path}: passed over, as files that do not end in .parquet or .pq: 'a.jpg', "
        "'pictures/list.csv'.",
    )
