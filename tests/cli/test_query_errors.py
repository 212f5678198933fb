"""Whatever is asked, it is answered, or refused in one clear line with the contract's status."""

import json
import os
from pathlib import Path

import pytest
from shell import Shell


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "neither text nor picture nor id"),
        (("",), "has no word in it"),
        ((" \t!?",), "has no word in it"),
        ((b"\xff\xfe",), "has no word in it"),
        (("shirt", "--top", "0"), "--top 0: must be from 1 to 10000"),
        (("shirt", "--top", "99999"), "must be from 1 to 10000"),
        (("shirt", "--filter", ""), "--filter ''"),
        (("shirt", "--filter", "pric < 3"), "no such column: pric"),
        (("shirt", "--filter", "price < 3; DROP TABLE products"), "--filter"),
        (("shirt", "--filter", "1) ; DELETE FROM products --"), "--filter"),
        (("shirt", "--filter", "price < 'a"), "--filter"),
        (("shirt", "--filter", "(DELETE FROM products)"), "--filter"),
        (("shirt", "--filter", b"colour = '\xff'"), "--filter"),
        (("--id", "nobody"), "--id nobody: the index has no product of this id"),
        (("--id", b"\xff\xfe"), "the index has no product of this id"),
        (("shirt", "--id", "p0001"), "give an id, or text and picture, not both"),
        (("--image", "/nowhere/none.png"), "none.png: there is no such file"),
        (("--image", "/"), "--image /: is no regular file"),
        (("--image", __file__), "text: "),
        (("--image", "/dev/zero"), "--image /dev/zero: is no regular file"),
        (("--queries", "/nowhere/none.jsonl"), "there is no such file"),
        (("--queries", "/dev/zero"), "--queries /dev/zero: is no regular file"),
        (("--queries", "-", "shirt"), "TEXT does not go with --queries."),
        (("shirt", "--catalogue", "c.parquet"), "--catalogue goes with --html."),
        (("shirt", "--html", "/dev/null"), "--html /dev/null: is there, and is no regular file"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    shell: Shell, arguments: tuple[str | bytes, ...], message: str
) -> None:
    done = shell("query", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert len(done.err.encode("utf-8", "replace")) < 1000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "has no rows"),
        (b"{no json\n", "line 1 is no JSON"),
        (b'{"text": "\xff"}\n', "line 1 is no JSON"),
        (b"[1]\n", "line 1 is no JSON object"),
        (b"[" * 100_000, "line 1 is no JSON"),
        (b'{"query_id": 1, "text": "a"}\n{"query_id": 1, "text": "b"}\n', "stands twice"),
    ],
)
def test_queries_that_cannot_be_read_are_refused_in_one_line(
    shell: Shell, given: bytes, message: str
) -> None:
    done = shell("query", "--queries", "-", given=given)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"name": "shirt"}', "has none of the fields"),
        (b'{"query_id": "x", "text": null}', "'x': has neither text nor picture"),
        (b'{"query_id": "x", "image": "none.png"}', "query 2: none.png: there is no such file"),
        (b'{"query_id": "x", "text": "a", "image": "/dev/zero"}', "is no regular file"),
        (b'{"query_id": "x", "product_id": "a\\u0000b"}', "no product of this id"),
        (b"{no json", "line 2 is no JSON"),
    ],
)
def test_a_query_of_a_batch_that_cannot_be_answered_is_a_line_with_its_error(
    shell: Shell, line: bytes, message: str
) -> None:
    given = b'{"query_id": "a", "text": "red shirt"}\n' + line + b'\n{"text": "blue mug"}\n'
    done = shell("query", "--queries", "-", "--top", "1", "--format", "jsonl", given=given)
    first, error, last = (json.loads(each) for each in done.out.splitlines())
    assert (done.code, first["query_id"], last["query_id"]) == (1, "a", "3")
    assert set(error) == {"query_id", "error"}
    assert message in error["error"]
    assert done.err == "error: 1 of 3 queries cannot be answered; their lines say why.\n"
    for form in ("table", "csv", "json"):
        again = shell("query", "--queries", "-", "--top", "1", "--format", form, given=given)
        assert (again.code, "error" in again.out) == (1, True)


def test_a_hint_names_the_queries_that_it_is_for(shell: Shell) -> None:
    given = b'{"query_id": "a", "text": "shirt"}\n{"query_id": "b", "text": "not red"}\n'
    done = shell("query", "--queries", "-", "--format", "jsonl", given=given)
    hint = "hint: query b: 'not red': names only what is not wanted; searched for as it stands\n"
    assert (done.code, done.err) == (0, hint)


