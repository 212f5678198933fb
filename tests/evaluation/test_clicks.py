"""Qrels of a log of clicks."""

from pathlib import Path

import pytest

from prodmatch.errors import QueryError
from prodmatch.evaluation.clicks import read_clicks
from prodmatch.evaluation.trec import Qrels, read_qrels, write_qrels
from prodmatch.search.queries import Query


def qrels_of(folder: Path, rows: list[str]) -> Qrels:
    path = folder / "clicks.csv"
    path.write_text("\n".join(["query,product_id,event,position", *rows]) + "\n")
    queries, qrels = read_clicks(path)
    assert [query.query_id for query in queries] == list(qrels)
    return qrels


def test_grades_follow_what_people_did(tmp_path: Path) -> None:
    rows = [
        "Red Dress,bought,click,",
        "red  dress,bought,purchase,",
        "red dress,in cart,cart,",
        "red dress,clicked,,",
        "red dress,clicked often,click,",
        "red dress,clicked often,click,",
        *["red dress,passed over,view,5"] * 10,
        *["red dress,hardly shown,impression,9"] * 9,
        *["lamp,never clicked,impression,1"] * 10,
    ]
    assert qrels_of(tmp_path, rows) == {
        "red dress": {
            "bought": 3,
            "in cart": 2,
            "clicked": 1,
            "clicked often": 2,
            "passed over": 0,
        }
    }


def test_a_query_is_searched_for_as_it_was_typed(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("query,product_id\n Weiße Schuhe ,p1\nweisse  SCHUHE,p2\n")
    assert read_clicks(path) == (
        [Query("weisse schuhe", "Weiße Schuhe")],
        {"weisse schuhe": {"p1": 1, "p2": 1}},
    )


def test_clicks_count_by_what_the_position_lets_expect(tmp_path: Path) -> None:
    """At the first place half of all are clicked, at the fifth one in ten."""
    rows = []
    for n in range(20):
        rows += [f"q{n},top{n},impression,1"] * 10 + [f"q{n},top{n},click,"] * 5
        rows += [f"q{n},low{n},impression,5"] * 10 + [f"q{n},low{n},click,"]
    rows += ["x,first,impression,1"] * 10 + ["x,first,click,"] * 2
    rows += ["x,fifth,impression,5"] * 10 + ["x,fifth,click,"] * 2
    found = qrels_of(tmp_path, rows)
    assert found["x"] == {"first": 1, "fifth": 2}


def test_clicks_as_many_as_expected_are_enough_however_shares_round(tmp_path: Path) -> None:
    assert 25 * (7 / 25) > 7
    rows = ["mug,p1,impression,1"] * 25 + ["mug,p1,click,"] * 7
    assert qrels_of(tmp_path, rows) == {"mug": {"p1": 2}}


def test_a_query_that_is_a_number_is_its_text(tmp_path: Path) -> None:
    path = tmp_path / "clicks.jsonl"
    path.write_text('{"query": 501, "product_id": 7}\n')
    assert read_clicks(path) == ([Query("501", "501")], {"501": {"7": 1}})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["mug,p1,impression,1"], "no product was clicked for any query"),
        (["mug,p1,smile,1"], "row 1: the event is 'smile'; there are impression, view, click"),
        (["mug,p1,click,0"], "row 1: the position is 0"),
        (["mug,p1,click,inf"], "row 1: the position is inf; positions are whole numbers"),
        (["mug,p1,click,true"], "row 1: the position is True"),
        (["mug,p1,click,1.5"], "row 1: the position is 1.5"),
        (["mug,p1,click,first"], "the position is 'first'"),
        ([",p1,click,1"], "row 1 needs query and product_id"),
        (["mug,,click,1"], "row 1 needs query and product_id"),
    ],
)
def test_logs_that_cannot_be_used_are_refused(
    rows: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match=message):
        qrels_of(tmp_path, rows)


def test_qrels_are_read_as_they_are_written(tmp_path: Path) -> None:
    qrels = {"rød kjole": {"p1": 3, "p2": 0}, "mug": {"p1": 1}}
    write_qrels(tmp_path / "qrels.jsonl", qrels)
    assert read_qrels(tmp_path / "qrels.jsonl") == qrels


@pytest.mark.parametrize("name", ["clicked", "event_type", "isClick", "Event"])
def test_a_log_that_says_by_another_name_what_happened_is_not_all_clicks(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(f"query,product_id,{name}\nmug,p1,0\nmug,p2,1\n")
    with pytest.raises(QueryError, match=f"has no column 'event'.* and has '{name}'"):
        read_clicks(path)


def test_what_names_no_kind_of_event_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("query,product_id,click_time,event_id,transaction\nmug,p1,5,1,2\n")
    assert read_clicks(path)[1] == {"mug": {"p1": 1}}


def test_whole_numbers_are_ids_however_a_file_holds_them(tmp_path: Path) -> None:
    path = tmp_path / "clicks.jsonl"
    path.write_text('{"query": "mug", "product_id": 7.0, "event": " Click "}\n')
    assert read_clicks(path)[1] == {"mug": {"7": 1}}
    path.write_text('{"query_id": "q", "product_id": 7.0, "relevance": 2}\n')
    assert read_qrels(path) == {"q": {"7": 2}}
