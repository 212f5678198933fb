"""Odd invocations: the contract's status, one line, and never a traceback."""

import os
from pathlib import Path

import pytest
from shell import Shell

Words = tuple[str | bytes, ...]
HUGE = str(10**30)

# Words in braces are paths: see `places`. With `--store` where the command takes one.
INVOCATIONS: list[tuple[Words, int, str]] = [
    (("frobnicate",), 2, "No such command 'frobnicate'"),
    (("--frobnicate",), 2, "No such option '--frobnicate'"),
    ((b"\xff",), 2, "No such command"),
    (("check",), 2, "Missing argument 'CATALOGUE'"),
    (("check", ""), 2, "it is empty"),
    (("check", "{catalogue}", "--image-root", ""), 2, "it is empty"),
    (("check", "{missing}"), 1, "{missing}: there is no such file"),
    (("check", "{empty}"), 1, "{empty}"),
    (("check", "{text}"), 1, "{text}"),
    (("check", "/dev/null"), 1, "/dev/null"),
    (("check", b"caf\xe9.parquet"), 2, "is not in UTF-8. Rename it."),
    (("check", "{catalogue}", "--workers", "-1"), 2, "--workers"),
    (("check", "{catalogue}", "--workers", "x"), 2, "--workers"),
    (("check", "{catalogue}", "--max-reject", "2"), 2, "--max-reject"),
    (("check", "{catalogue}", "--max-reject", "nan"), 2, "--max-reject"),
    (("check", "{catalogue}", "--format", "yaml"), 2, "--format"),
    (("check", "{catalogue}", "--columns", "title"), 2, "--columns"),
    (("check", "{catalogue}", "--columns", "title="), 2, "--columns"),
    (("check", "{catalogue}", "--columns", "title=nothing"), 1, "no column 'nothing'"),
    (("check", "{catalogue}", "--text-columns", "nothing"), 1, "--text-columns"),
    (("check", "{catalogue}", "--image-root", "{missing}"), 1, "{missing}"),
    (("check", "{catalogue}", "--image-root", "{text}"), 1, "{text}"),
    (("check", "{catalogue}", "more"), 2, "unexpected extra argument"),
    (("convert", "{missing}", "{out}"), 1, "{missing}"),
    (("convert", "{empty}", "{out}"), 1, "{empty}"),
    (("convert", "{text}"), 2, "Missing argument 'TARGET'"),
    (("convert", "{text}", "{empty}"), 2, "{empty}"),
    (("convert", "{csv}", "/proc/out.parquet"), 1, "/proc/out.parquet"),
    (("convert", "{csv}", "{text}/out.parquet"), 1, "{text}"),
    (("embed", "{missing}"), 1, "{missing}: there is no such file"),
    (("embed", "{catalogue}", "--model", ""), 2, "it is empty"),
    (("embed", "{catalogue}", "--model", "{missing}"), 1, "neither a shipped model"),
    (("embed", "{catalogue}", "--model", "{text}"), 1, "neither a shipped model"),
    (("embed", "{catalogue}", "--device", "tpu"), 2, "--device"),
    (("embed", "{catalogue}", "--leave-out", ""), 2, "it is empty"),
    (("embed", "{catalogue}", "--leave-out", "coluor"), 1, "--leave-out coluor: there is no such"),
    (("build", "{catalogue}", "--leave-out", "title"), 1, "do not name it in --leave-out"),
    (("build", "{missing}"), 1, "{missing}: there is no such file"),
    (("build", "{catalogue}", "--type", "best"), 2, "--type"),
    (("build", "{catalogue}", "--weights", "text=x"), 2, "--weights"),
    (("index", "--weights", "text"), 2, "--weights"),
    (("index", "--weights", "text=nan"), 2, "--weights"),
    (("index", "--weights", "text=-1"), 2, "--weights"),
    (("index", "--model", "{missing}"), 1, "neither a shipped model"),
    (("query", "a", "--top", HUGE), 2, "--top"),
    (("query", "a", "--top", "-1"), 2, "--top -1"),
    (("query", "a", "--top", "ten"), 2, "--top"),
    (("query", "a", "b"), 2, "unexpected extra argument"),
    (("query", "-blue shirt"), 2, "Put -- before a text that begins with -"),
    (("query", "a", "--weights", "text=1,text"), 2, "--weights"),
    (("query", "a", "--html", "{empty}"), 2, "--html {empty}"),
    (("query", "a", "--html", "{missing}/a/b.html", "--catalogue", "{missing}"), 1, "{missing}"),
    (("query", "red", "--html", "/proc/a.html"), 1, "/proc/a.html"),
    (("query", "red", "--html", "{text}/a.html"), 1, "{text}"),
    (("query", "--image", "{empty}"), 2, "--image {empty}"),
    (("query", "--queries", "{empty}"), 2, "--queries {empty}"),
    (("query", "--queries", "{text}"), 2, "{text}"),
    (("query", "--queries", "{missing}", "--top", "0"), 2, "{missing}"),
    (("recommend",), 2, "Give --liked, or --histories with --out"),
    (("recommend", "--liked", ""), 2, "--liked"),
    (("recommend", "--liked", b"\xff"), 2, "--liked"),
    (("recommend", "--liked", "p0001", "--disliked", "p0001"), 2, "--liked and --disliked"),
    (("recommend", "--liked", "p0001", "--top", "0"), 2, "--top 0"),
    (("explain", "red"), 2, "Missing argument 'PRODUCT_ID'"),
    (("explain", "red", "nobody"), 2, "PRODUCT_ID nobody"),
    (("query", "red", "--catalogue", ""), 2, "it is empty"),
    (("explain", "red", "p0001", "--png", "/dev/null", "--catalogue", "{catalogue}"), 2, "--png"),
    (("evaluate",), 2, "Give --queries and --qrels, --clicks, or --histories"),
    (("evaluate", "--queries", "{q}", "--qrels", "{missing}"), 2, "--qrels {missing}"),
    (("evaluate", "--queries", "{q}", "--qrels", "{empty}"), 2, "--qrels {empty}"),
    (("evaluate", "--queries", "{q}", "--qrels", "{bytes}"), 2, "{bytes}"),
    (("evaluate", "--queries", "{missing}", "--qrels", "{j}"), 2, "--queries {missing}"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--relevant", "9"), 2, "lower --relevant"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--relevant", HUGE), 2, "--relevant"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--run", "{missing}"), 2, "{missing}"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--run", "{bytes}"), 2, "--run {bytes}"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--threshold", "2"), 2, "--threshold"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--filter", "("), 2, "--filter"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--out", "{text}"), 1, "{text}"),
    (("evaluate", "--queries", "{q}", "--qrels", "{j}", "--out", "/proc/out"), 1, "/proc/out"),
    (("export", "{empty}"), 1, "{empty}"),
    (("export", "{text}/out"), 1, "{text}"),
    (("export", "/proc/out"), 1, "/proc/out"),
    (("export", b"caf\xe9"), 2, "is not in UTF-8. Rename it."),
    (("export", "{out}", "--to", "csv"), 2, "--to"),
    (("export", "{out}", "--generation", "99"), 1, "99"),
    (("export", "{out}", "--generation", "-1"), 1, "-1"),
    (("export", "{out}", "--generation", HUGE), 1, HUGE[:5]),
    (("verify", "--generation", "0"), 1, "0"),
    (("verify", "--generation", "x"), 2, "--generation"),
    (("rollback", "--to", "99"), 1, "99"),
    (("rollback",), 1, "generation"),
    (("gc", "--keep", "0"), 2, "--keep"),
    (("gc", "--minutes", "-1"), 2, "--minutes"),
    (("gc", "--minutes", "nan"), 2, "--minutes"),
    (("index", "--min-recall", "nan"), 2, "--min-recall"),
    (("index", "--memory", "nan"), 2, "--memory"),
    (("train", "{missing}", "--out", "{out}"), 1, "{missing}"),
    (("train", "{catalogue}"), 2, "Missing option '--out'"),
    (("train", "{catalogue}", "--out", "{out}", "--epochs", "0"), 2, "'--epochs': 0 is not"),
    (("train", "{catalogue}", "--out", "{out}", "--text-encoder", "x"), 2, "--text-encoder"),
]  # fmt: skip
STORELESS = ("check", "convert", "frobnicate", "--frobnicate", b"\xff")


