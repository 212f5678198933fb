"""Files of a folder that are whole exports, one a day, are named as such."""

from pathlib import Path

import pytest
from small import products, write
from tiny import embed_tiny, lenient, save_query_encoders

from prodmatch.catalogue.part_checks import name_whole_exports
from prodmatch.catalogue.reader import open_catalogue
from prodmatch.check import check_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model

DAYS = ("2026-11-27", "2026-11-28")
CAUSE = "whole export, give the newest file or folder alone as the catalogue, perhaps "


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """A folder for each day with all products of it: six, and a new one."""
    for number, day in enumerate(DAYS):
        (tmp_path / "shop" / day).mkdir(parents=True)
        write(tmp_path / "shop" / day / "export.parquet", products(6 + number))
    return tmp_path / "shop"


def test_whole_exports_are_refused_with_the_cause(
    exports: Path, tiny: Model, tmp_path: Path
) -> None:
    with pytest.raises(CatalogueError) as raised:
        embed_tiny(exports, tiny, tmp_path / "store", EmbedSettings(device="cpu", workers=0))
    newest = exports / DAYS[1] / "export.parquet"
    assert "(id_repeated 6), more than `max_reject=0.01` allows" in str(raised.value)
    assert f"6 of 7 rows of {newest} have ids of earlier files" in str(raised.value)
    assert f"{CAUSE}{newest}." in str(raised.value)
    (refusal,) = check_catalogue(open_catalogue(exports)).refusals
    assert f"{CAUSE}{newest}." in refusal
    assert "raise" not in refusal


def test_whole_exports_that_are_let_through_are_a_warning(
    exports: Path, tiny: Model, tmp_path: Path
) -> None:
    save_query_encoders(tmp_path / "store", tiny)
    report = embed_tiny(exports, tiny, tmp_path / "store", lenient())
    assert any(CAUSE in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("repeated", "is_named"), [([], False), ([0, 1, 6, 7, 8], False), ([6, 7, 8, 9], True)]
)
def test_a_file_of_new_products_is_none(repeated: list[int], is_named: bool, exports: Path) -> None:
    assert bool(name_whole_exports(open_catalogue(exports).parts, repeated)) is is_named


def test_one_file_alone_is_none(exports: Path) -> None:
    parts = open_catalogue(exports / DAYS[0]).parts
    assert name_whole_exports(parts, range(1, 6)) == ""
