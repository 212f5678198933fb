"""Messages of the library in the words of the command line."""

import sys
from pathlib import Path

import click
import pytest

from prodmatch.errors import CatalogueError, QueryError
from prodmatch_cli import main
from prodmatch_cli.terminal.messages import print_warnings, translate

ESCAPE = "\x1b[31m"


def in_command(name: str, message: str) -> str:
    """The message as it is printed where that command is the current one."""
    root = click.Context(main.cli, info_name="prodmatch")
    root.invoked_subcommand = name
    with root:
        return translate(message)


@pytest.mark.parametrize(
    ("command", "message", "shown"),
    [
        ("query", "`top=0`: must be from 1 to 10000.", "--top 0: must be from 1 to 10000."),
        ("query", "`where=pric < 3`: no such column", "--filter 'pric < 3': no such column"),
        ("query", "`where='a' = b`: no such column", "--filter 'a' = b: no such column"),
        ("query", "`where=`: is empty", "--filter '': is empty"),
        ("query", "`product_id=p1`: no product", "--id p1: no product"),
        ("query", "give `text` or `image`", "give TEXT or --image"),
        ("explain", "`product_id=p1`: no product", "PRODUCT_ID p1: no product"),
        ("index", "`kind=codes` needs rows", "--type codes needs rows"),
        ("check", "raise `max_reject=0.01`", "raise --max-reject 0.01"),
        ("check", "embed it with `allow_empty=True`", "embed it with --allow-empty"),
        ("embed", "give `image_root`", "give --image-root"),
        ("rollback", "`number=7`: there is none", "--to 7: there is none"),
        ("verify", "`number=7`: there is none", "--generation 7: there is none"),
        ("evaluate", "`runs`: no", "--run: no"),
        ("query", "column `colour` and 'top=3' stay", "column `colour` and 'top=3' stay"),
        ("query", "run `embed CATALOGUE`", "run `embed CATALOGUE`"),
    ],
)
def test_parameters_of_the_library_are_shown_as_options(
    command: str, message: str, shown: str
) -> None:
    assert in_command(command, message) == shown


@pytest.mark.parametrize(
    ("advised", "shown"),
    [
        ("`rollback()`", "'prodmatch rollback --store /data/shop'"),
        ("`rollback(number=3)`", "'prodmatch rollback --to 3 --store /data/shop'"),
        ("`embed(catalogue)`", "'prodmatch embed CATALOGUE --store /data/shop'"),
        ("`gc(keep=1)`", "'prodmatch gc --keep 1 --store /data/shop'"),
        ("`embed(allow_empty=True)`", "'prodmatch embed --allow-empty --store /data/shop'"),
        ("`check(catalogue)`", "'prodmatch check CATALOGUE'"),
        ("`check(deep=True)`", "'prodmatch check --deep --store /data/shop'"),
        ("`convert(source, target)`", "'prodmatch convert SOURCE TARGET'"),
        ("`index(store=x y)`", "'prodmatch index --store 'x y''"),
        ("`nothing()`", "`nothing()`"),
        ("`index(nothing=1)`", "`index(nothing=1)`"),
        ("'make index'", "'make index'"),
    ],
)
def test_a_command_that_is_advised_has_the_store_that_was_given(advised: str, shown: str) -> None:
    root = click.Context(main.cli, info_name="prodmatch")
    root.invoked_subcommand = "query"
    with root:
        without = shown.replace(" --store /data/shop", "")
        assert translate(f"Run {advised}, please.") == f"Run {without}, please."
        verify = main.cli.get_command(root, "verify")
        assert verify is not None
        verify.make_context("verify", ["--store", "/data/shop"], parent=root)
        assert translate(f"Run {advised}, please.") == f"Run {shown}, please."


def test_the_default_store_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODMATCH_STORE", "/data/shop")
    root = click.Context(main.cli, info_name="prodmatch")
    with root:
        verify = main.cli.get_command(root, "verify")
        assert verify is not None
        verify.make_context("verify", [], parent=root)
        assert translate("Run `index()`.") == "Run 'prodmatch index'."


def run_failing(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> int:
    """The status of `prodmatch fail`, which fails like this."""

    @click.command()
    @click.option("--top", type=int)
    def fail(top: int) -> None:
        raise failure

    monkeypatch.setitem(main.cli.commands, "fail", fail)
    monkeypatch.setattr(sys, "argv", ["prodmatch", "fail"])
    with pytest.raises(SystemExit) as end:
        main.main()
    return int(str(end.value.code))


def test_a_failure_is_one_line_without_control_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = CatalogueError(f"a{ESCAPE}b.parquet: no\n\tParquet\r\n\x00; \u202elower `top=3`.")
    assert run_failing(monkeypatch, failure) == 1
    assert capsys.readouterr().err == (
        "error: a\\x1b[31mb.parquet: no Parquet \\x00; \\u202elower --top 3.\n"
    )


def test_wrong_usage_is_one_line_that_names_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["prodmatch", "generations", "--keep", "3"])
    with pytest.raises(SystemExit, match="2"):
        main.main()
    err = capsys.readouterr().err
    assert err.startswith("error: No such option '--keep'.")
    assert err.endswith(" See 'prodmatch generations --help'.\n")
    assert len(err.splitlines()) == 1


def test_the_status_is_the_failures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing(monkeypatch, QueryError("`top=0`")) == 2
    assert run_failing(monkeypatch, OSError(28, "No space left on device", "f")) == 1
    assert capsys.readouterr().err == "error: --top 0\nerror: f: No space left on device.\n"


def test_warnings_are_a_line_each_in_the_words_of_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = click.Context(main.cli, info_name="prodmatch")
    root.invoked_subcommand = "embed"
    with root:
        print_warnings(["two\nlines", "give `image_root`"])
    done = capsys.readouterr()
    assert (done.out, done.err) == ("", "warning: two lines\nwarning: give --image-root\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("push", "ftp://host/x"), "'ftp://host/x' is an address of another kind than s3://"),
        (("check", "https://host/c.parquet"), "is an address of another kind than s3:// and gs://"),
        (("query", "red", "--store", "s3://b/x"), "'s3://b/x' is an address, where only a path"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_taken_for_a_path(
    arguments: tuple[str, ...],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["prodmatch", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main.main()
    assert text in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
