"""A service under load connects to nothing, looks nothing up, and writes temporary files alone."""

import os
import re
import shutil
import signal
import threading
from pathlib import Path

import pytest
from serving import Service
from small import COLOURS, draw
from system_calls import INTERNET, finished_calls, made_outside, opened_to_write, start_traced

PICTURE = draw(COLOURS["blue"], 3, side=90)
CLIENTS, ROUNDS = 6, 5


def send_all(service: Service, statuses: list[int]) -> None:
    for _ in range(ROUNDS):
        replies = [
            service.get("/search", q="red shirt", facets="colour", filter="price < 40"),
            service.get("/search", id="p0003"),
            service.get("/", q="blue shirt"),
            service.post_form("/search", {"q": "shirt"}, PICTURE),
            service.get("/metrics"),
            service.get("/docs"),
        ]
        statuses += [reply.status for reply in replies]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_service_under_load(published: Path, tmp_path: Path) -> None:
    statuses: list[int] = []
    with start_traced(["serve", "--store", published, "--port", "0"], tmp_path) as process:
        assert process.stderr is not None
        port = next(
            int(found[1])
            for line in process.stderr
            if (found := re.search(r"listening on .*:(\d+)", line))
        )
        service = Service("127.0.0.1", port)
        clients = [
            threading.Thread(target=send_all, args=(service, statuses)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        log = tmp_path / "calls.txt"
        os.kill(int(log.read_text().split(maxsplit=1)[0]), signal.SIGTERM)
        process.communicate()
    assert statuses == [200] * (CLIENTS * ROUNDS * 6)
    calls = finished_calls(log.read_text())
    (bound,) = [call for call in calls if INTERNET.search(call)]
    assert re.search(r'bind\(.*inet_addr\("127.0.0.1"\)', bound)
    files = [call for call in calls if not re.search(r"\b(send|recv)\w*\(", call)]
    assert made_outside(files, tmp_path / "tmp", tmp_path) == []
    written = opened_to_write(files)
    assert [call for call in written if str(tmp_path / "tmp") not in call] == []
    assert [*(tmp_path / "home").iterdir(), *(tmp_path / "tmp").iterdir()] == []
