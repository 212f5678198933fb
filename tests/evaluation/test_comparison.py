"""Systems compared query by query, and files of what nobody judged yet."""

import csv
from pathlib import Path

import pytest
from drawn import publish_drawn
from small import run

from prodmatch import open_index
from prodmatch.errors import QueryError
from prodmatch.evaluate import evaluate_index, search_run
from prodmatch.evaluation.comparison import Evaluation, unjudged
from prodmatch.evaluation.trec import join_qrels, read_qrels
from prodmatch.search.queries import Query

QUERIES = [Query(f"q{n}", f"mug number {n}") for n in range(1, 56, 5)]
QRELS = {f"q{n}": {f"p{n:04d}": 1} for n in range(1, 56, 5)}


@pytest.fixture(scope="module")
def evaluated(published: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path]:
    out = tmp_path_factory.mktemp("comparison")
    right = {query: list(grades) for query, grades in QRELS.items()}
    wrong = {query: ["p0059"] for query in QRELS}
    runs = {"right": right, "wrong": wrong}
    return evaluate_index(open_index(published), QUERIES, QRELS, runs=runs, out=out), out


def test_the_hybrid_is_compared_with_every_run(evaluated: tuple[Evaluation, Path]) -> None:
    evaluation, _ = evaluated
    assert set(evaluation.comparisons) == {"right", "wrong"}
    for name, comparison in evaluation.comparisons.items():
        for measure, found in comparison.measures.items():
            ours, theirs = (evaluation.figures[each][measure].value for each in ("hybrid", name))
            assert found.difference == pytest.approx(ours - theirs, abs=1e-6)
            assert 0 < found.p <= 1
    assert evaluation.comparisons["wrong"].losses == []
    for loss in evaluation.comparisons["right"].losses:
        assert loss.ours < loss.theirs == 1.0
        assert loss.their_hits == right_hits(loss.query_id)
        assert loss.query == f"mug number {int(loss.query_id[1:])}"
    losses = [loss.theirs - loss.ours for loss in evaluation.comparisons["right"].losses]
    assert losses == sorted(losses, reverse=True)


def right_hits(query_id: str) -> list[str]:
    return list(QRELS[query_id])


def test_the_worst_queries_are_shown(evaluated: tuple[Evaluation, Path]) -> None:
    evaluation, _ = evaluated
    values = [each.value for each in evaluation.worst]
    assert values == sorted(values)
    assert len(values) == 10
    for each in evaluation.worst:
        assert each.missed == ([] if each.value else right_hits(each.query_id))
        assert len(each.hits) == 3


