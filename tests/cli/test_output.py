"""What is printed: data as it is into files and pipes, shown harmlessly on a terminal."""

import contextlib
import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from prodmatch_cli.terminal.output import print_json, print_report, print_rows, print_table
from prodmatch_cli.terminal.text import width

LONG = "x" * 60
IDS = [
    "plain",
    "a\rb",
    "a\nb",
    'say "x"',
    "a,b",
    " padded ",
    "\x1b[31mred",
    "a\tb",
    "\x00",
    "\x9b1m",
    "é" + "e\u0301",
    "商品",
    "a\u2028b",
    "\u202eabc",
    "🛋",
    LONG + "1",
    LONG + "2",
]


class Terminal(io.TextIOWrapper):
    """A stream that says that it is a terminal, or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), "utf-8")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        self.flush()
        content = self.buffer
        assert isinstance(content, io.BytesIO)
        return content.getvalue().decode()


def printed(call: Callable[..., None], *arguments: object, terminal: bool = False) -> str:
    """What a call prints into a pipe, or on a terminal of eighty columns."""
    stream = Terminal(terminal)
    with contextlib.redirect_stdout(stream), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        call(*arguments)
    return stream.text


def hits(ids: Sequence[str] = IDS) -> list[dict[str, object]]:
    return [
        {"query_id": "q", "rank": rank, "product_id": product_id, "title": "t" * 99, "score": 0.5}
        for rank, product_id in enumerate(ids, start=1)
    ]


def test_ids_come_back_from_csv_as_they_are() -> None:
    text = printed(print_rows, hits(), "csv", ())
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["product_id"] for row in rows] == IDS
    assert text.startswith("query_id,rank,product_id,title,score\n")
    assert not text.endswith("\r\n")


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_ids_come_back_from_json_as_they_are(form: str) -> None:
    text = printed(print_rows, hits(), form, ())
    lines = text.split("\n")[:-1]
    found = json.loads(lines[0]) if form == "json" else [json.loads(line) for line in lines]
    assert [hit["product_id"] for hit in found] == IDS


def test_a_table_in_a_pipe_cuts_nothing_and_has_a_line_a_row() -> None:
    text = printed(print_rows, hits(), "table", ("product_id", "title"))
    lines = text.split("\n")[:-1]
    assert len(lines) == 1 + len(IDS)
    whole = [
        one.replace("\n", "\\n").replace("\r", "\\r").replace("\u2028", "\\u2028") for one in IDS
    ]
    for line, product_id in zip(lines[1:], whole, strict=True):
        assert line.startswith(product_id)
        assert line.endswith("  " + "t" * 99)


def test_a_table_on_a_terminal_cuts_texts_and_no_id() -> None:
    text = printed(
        print_table,
        hits([LONG + "1", LONG + "2"]),
        ("rank", "product_id", "title", "score"),
        terminal=True,
    )
    lines = text.splitlines()
    assert [line.split()[1] for line in lines[1:]] == [LONG + "1", LONG + "2"]
    assert [line.split()[2] for line in lines[1:]] == ["t" * 7 + "…"] * 2
    assert lines[1].endswith("0.500")


def test_a_table_fits_a_terminal_where_ids_are_short() -> None:
    text = printed(
        print_table, hits(["商品", "a"]), ("rank", "product_id", "title", "score"), terminal=True
    )
    assert [width(line) for line in text.splitlines()] == [80] * 3


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_no_control_character_reaches_a_terminal(form: str) -> None:
    rows = [{**hit, "title": hit["product_id"]} for hit in hits()]
    text = printed(print_rows, rows, form, ("product_id", "title"), terminal=True)
    shown = text.replace("\n", "")
    assert not [c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2028"]
    assert ("\\u001b[31mred" if form.startswith("json") else "\\x1b[31mred") in shown
    if form == "jsonl":
        found = [json.loads(line)["product_id"] for line in text.splitlines()]
        assert found == IDS


def test_wide_characters_and_combining_marks_are_aligned() -> None:
    titles = ["chair", "椅子", "e\u0301te\u0301", "\uff57\uff49\uff44\uff45", "ปากกา"]
    text = printed(
        print_table, [{"title": title, "rank": 1} for title in titles], ("title", "rank")
    )
    assert len({width(line) for line in text.splitlines()[1:]}) == 1
    assert [width(title) for title in titles] == [5, 4, 3, 8, 5]


REPORTS: list[tuple[Mapping[str, object], str]] = [
    ({"rows": 3, "a much longer name": 4}, "rows                3\na much longer name  4\n"),
    (
        {"rows": 3, "rejects": {"image_path_without_root": 12, "x": 1}},
        "rows     3\nrejects\n  image_path_without_root  12\n  x                        1\n",
    ),
    ({"rejects": {}, "warnings": [], "ids": ["a", "b"]},
     "rejects   none\nwarnings  none\nids       a; b\n"),
    ({"columns": [{"name": "a", "filled": 0.5}, {"name": "b"}]},
     "columns\n  - name    a\n    filled  0.5\n  - name  b\n"),
    ({"a": {"b": {"c": [1, 2]}}}, "a\n  b\n    c  1; 2\n"),
]  # fmt: skip


@pytest.mark.parametrize(("report", "shown"), REPORTS)
def test_columns_of_a_report_never_run_into_each_other(
    report: Mapping[str, object], shown: str
) -> None:
    text = printed(print_report, report, "table")
    assert text == shown


def test_numbers_that_json_does_not_know_are_null() -> None:
    text = printed(
        print_json, {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}}
    )
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": {"d": None}}


def test_half_a_character_is_json_all_the_same() -> None:
    text = printed(print_json, {"catalogue": "caf\udce9.parquet"})
    assert json.loads(text) == {"catalogue": "caf\udce9.parquet"}


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85"])
def test_a_line_of_json_is_one_for_every_reader(
    end: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    print_json({f"a{end}b": f"x{end}y", "number": float("nan")})
    out = capsysbinary.readouterr().out.decode()
    assert len(out.splitlines()) == 1
    assert json.loads(out) == {f"a{end}b": f"x{end}y", "number": None}


def test_what_is_closed_from_the_start_is_open_to_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from prodmatch_cli.main import main\n"
        "try: main()\n"
        "finally: print([(os.readlink(f'/proc/self/fd/{n}'), os.get_inheritable(n),"
        " each.fileno()) for n, each in enumerate((sys.stdin, sys.stdout, sys.stderr))],"
        " file=open(sys.argv[-1], 'w'))"
    )
    found = tmp_path / "found"
    closed = f'"{sys.executable}" -c "{code}" check "{found}" <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", closed], check=False).returncode == 1
    assert found.read_text() == f"{[('/dev/null', True, number) for number in range(3)]}\n"


def test_a_log_that_is_full_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("product_id,title\n1,a shirt\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "prodmatch_cli", "convert", tmp_path / "c.csv",
             tmp_path / "c.parquet"],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["rows"]) == (0, 1)


def test_a_signal_ends_a_run_whose_log_is_full_with_its_own_status() -> None:
    code = "import signal; from prodmatch_cli.main import _stop; _stop(signal.SIGTERM, None)"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stderr=full, check=False)
    assert done.returncode == 143