def test_hints_of_many_queries_that_say_the_same_of_other_words_are_counted(shell: Shell) -> None:
    texts = ["not red", "not blue", "not green", "not black", "not white", "zxqwv"]
    lines = [{"query_id": f"q{n}", "text": text} for n, text in enumerate(texts)]
    given = "\n".join(map(json.dumps, lines)).encode()
    done = shell("query", "--queries", "-", "--format", "jsonl", given=given)
    found = done.err.splitlines()
    assert [line.split(": ")[1:3] for line in found[:3]] == [
        ["query q0", "'not red'"], ["query q1", "'not blue'"], ["query q2", "'not green'"]
    ]  # fmt: skip
    assert found[3] == "hint: query q3, q4: the same of other words"
    assert "hint: query q5: 'zxqwv': is in no vocabulary" in found[4:]


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_a_query_of_a_batch_that_no_product_matches_is_named(shell: Shell, form: str) -> None:
    lines = [{"query_id": "a", "text": "shirt"}]
    lines += [{"query_id": name, "text": "shirt", "filter": "price < 0"} for name in "bcde"]
    given = "\n".join(map(json.dumps, lines)).encode()
    done = shell("query", "--queries", "-", "--format", form, given=given)
    assert (done.code, done.err) == (0, "hint: query b, c, d and 1 more: no product matches\n")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_an_empty_answer_says_so(shell: Shell, form: str) -> None:
    done = shell("query", "shirt", "--filter", "price < 0", "--format", form)
    assert (done.code, done.err) == (0, "no product matches\n")


def test_a_csv_without_hits_has_the_columns_of_one_with_hits(shell: Shell) -> None:
    for command in (("query", "shirt"), ("recommend", "--liked", "p0001")):
        some = shell(*command, "--top", "1", "--format", "csv")
        none = shell(*command, "--filter", "price < 0", "--format", "csv")
        assert some.out.count("\n") == 2
        assert none.out == some.out.splitlines(keepends=True)[0]


def test_a_pipe_is_never_waited_for(shell: Shell, tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    slot = json.dumps({"query_id": "slot", "text": "shirt", "image": pipe}).encode()
    page = ("--html", str(tmp_path / "page.html"), "--catalogue", pipe)
    for arguments, given, code in (
        (("query", "--image", pipe), b"", 2),
        (("query", "--queries", pipe), b"", 2),
        (("query", "--queries", "-"), slot, 1),
        (("query", "shirt", *page), b"", 1),
        (("explain", "shirt", "p0001", "--image", pipe), b"", 2),
    ):
        done = shell(*arguments, given=given)
        assert done.code == code
        assert f"{pipe}: is no regular file" in done.out + done.err
        assert len(done.err.splitlines()) == 1


def test_standard_input_that_never_ends_is_refused(shell: Shell) -> None:
    shell.patch.setattr("prodmatch.catalogue.records.MOST_LINES_BYTES", 10)
    done = shell("query", "--queries", "-", given=b'{"text": "red shirt"}\n')
    assert (done.code, done.out) == (2, "")
    assert "standard input is larger than" in done.err


@pytest.mark.parametrize(
    "text",
    [
        "red shirt " * 1_000_000,  # 10 MB
        "red\0shirt",
        "red \ud800 shirt",
        'red" OR * NEAR( shirt',
        "red' ; DROP TABLE products; -- shirt",
    ],
    ids=["ten megabytes", "a null", "half a character", "operators", "a statement"],
)
def test_any_text_with_a_word_in_it_is_answered(shell: Shell, text: str) -> None:
    given = json.dumps({"query_id": "\udfff", "text": text}).encode()
    done = shell("query", "--queries", "-", "--top", "3", "--format", "jsonl", given=given)
    assert (done.code, done.err) == (0, "")
    hits = [json.loads(line) for line in done.out.splitlines()]
    assert [hit["query_id"] for hit in hits] == ["?"] * 3
    assert hits[0]["lexical"] > 0


def test_arguments_that_are_not_utf_8_are_answered_by_their_words(shell: Shell) -> None:
    done = shell("query", b"red shirt \xff", "--format", "jsonl", "--top", "2")
    plain = shell("query", "red shirt ?", "--format", "jsonl", "--top", "2")
    assert (done.code, done.out) == (0, plain.out)


def test_queries_on_standard_input_are_those_of_a_file(shell: Shell, tmp_path: Path) -> None:
    lines = b'{"query_id": "a", "text": "red shirt"}\n\n{"query_id": "b", "product_id": "p0003"}\n'
    (tmp_path / "q.jsonl").write_bytes(lines)
    piped = shell("query", "--queries", "-", "--format", "csv", given=lines)
    assert (
        piped.out == shell("query", "--queries", str(tmp_path / "q.jsonl"), "--format", "csv").out
    )
    assert len(piped.out.splitlines()) == 21


def test_an_empty_store_names_the_commands_that_fill_it(shell: Shell, tmp_path: Path) -> None:
    shell.store = tmp_path / "nothing"
    for command in (
        ("query", "shirt"),
        ("recommend", "--liked", "p0001"),
        ("explain", "shirt", "p0001"),
        ("export", str(tmp_path / "out")),
    ):
        done = shell(*command)
        assert (done.code, done.out) == (1, "")
        assert f"Run 'prodmatch build CATALOGUE --store {shell.store}'." in done.err
        assert len(done.err.splitlines()) == 1