def test_what_nobody_judged_can_be_filled_in(
    evaluated: tuple[Evaluation, Path], published: Path, tmp_path: Path
) -> None:
    _, out = evaluated
    with (out / "to_judge.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["relevance"] for row in rows} == {""}
    assert all(row["product_id"] not in QRELS[row["query_id"]] for row in rows)
    assert len({(row["query_id"], row["product_id"]) for row in rows}) == len(rows) > 50
    number = int(rows[0]["product_id"][1:])
    assert rows[0]["title"].endswith(f"number {number}")
    with pytest.raises(QueryError, match="no row has a grade yet"):
        read_qrels(out / "to_judge.csv")
    rows[3]["relevance"] = "2"
    with (tmp_path / "judged.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    judged = read_qrels(tmp_path / "judged.csv")
    assert judged == {rows[3]["query_id"]: {rows[3]["product_id"]: 2}}
    joined = join_qrels([QRELS, judged])
    assert joined[rows[3]["query_id"]] == {
        **QRELS[rows[3]["query_id"]],
        rows[3]["product_id"]: 2,
    }
    again = evaluate_index(open_index(published), QUERIES, joined)
    assert again.judged == len(QRELS) + 1


def test_qrels_that_contradict_are_refused() -> None:
    with pytest.raises(QueryError, match="'q' and 'p' have the grades 1 and 2 in two files"):
        join_qrels([{"q": {"p": 1}}, {"q": {"p": 2}}])


def test_pairs_are_listed_once_by_rank() -> None:
    runs = [{"q": ["a", "b", "c"]}, {"q": ["d", "b"]}]
    assert unjudged(runs, {"q": {"c": 0}}) == [("q", "a"), ("q", "d"), ("q", "b")]
    long = [{"q": [str(rank) for rank in range(12)]}]
    assert unjudged(long, {"q": {}}) == [("q", str(rank)) for rank in range(10)]


def test_a_store_compared_with_itself_is_no_better(published: Path) -> None:
    with open_index(published) as index:
        found = evaluate_index(index, QUERIES, QRELS, runs={"same": search_run(index, QUERIES)})
    for difference in found.comparisons["same"].measures.values():
        assert (difference.difference, difference.p) == (0.0, 1.0)


def write_judged(folder: Path) -> list[str]:
    queries = "".join(f"{query.query_id},{query.text}\n" for query in QUERIES)
    (folder / "queries.csv").write_text("query_id,text\n" + queries)
    qrels = "".join(f"{query},{p},1\n" for query, grades in QRELS.items() for p in grades)
    (folder / "qrels.csv").write_text("query_id,product_id,relevance\n" + qrels)
    return ["--queries", str(folder / "queries.csv"), "--qrels", str(folder / "qrels.csv")]


def test_another_store_and_a_model_are_compared_with(published: Path, tmp_path: Path) -> None:
    given = write_judged(tmp_path)
    done = run("evaluate", "--store", published, *given, "--against", published)
    assert done.code == 0, done.err
    assert "hybrid less against:" in done.out
    before = sorted(published.parent.iterdir())
    done = run("evaluate", "--store", published, *given, "--against", tmp_path)
    assert done.code == 1
    assert "is neither a shipped model" in done.err
    assert "Give where it is now, or make one" in done.err
    assert sorted(published.parent.iterdir()) == before


def test_products_judged_that_a_store_lacks_are_named(published: Path, tmp_path: Path) -> None:
    given = write_judged(tmp_path)
    foreign = publish_drawn(published, tmp_path / "foreign")
    done = run("evaluate", "--store", published, *given, "--against", tmp_path / "foreign")
    assert done.code == 2
    assert "products judged is in the index of" in done.err
    assert str(tmp_path / "foreign") in done.err
    foreign.close()
    with (tmp_path / "qrels.csv").open("a") as file:
        file.write(f"{QUERIES[0].query_id},gone,1\n")
    done = run("evaluate", "--store", published, *given)
    assert done.code == 0
    assert done.err == (
        f"warning: 1 products judged are not in the index of {published}, such as 'gone'; they "
        "count as not found\n"
    )


def test_our_runs_are_read_back_whatever_the_ids(published: Path, tmp_path: Path) -> None:
    """Queries of a log of clicks have their words as ids."""
    lines = "".join(f"{query.text},{p},click\n" for query in QUERIES for p in QRELS[query.query_id])
    (tmp_path / "clicks.csv").write_text("query,product_id,event\n" + lines)
    given = ["evaluate", "--store", published, "--clicks", tmp_path / "clicks.csv"]
    assert run(*given, "--out", tmp_path / "out").code == 0
    (tmp_path / "out" / "hybrid.run").rename(tmp_path / "before.run")
    done = run(*given, "--run", tmp_path / "before.run", "--format", "json")
    assert done.err == ""
    figures = done.last["figures"]
    assert isinstance(figures, dict)
    assert figures["before"] == figures["hybrid"]


def test_runs_of_one_name_are_refused(published: Path, tmp_path: Path) -> None:
    for name in ("a/x.run", "b/x.txt", "a/against.run", "a/text.run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("q1 Q0 p0001 1 2 x\n")
    given = ["evaluate", "--store", published, *write_judged(tmp_path), "--run"]
    for options, other in (
        ([tmp_path / "a/x.run", "--run", tmp_path / "b/x.txt"], f"--run {tmp_path / 'a/x.run'}"),
        ([tmp_path / "a/against.run", "--against", published], f"--against {published}"),
        ([tmp_path / "a/text.run"], "one of ours"),
    ):
        done = run(*given, *options)
        named = [each for each in options if isinstance(each, Path) and each != published][-1]
        assert done.code == 2
        assert f"--run {named}: {named.stem!r} is the name of {other} too" in done.err
    done = run(*given, tmp_path / "a/x.run", "--relevant", "0")
    assert (done.code, "--relevant" in done.err) == (2, True)
