"""`prodmatch serve` as a program: it says where it listens, answers, and ends when it should."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from small import run

from prodmatch.service.server import open_socket
from prodmatch_cli.main import cli
from prodmatch_cli.terminal.threads import THREAD_VARIABLES


@contextmanager
def started(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The program, the address it listens at, and the lines of stderr until then."""
    command = [sys.executable, "-m", "prodmatch_cli", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"listening on (http://[\d.:]+)", line):
                break
        else:
            pytest.fail("".join(lines))
        yield process, found[1], lines
    finally:
        process.kill()
        process.communicate()


def get(address: str) -> dict[str, object]:
    with urllib.request.urlopen(address, timeout=60) as reply:
        content: dict[str, object] = json.loads(reply.read())
        return content


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_a_signal_and_ends_well(published: Path, number: signal.Signals) -> None:
    with started("--store", published) as (process, address, lines):
        assert address.startswith("http://127.0.0.1:")
        assert get(f"{address}/search?q=red+shirt")["generation"] == 1
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert re.fullmatch(r"[\d: -]+ stopped\n", err)
    assert len(lines) == 2  # which generation, and where it listens


def test_its_log_can_be_json_and_has_requests_if_wanted(published: Path) -> None:
    options = ["--store", published, "--log-format", "json", "--access-log"]
    with started(*options) as (process, address, _):
        get(f"{address}/search?q=red")
        process.terminate()
        _, err = process.communicate(timeout=60)
    request, stopped = map(json.loads, err.splitlines())
    assert request["message"].startswith("GET /search?q=red 200 ")
    assert (request["client"], request["status"]) == ("127.0.0.1", 200)
    assert stopped["message"] == "stopped"


def test_what_it_cannot_start_with_is_one_line(published: Path, tmp_path: Path) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--store", published, "--port", port)
    assert (done.code, done.out) == (1, "")
    assert f"--port {port}: cannot listen there" in done.err.splitlines()[-1]
    assert "error: --host" in done.err
    missing = tmp_path / "none.parquet"
    done = run("serve", "--store", published, "--port", "0", "--catalogue", missing)
    assert done.code == 1
    assert "none.parquet" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.fixture
def unserved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that ends when it would begin."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda _, sockets: sockets[0].close())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("unserved")
@pytest.mark.parametrize(("host", "warned"), [("127.0.0.2", False), ("0.0.0.0", True)])
def test_an_address_that_others_reach_is_warned_of(
    published: Path,
    caplog: pytest.LogCaptureFixture,
    host: str,
    warned: bool,
) -> None:
    options = ["serve", "--store", str(published), "--port", "0", "--host", host]
    cli.main(options, standalone_mode=False)
    assert ("there is no authentication" in caplog.text) == warned


@pytest.mark.usefixtures("unserved")
@pytest.mark.parametrize(("threads", "each"), [([], "1"), (["--threads", "2"], "4")])
def test_threads_share_the_processors(
    published: Path, monkeypatch: pytest.MonkeyPatch, threads: list[str], each: str
) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(8))
    options = ["serve", "--store", str(published), "--port", "0", *threads]
    cli.main(options, standalone_mode=False)
    assert {os.environ[name] for name in THREAD_VARIABLES} == {each}
