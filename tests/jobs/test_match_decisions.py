"""What a person decided of pairs stays so, night after night."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from listings import listing, publish
from small import Row

from prodmatch.match import MatchReport, MatchSettings, find_matches
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index

COUNT = 14


def row(name: str, number: int, **changed: object) -> Row:
    return {**listing(f"{name}{number:02d}", number), **changed}


def run(store: Path, out: Path, decisions: str, against: Path | None = None) -> MatchReport:
    path = out.parent / "labels.csv"
    path.write_text("left,right,match\n" + "".join(f"{each}\n" for each in decisions.split()))
    settings = MatchSettings(decisions=path if decisions else None)
    with open_index(store) as index:
        if against is None:
            return find_matches(index, out, settings)
        with open_index(against) as other:
            return find_matches(index, out, settings, against=other)


def read(out: Path) -> tuple[set[tuple[str, str]], list[set[str]]]:
    """The pairs that are the same, and the groups."""
    pairs = pq.read_table(out / "pairs.parquet").to_pylist()
    groups: dict[str, set[str]] = {}
    for each in pq.read_table(out / "groups.parquet").to_pylist():
        groups.setdefault(each["group_id"], set()).add(each["product_id"])
    return {(p["left"], p["right"]) for p in pairs if p["relation"] == "same"}, [*groups.values()]


@pytest.fixture(scope="module")
def shop(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products, two of them twice: one copy equal in all, the other in all but its price."""
    rows = [row("p", number) for number in range(COUNT)]
    rows += [row("p", 0, product_id="q00"), row("p", 1, product_id="q01", price=2.1)]
    return publish(tmp_path_factory.mktemp("shop") / "shop", tiny, rows)


def test_decisions_outweigh_what_is_scored(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(shop, out, "")
    assert read(out)[0] == {("p00", "q00"), ("p01", "q01")}
    report = run(shop, out, "q00,p00,false p03,p09,true p09,p05,1 zz,p01,no")
    same, groups = read(out)
    assert same == {("p01", "q01"), ("p03", "p09"), ("p05", "p09"), ("p03", "p05")}
    assert {"p03", "p05", "p09"} in groups
    assert not any("q00" in group for group in groups)
    assert report.decided == 3
    assert report.scored == 0  # the scores are kept as they were before the decisions
    left_out, denied = report.warnings
    assert "pairs that name products that are not in the index, such as 'zz'" in left_out
    assert "prices deny it, such as 'p09' and 'p05': 1. They are one, as decided." in denied
    run(shop, out, "")
    assert read(out)[0] == {("p00", "q00"), ("p01", "q01")}


def test_decisions_that_contradict_each_other_are_named(shop: Path, tmp_path: Path) -> None:
    report = run(shop, tmp_path / "out", "p03,p09,1 p09,p05,1 p05,p03,0")
    assert read(tmp_path / "out")[0] >= {("p03", "p09"), ("p05", "p09")}
    assert ("p03", "p05") not in read(tmp_path / "out")[0]
    assert any("say the contrary, such as 'p03' and 'p05': 1." in each for each in report.warnings)


def test_decisions_on_products_that_are_gone_are_no_error(shop: Path, tmp_path: Path) -> None:
    report = run(shop, tmp_path / "out", "x,y,true")
    assert report.decided == 0
    assert len(report.warnings) == 1


def test_what_is_no_pair_is_joined_by_no_group_of_two_stores(
    shop: Path, tiny: Model, tmp_path: Path
) -> None:
    rows = [row("r", number) for number in range(COUNT)]
    other = publish(tmp_path / "other", tiny, rows)
    run(shop, tmp_path / "out", "", other)
    assert {("p00", "r00"), ("q00", "r00"), ("p04", "r04")} <= read(tmp_path / "out")[0]
    run(shop, tmp_path / "out", "q00,r00,false p04,r07,true p04,r04,false", other)
    same, groups = read(tmp_path / "out")
    assert not {("p00", "r00"), ("q00", "r00"), ("p04", "r04")} & same  # copies are decided alike
    assert ("p04", "r07") in same
    assert not any({"r00", "q00"} <= group or {"r00", "p00"} <= group for group in groups)
    assert {"p04", "r07"} in [group & {"p04", "r04", "r07"} for group in groups]