@pytest.fixture(scope="module")
def places(published: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("places")
    (folder / "empty").mkdir()
    contents = {
        "text": b"no catalogue, no picture, no query\n",
        "bytes.run": b"\xff\xfe\x00 1",
        "c.csv": b"product_id,title\n1,a shirt\n",
        "q.jsonl": b'{"query_id": "a", "text": "red shirt"}\n',
        "j.qrels": b"a 0 p0001 1\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    named = {"bytes": "bytes.run", "csv": "c.csv", "q": "q.jsonl", "j": "j.qrels"}
    return {
        **{name: folder / name for name in ("empty", "text", "missing", "out")},
        **{name: folder / file for name, file in named.items()},
        "catalogue": published.with_name("sixty.parquet"),
    }


@pytest.mark.parametrize(("words", "code", "message"), INVOCATIONS, ids=str)
def test_an_odd_invocation_is_refused_in_one_line(
    shell: Shell, places: dict[str, Path], words: Words, code: int, message: str
) -> None:
    arguments = [word.format(**places) if isinstance(word, str) else word for word in words]
    shell.names_store = words[0] not in STORELESS
    done = shell(*arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("error: ")
    assert message.format(**places) in done.err
    assert len(done.err.splitlines()) == 1
    assert not places["out"].exists()


def test_no_command_at_all_is_the_help(shell: Shell) -> None:
    shell.names_store = False
    done = shell()
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


def test_a_store_that_is_none_is_refused_by_every_command_that_reads(
    shell: Shell, places: dict[str, Path]
) -> None:
    for store in (places["text"], places["empty"], places["missing"], Path(os.devnull)):
        shell.store = store
        for words in (["query", "a"], ["verify"], ["rollback"], ["export", str(places["out"])]):
            done = shell(*words)
            assert (done.code, done.out) == (1, ""), (store, words)
            assert len(done.err.splitlines()) == 1
            assert str(store) in done.err
