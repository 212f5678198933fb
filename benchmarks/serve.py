"""A service under load on this machine: requests a second, and none lost while it is published.

`--store` is read only: its newest generation is published again in a store of its own, whose files
are links. Clients keep their connections. In the second part every other generation has other
weights of the signals, and so other scores: an answer that is not wholly of the generation that it
names is counted as mixed. Nothing here can fail a build.
"""

import argparse
import http.client
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

from ask import QUERIES, link_all, report

from prodmatch.search.product_index import open_index
from prodmatch.storage.atomic import link_or_copy
from prodmatch.storage.generations import (
    Generation,
    generation_numbers,
    open_generation,
    publish_generation,
)
from prodmatch.storage.locks import lock_store

WEIGHTS = ({"lexical": 0.3, "text": 0.4, "image": 0.3}, {"lexical": 0.5, "text": 0.2, "image": 0.3})
TOP = 10
NEAR = 1e-4  # of scores: other numbers of threads add up in another order
Answers = Mapping[str, list[float]]


@dataclass
class Counts:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    mixed: int = 0
    generations: set[int] = field(default_factory=set)


def publish(store: Path, source: Generation) -> int:
    """Publishes a generation again, with the weights of its turn."""
    number = max([0, *generation_numbers(store / "index")]) + 1

    def fill(target: Path) -> Mapping[str, object]:
        for path in source.folder.iterdir():
            if path.is_file() and path.name != "manifest.json":
                link_or_copy(path, target / path.name)
        link_all(source.folder / "encoders", target / "encoders")
        return {**source.manifest, "weights": WEIGHTS[number % 2]}

    with lock_store(store):
        return publish_generation(store, fill).number


@contextmanager
def started(store: Path) -> Iterator[int]:
    """A service in a process of its own; gives its port."""
    command = [sys.executable, "-m", "prodmatch_cli", "serve", "--store", store, "--port", "0"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = next(
            int(found[1])
            for line in process.stderr
            if (found := re.search(r"listening on .*:(\d+)", line))
        )
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield port
    finally:
        process.terminate()
        process.wait()


def send(connection: http.client.HTTPConnection, text: str, counts: Counts) -> dict[str, object]:
    """One search; nothing where it fails."""
    begun = time.perf_counter()
    try:
        connection.request("GET", f"/search?q={quote_plus(text)}&top={TOP}")
        response = connection.getresponse()
        body = response.read()
        counts.seconds.append(time.perf_counter() - begun)
        if response.status == 200:
            content: dict[str, object] = json.loads(body)
            return content
    except (OSError, http.client.HTTPException):
        connection.close()
    counts.failed += 1
    return {}


def measure_load(port: int, clients: int, seconds: float) -> None:
    """Prints requests a second and times of so many clients."""
    counts = Counts()
    end = time.monotonic() + seconds

    def search(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for number in itertools.count(first):
            if time.monotonic() > end:
                break
            send(connection, QUERIES[number % len(QUERIES)], counts)
        connection.close()

    begun = time.monotonic()
    together([threading.Thread(target=search, args=[3 * position]) for position in range(clients)])
    took = time.monotonic() - begun
    times = sorted(1000 * each for each in counts.seconds)
    report(
        f"{clients:2} clients  {len(times) / took:6.1f} requests/s  p50 "
        f"{statistics.median(times):5.0f} ms  p99 {times[int(0.99 * len(times))]:5.0f} ms  "
        f"{counts.failed} failed"
    )


def measure_publishing(store: Path, source: Generation, requests: int, publishes: int) -> None:
    """Prints how many of the requests during the publishes failed, or were mixed."""
    expected = expected_answers(store, source)
    counts, taken, clients = Counts(), itertools.count(), 4
    done = threading.Event()
    with started(store) as port:

        def search() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for number in taken:
                if number >= requests and done.is_set():
                    break
                text = QUERIES[number % len(QUERIES)]
                check(send(connection, text, counts), text, expected, counts)
            connection.close()

        def publish_all() -> None:
            for _ in range(publishes):
                publish(store, source)
            done.set()

        begun = time.monotonic()
        threads = [threading.Thread(target=search) for _ in range(clients)]
        together([threading.Thread(target=publish_all), *threads])
        took = time.monotonic() - begun
    times = sorted(1000 * each for each in counts.seconds)
    report(
        f"{len(times):,} requests of {clients} clients, {publishes} publishes, {took:.0f} s: "
        f"{counts.failed} failed, {counts.mixed} mixed, answers of {len(counts.generations)} "
        f"generations; p50 {statistics.median(times):.0f} ms, p99 "
        f"{times[int(0.99 * len(times))]:.0f} ms, longest {times[-1]:.0f} ms"
    )


def expected_answers(store: Path, source: Generation) -> list[Answers]:
    """What generations of even and of odd numbers answer, by the library."""
    answers: dict[int, Answers] = {}
    for _ in range(2):
        number = publish(store, source)
        with open_index(store) as index:
            answers[number % 2] = {
                text: [hit.score for hit in index.search(text, top=TOP)] for text in QUERIES
            }
    return [answers[0], answers[1]]


def check(
    content: Mapping[str, object], text: str, expected: list[Answers], counts: Counts
) -> None:
    """Counts an answer that is not wholly of one generation."""
    if not content:
        return
    number, hits = int(str(content["generation"])), content["hits"]
    assert isinstance(hits, list)
    counts.generations.add(number)
    pairs = zip((hit["score"] for hit in hits), expected[number % 2][text], strict=True)
    is_whole = all(abs(score - other) < NEAR for score, other in pairs)
    counts.mixed += not is_whole or any(hit["generation"] != number for hit in hits)


def together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Publishes the generation, and prints what the service does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("store"))
    parser.add_argument("--seconds", type=float, default=20, help="Of each number of clients.")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--publishes", type=int, default=50)
    options = parser.parse_args()
    source = open_generation(options.store)
    report(
        f"{source.product_count:,} products, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(dir=options.store.resolve().parent) as folder:
        store = Path(folder) / "store"
        store.mkdir()
        publish(store, source)
        with started(store) as port:
            send(http.client.HTTPConnection("127.0.0.1", port, timeout=60), QUERIES[0], Counts())
            for clients in (1, 4, 16):
                measure_load(port, clients, options.seconds)
        if options.publishes:
            measure_publishing(store, source, options.requests, options.publishes)


if __name__ == "__main__":
    main()
