"""Result pages on the command line: tables, JSON, batches, and what cannot be wanted."""

import json
from pathlib import Path

import pytest
from shell import Shell


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_facets_are_the_last_entry_of_a_query_in_json(shell: Shell) -> None:
    floor = ("--min-probability", "0.0001")  # of a random model, that all are above
    options = ("--filter", "price < 9", "--facets", "colour,price", "--top", "2", *floor)
    (first, second, last) = lines(shell("query", "red shirt", *options, "--format", "jsonl").out)
    assert [first["rank"], second["rank"]] == [1, 2]
    assert last["query_id"] == "q"
    assert last["facets"] == {
        "colour": [{"value": colour, "count": 3} for colour in ("blue", "green", "red")],
        "price": [{"value": float(price), "count": 1} for price in range(9)],
    }
    assert last["match_count"] == 9
    whole = json.loads(shell("query", "red shirt", *options, "--format", "json").out)
    assert whole == [first, second, last]


def test_facets_are_lines_below_the_table(shell: Shell) -> None:
    floor = ("--min-probability", "0.0001")
    done = shell("query", "red shirt", "--facets", "colour,price", "--one-per", "colour", *floor)
    *hits, empty, count, colours, prices = done.out.splitlines()
    assert hits[0].split()[-1] == "group_size"
    assert [line.split()[-1] for line in hits[1:]] == ["20"] * 3
    assert empty == ""
    assert count == "60 products match"
    assert colours == "colour: blue 20, green 20, red 20"
    assert prices.startswith("price: 0.0 1, 1.0 1, ")
    assert prices.endswith(", 9.0 1, and more")


def test_options_hold_for_every_query_of_a_batch(shell: Shell) -> None:
    given = (
        b'{"query_id": "a", "text": "red shirt"}\n'
        b'{"query_id": "b", "text": "mug", "offset": 1, "top": 1}\n'
        b'{"query_id": "c", "text": "mug", "offset": -1}\n'
        b'{"query_id": "d", "text": "mug", "offset": 1.5}\n'
    )
    done = shell(
        *("query", "--queries", "-", "--one-per", "colour", "--facets", "colour"),
        *("--boost", "price=0.2", "--format", "jsonl"),
        given=given,
    )
    found = lines(done.out)
    ids = [(row["query_id"], row.get("rank"), "facets" in row) for row in found[:6]]
    ranks = [("a", 1, False), ("a", 2, False), ("a", 3, False), ("a", None, True)]
    assert ids == [*ranks, ("b", 2, False), ("b", None, True)]
    assert found[6]["error"] == "query 'c': offset -1: must be from 0 to 9990 with top 10."
    assert "offset is '1.5'. Give a whole number." in str(found[7]["error"])
    assert done.code == 1


def test_the_parts_with_a_boost_add_up_in_every_output(shell: Shell, tmp_path: Path) -> None:
    boost = ("--boost", "price=0.3")
    (hit,) = lines(shell("query", "red shirt", *boost, "--top", "1", "--format", "jsonl").out)
    parts = [float(str(hit[name])) for name in ("lexical", "text", "image", "boost")]
    assert hit["score"] == pytest.approx(sum(parts), abs=1e-5)
    page = tmp_path / "page.html"
    done = shell("query", "red shirt", *boost, "--top", "1", "--explain", "--html", str(page))
    header, row = (line.split() for line in done.out.splitlines())
    assert header[-4:] == ["lexical", "text", "image", "boost"]
    assert row[-1] == f"{hit['boost']:.3f}"
    assert f"boost {hit['boost']:.3f}" in page.read_text()
    explained = json.loads(
        shell("explain", "red shirt", str(hit["product_id"]), *boost, "--format", "json").out
    )
    assert [explained[name] for name in ("score", "boost", "rank")] == [
        hit["score"],
        hit["boost"],
        1,
    ]
    table = shell("explain", "red shirt", str(hit["product_id"]), *boost).out
    assert table.splitlines()[0].split()[-1] == "boost"


def test_recommendations_make_pages_too(shell: Shell) -> None:
    done = shell(
        *("recommend", "--liked", "p0000", "--one-per", "colour", "--offset", "1"),
        *("--format", "jsonl"),
    )
    assert [hit["rank"] for hit in lines(done.out)] == [2, 3]
    assert shell("recommend", "--liked", "p0000", "--boost", "colour=1").code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--one-per", "color"), "--one-per: there is no column 'color'; did you mean colour?"),
        (("--facets", "colour,colr"), "--facets: there is no column 'colr'; did you mean colour?"),
        (("--boost", "colour=1"), "--boost: the column 'colour' holds text. Numeric columns are"),
        (("--boost", "price=.1,price=.2"), "--boost: 'price' is given twice"),
        (("--weights", "text=.1,text=.5"), "--weights: 'text' is given twice"),
        (("--boost", "price"), "--boost: 'price' is not of the form NAME=VALUE"),
        (("--boost", "price=much"), "--boost: 'price=much' holds something that is no number"),
        (("--boost", "price=nan"), "--boost: price=nan is no weight"),
        (("--diverse", "1.1"), "1.1 is not in the range"),
        (("--diverse", "nan"), "nan is no number"),
        (("--offset", "-1"), "--offset -1: must be from 0 to 9990 with --top 10"),
        (("--offset", "9991"), "--offset 9991: must be from 0 to 9990 with --top 10"),
        (("--facets", "colour", "--format", "csv"), "--facets goes with --format table"),
    ],
)
def test_a_page_that_cannot_be_made_is_refused_in_one_line(
    shell: Shell, arguments: tuple[str, ...], message: str
) -> None:
    done = shell("query", "red shirt", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
