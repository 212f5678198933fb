"""Evaluation: figures that another program confirms, and bad input told clearly."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import ir_measures
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import run

from prodmatch.errors import QueryError
from prodmatch.evaluate import (
    EvaluateSettings,
    describe_filtered,
    describe_left_out,
    evaluate_index,
    search_run,
)
from prodmatch.evaluation.comparison import Evaluation, randomisation_test
from prodmatch.evaluation.trec import Qrels, read_qrels, read_run, write_run
from prodmatch.reports.html import evaluation_page
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query, read_queries

QUERIES = [
    Query("words", "blue mug number 1"),
    Query("colour", "red"),
    Query("unjudged", "green"),
    Query("nothing", "zzzz"),
]
JUDGED: Qrels = {
    "words": {"p0001": 2, "p0004": 1, "p0007": 0},
    "colour": {f"p{number:04d}": 1 for number in range(0, 60, 3)},
    "nothing": {"p0002": 1},
    "elsewhere": {"p0003": 1},
}


@pytest.fixture(scope="module")
def evaluated(published: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path]:
    out = tmp_path_factory.mktemp("evaluation")
    other = {"other": {"words": ["p0004", "p0001"]}}
    return evaluate_index(open_index(published), QUERIES, JUDGED, runs=other, out=out), out


def test_the_table_agrees_with_ir_measures_on_the_run_files(
    evaluated: tuple[Evaluation, Path],
) -> None:
    evaluation, out = evaluated
    asked = {query: JUDGED[query] for query in ("words", "colour", "nothing")}
    measures = EvaluateSettings().measures()
    for name in ("lexical", "text", "image", "hybrid"):
        ranked = list(ir_measures.read_trec_run(str(out / f"{name}.run")))
        expected = ir_measures.calc_aggregate(measures, asked, ranked)
        for measure, value in expected.items():
            assert evaluation.figures[name][str(measure)].value == pytest.approx(value, abs=1e-6)


def test_programs_that_order_equal_scores_their_own_way_read_our_order(tmp_path: Path) -> None:
    found = [("c", 0.5000004), ("a", 0.5), ("b", 0.5), ("d", 0.4999996), ("e", -0.2), ("f", -0.2)]
    write_run(tmp_path / "ours.run", [("q", found)])
    read = list(ir_measures.read_trec_run(str(tmp_path / "ours.run")))
    scores = [document.score for document in read]
    assert [document.doc_id for document in read] == [product for product, _ in found]
    assert all(one > other for one, other in itertools.pairwise(scores))
    np.testing.assert_allclose(scores, [score for _, score in found], atol=5e-6)
    assert read_run(tmp_path / "ours.run")["q"] == [product for product, _ in found]


def test_ids_are_read_from_a_run_as_they_were(tmp_path: Path) -> None:
    ids = [
        "A 1\r\n\tB",
        "B",
        "P 1",
        "P%201",
        "P%25201",
        "100%",
        "50% off",
        "a%FF",
        "a\u2028b",
        "c%2Fd",
    ]
    ranked = [(product, 1.0 - position / 100) for position, product in enumerate(ids)]
    write_run(tmp_path / "a.run", [("red shirt", ranked), ("100%", ranked)])
    assert read_run(tmp_path / "a.run") == {"red shirt": ids, "100%": ids}
    assert read_run(tmp_path / "a.run", {"red shirt", "100%"}, set(ids)) == {
        "red shirt": ids,
        "100%": ids,
    }
    lines = (tmp_path / "a.run").read_text().splitlines()
    assert lines[0].split()[::2][:2] == ["red%20shirt", "A%201%0D%0A%09B"]
    assert all(len(line.split()) == 6 for line in lines)


def test_ids_of_other_programs_runs_stand_for_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.run").write_text("q%20 Q0 P%201 1 2 x\nq%20 Q0 c%2Fd 2 1 x\n")
    assert read_run(tmp_path / "a.run", {"q%20"}, {"P%201"}) == {"q%20": ["P%201", "c%2Fd"]}
    assert read_run(tmp_path / "a.run", {"q "}, {"P 1"}) == {"q ": ["P 1", "c%2Fd"]}


def test_a_mark_at_the_start_of_a_file_is_not_of_its_first_id(tmp_path: Path) -> None:
    (tmp_path / "j.qrels").write_text("a 0 p1 1\n", encoding="utf-8-sig")
    (tmp_path / "r.run").write_text("a Q0 p1 1 2 x\n", encoding="utf-8-sig")
    assert read_qrels(tmp_path / "j.qrels") == {"a": {"p1": 1}}
    assert read_run(tmp_path / "r.run") == {"a": ["p1"]}


def test_equal_scores_of_a_run_are_ordered_as_ir_measures_orders_them(tmp_path: Path) -> None:
    lines = [f"q Q0 p{number} 1 {number % 3} theirs\n" for number in range(30)]
    (tmp_path / "r.run").write_text("".join(lines))
    ranked = read_run(tmp_path / "r.run")["q"]
    theirs = list(ir_measures.read_trec_run(str(tmp_path / "r.run")))
    for number in range(30):
        qrels = [ir_measures.Qrel("q", f"p{number}", 1)]
        rank = 1 / ir_measures.calc_aggregate([ir_measures.RR], qrels, theirs)[ir_measures.RR]
        assert ranked.index(f"p{number}") + 1 == round(rank)


def test_ids_that_are_numbers_are_one_in_every_column_type(tmp_path: Path) -> None:
    """A column of whole numbers with a null in it is one of fractions to pandas."""
    queries, qrels = tmp_path / "q.parquet", tmp_path / "j.parquet"
    pq.write_table(pa.table({"query_id": [7.0], "product_id": [12.0]}), queries)
    pq.write_table(pa.table({"query_id": [7], "product_id": [12], "grade": [1]}), qrels)
    assert read_queries(queries) == [Query("7", product_id="12")]
    assert read_qrels(qrels) == {"7": {"12": 1}}
    pq.write_table(pa.table({"query_id": [7.0], "product_id": [12.0], "grade": [1.0]}), qrels)
    assert read_qrels(qrels) == {"7": {"12": 1}}


def test_measures_are_of_whole_rankings(
    published: Path, evaluated: tuple[Evaluation, Path]
) -> None:
    """`top` and `offset` of queries are for who reads the hits."""
    cut = [replace(query, top=3, offset=2) for query in QUERIES]
    index = open_index(published)
    assert evaluate_index(index, cut, JUDGED).figures["hybrid"] == evaluated[0].figures["hybrid"]
    assert search_run(index, cut) == search_run(index, QUERIES)
    narrow = [replace(query, where="price < -1") for query in QUERIES]
    assert not any(search_run(index, narrow).values())


def test_grades_that_count_are_above_that_of_no_match() -> None:
    for relevant in (0, -1):
        with pytest.raises(QueryError, match=f"`relevant={relevant}`: must be 1 or more"):
            EvaluateSettings(relevant=relevant)


def test_other_runs_stand_beside_ours(evaluated: tuple[Evaluation, Path]) -> None:
    figures = evaluated[0].figures["other"]
    assert figures["RR"].value == pytest.approx(1 / 3)
    assert figures["P@1"].value == pytest.approx(1 / 3)
    assert figures["nDCG@10"].value == pytest.approx(
        (1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3)) / 3
    )


def test_only_questions_with_a_relevant_product_count(evaluated: tuple[Evaluation, Path]) -> None:
    evaluation, _ = evaluated
    assert (evaluation.queries, evaluation.judged, evaluation.relevant) == (3, 24, 23)
    assert evaluation.figures["lexical"]["R@100"].value == pytest.approx((1 + 1 + 0) / 3)


def test_a_lower_threshold_keeps_more(evaluated: tuple[Evaluation, Path]) -> None:
    cuts = evaluated[0].cuts
    assert [cut.threshold for cut in cuts] == sorted(cut.threshold for cut in cuts)
    assert all(low.recall >= high.recall for low, high in itertools.pairwise(cuts))


def test_intervals_hold_their_figure(evaluated: tuple[Evaluation, Path]) -> None:
    for each in evaluated[0].figures.values():
        for figure in each.values():
            assert figure.low <= figure.value <= figure.high


def test_the_randomisation_test_agrees_with_all_signs() -> None:
    differences = np.array([0.5, 0.2, -0.1, 0.4, 0.3, 0.25])
    signs = np.array([[1 if bits >> i & 1 else -1 for i in range(6)] for bits in range(64)])
    exact = (np.abs((signs * differences).mean(1)) >= differences.mean() - 1e-12).mean()
    assert randomisation_test(differences, 0) == pytest.approx(exact, abs=0.01)
    assert randomisation_test(np.zeros(9), 0) == 1.0


def test_shuffled_judgements_fall_to_chance(published: Path) -> None:
    index = open_index(published)
    rng = np.random.default_rng(0)
    queries = [Query(f"q{n}", f"number {n}") for n in range(60)]
    shuffled = {f"q{n}": {f"p{m:04d}": 1} for n, m in enumerate(rng.permutation(60).tolist())}
    right = {f"q{n}": {f"p{n:04d}": 1} for n in range(60)}
    settings = EvaluateSettings(weights={"lexical": 0.6, "text": 0.2, "image": 0.2})
    chance = evaluate_index(index, queries, shuffled, settings).figures["hybrid"]["R@10"]
    assert evaluate_index(index, queries, right, settings).figures["hybrid"]["R@10"].value > 0.9
    assert chance.low <= 10 / 60 <= chance.high


def test_the_page_holds_every_figure_and_loads_nothing(evaluated: tuple[Evaluation, Path]) -> None:
    evaluation, _ = evaluated
    page = evaluation_page(evaluation, "a <b> title")
    assert "<title>Evaluation: a &lt;b&gt; title · prodmatch</title>" in page
    for figures in evaluation.figures.values():
        for figure in figures.values():
            assert f"<td>{figure.value:.3f} <small>{figure.low:.3f} to {figure.high:.3f}<" in page
    assert page.count('<span class="track') == 5 * 7
    for outside in ("http:", "https:", "<script", "url("):
        assert outside not in page


def test_the_command_prints_a_table_and_writes_reports(published: Path, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"query_id": "a", "text": "blue mug number 1"}\n')
    (tmp_path / "j.qrels").write_text("a 0 p0001 1\n")
    arguments = ["--queries", tmp_path / "q.jsonl", "--qrels", tmp_path / "j.qrels"]
    done = run("evaluate", "--store", published, *arguments, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].split()[:5] == ["measure", "lexical", "text", "image", "hybrid"]
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "The hybrid finds a relevant product among the first ten for 100.0 % of 1 query" in page
    assert "blue mug number 1</small>" in page  # the title of a hit, and its picture
    assert "data:image/webp" in page
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["figures"]["lexical"]["P@1"]["value"] == 1.0
    assert read_run(tmp_path / "out" / "lexical.run")["a"][0] == "p0001"
    own = tmp_path / "out" / "hybrid.run"
    again = run("evaluate", "--store", published, *arguments, "--run", own)
    assert (again.code, "one of ours" in again.err) == (2, True)
    own.rename(tmp_path / "last-night.run")
    arguments += ["--run", tmp_path / "last-night.run", "--format", "json"]
    (tmp_path / "q.jsonl").write_text(
        '{"query_id": "a", "text": "blue mug number 1"}\n{"query_id": "b", "text": "mug"}\n'
    )
    done = run("evaluate", "--store", published, *arguments)
    assert "warning: 1 of 2 queries have no product judged 1 or higher, such as 'b'" in done.err
    figures = done.last["figures"]
    assert isinstance(figures, dict)
    assert figures["last-night"] == figures["hybrid"]


def test_judgements_are_read_from_every_format(tmp_path: Path) -> None:
    expected = {"a": {"p1": 2, "7": 0}}
    (tmp_path / "j.txt").write_text("a 0 p1 2\n\na 0 7 0\n")
    (tmp_path / "j.jsonl").write_text(
        '{"query_id": "a", "product_id": "p1", "grade": 2}\n'
        '{"query_id": "a", "product_id": 7, "grade": 0}\n'
    )
    table = pa.table({"query_id": ["a", "a"], "product_id": ["p1", "7"], "label": [2.0, 0.0]})
    pq.write_table(table, tmp_path / "j.parquet")
    for name in ("j.txt", "j.jsonl", "j.parquet"):
        assert read_qrels(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a 0 p1\n", "line 1 has 3 fields; TREC's form has 4"),
        ("a 0 p1 good\n", "the grade 'good' is no whole number"),
        ("a 0 p1 1\na 0 p1 2\n", "'a' and 'p1' have the grades 1 and 2"),
        ("a 0 p1 1000001\n", "relevance is 1000001; grades are whole numbers up to 1000000"),
        ("", "has no rows"),
    ],
)
def test_judgements_that_cannot_be_used_are_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "j.qrels").write_text(content)
    with pytest.raises(QueryError, match=message):
        read_qrels(tmp_path / "j.qrels")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a Q0 p1 1 nan x\n", "line 1: the score 'nan' is no number"),
        ("a Q0 p1 1 high x\n", "line 1: the score 'high' is no number"),
        ("a Q0 p1 1 2 x\na Q0 p1 2 1 x\n", "line 2: 'p1' stands twice for 'a'"),
        ("\n", "has no lines"),
    ],
)
def test_a_run_that_cannot_be_used_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "theirs.run").write_text(content)
    with pytest.raises(QueryError, match=message):
        read_run(tmp_path / "theirs.run")


def test_what_is_not_measured_is_named() -> None:
    run = {"words": ["p0001"]}
    assert describe_left_out(QUERIES, JUDGED, {"theirs": run}, 1) == [
        "1 of 4 queries have no product judged 1 or higher, such as 'unjudged'; they are left out",
        "1 queries of the qrels are not among the queries, such as 'elsewhere'; they are left out",
        "run 'theirs' has no hits for 2 of 3 queries, such as 'colour'; they count as not found",
    ]


def test_judgements_of_another_catalogue_are_refused(published: Path) -> None:
    index = open_index(published)
    with pytest.raises(QueryError, match="none of the 4 queries has a product judged 1 or higher"):
        evaluate_index(index, QUERIES, {"x": {"p0001": 1}})
    with pytest.raises(QueryError, match="none of the 1 products judged is in the index"):
        evaluate_index(index, QUERIES, {"words": {"elsewhere": 1}})


def test_grades_may_be_booleans_but_not_words(tmp_path: Path) -> None:
    table = pa.table({"query_id": ["a"], "product_id": ["p"], "relevance": [True]})
    pq.write_table(table, tmp_path / "j.parquet")
    assert read_qrels(tmp_path / "j.parquet") == {"a": {"p": 1}}
    table = pa.table({"query_id": ["a"], "product_id": ["p"], "relevance": ["yes"]})
    pq.write_table(table, tmp_path / "j.parquet")
    with pytest.raises(QueryError, match="relevance is 'yes'; grades are whole numbers"):
        read_qrels(tmp_path / "j.parquet")


def test_probabilities_are_held_against_the_judgements(
    evaluated: tuple[Evaluation, Path], published: Path
) -> None:
    index = open_index(published)
    shown = [
        (hit.probability, float(JUDGED[query.query_id].get(hit.product_id, 0) >= 1))
        for query in QUERIES
        if query.query_id in ("words", "colour", "nothing")
        for hit in index.search_many([query], top=10)[0]
    ]
    said, right = np.array(shown).T
    assert evaluated[0].brier == pytest.approx(np.mean((said - right) ** 2), abs=1e-4)
    gaps = [
        abs((said - right)[(said * 10).astype(int).clip(max=9) == number].sum())
        for number in range(10)
    ]
    assert evaluated[0].ece == pytest.approx(sum(gaps) / len(said), abs=1e-4)


def test_queries_without_words_are_measured_by_their_vectors(published: Path) -> None:
    """Pictures and products have no words; in a file of both kinds the others keep theirs."""
    index = open_index(published)
    like = Query("like", product_id="p0000")
    near = index.search(like="p0000", top=1)[0].product_id
    qrels: Qrels = {**JUDGED, "like": {near: 1}}
    alone = evaluate_index(index, [like], qrels).figures
    assert (alone["lexical"]["R@100"].value, alone["hybrid"]["P@1"].value) == (0.0, 1.0)
    figures = evaluate_index(index, [QUERIES[0], like, *QUERIES[1:]], qrels).figures
    words = evaluate_index(index, QUERIES, qrels).figures
    for name in ("lexical", "text", "image", "hybrid"):
        for measure, figure in figures[name].items():
            expected = (3 * words[name][measure].value + alone[name][measure].value) / 4
            assert figure.value == pytest.approx(expected, abs=1e-6)


def test_relevant_products_that_the_filter_leaves_out_are_counted(published: Path) -> None:
    index = open_index(published)
    settings = EvaluateSettings(where="price < 10")
    queries = [Query("words", "blue mug"), Query("colour", "red", where="price < 5")]
    found = {
        product: index.products.rows_where(f"product_id = '{product}' AND price < {most}").size
        for query, most in (("words", 10), ("colour", 5))
        for product, grade in JUDGED[query].items()
        if grade
    }
    lost = [product for product, count in found.items() if not count]
    assert describe_filtered(index, queries, JUDGED, settings) == [
        f"{len(lost)} of {len(found)} relevant products of the index do not meet the filter, such "
        f"as {lost[0]!r}; they count as not found"
    ]
    assert describe_filtered(index, QUERIES, JUDGED, EvaluateSettings(where="price >= 0")) == []


def test_two_queries_of_one_id_are_refused(published: Path) -> None:
    with pytest.raises(QueryError, match="query_id 'words' stands twice"):
        evaluate_index(open_index(published), [*QUERIES, Query("words", "mug")], JUDGED)


def test_a_filter_that_leaves_no_product_is_measured_as_zero(published: Path) -> None:
    settings = EvaluateSettings(where="price < -1")
    found = evaluate_index(open_index(published), QUERIES, JUDGED, settings)
    assert (found.brier, found.ece, found.judged_at_10) == (None, None, 0.0)
    assert {figure.value for figure in found.figures["hybrid"].values()} == {0.0}
