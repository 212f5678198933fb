"""Contestants in turn (A B A B), each a process in the environment that it needs.

A worker says which jobs it has, and runs the one that is named on its standard input. Only the
one whose turn it is computes; the others wait for their next line.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEERS = Path("build/peers")  # where `make` puts their environments
Job = Callable[[], object]


def serve(open_jobs: Callable[[], Mapping[str, Job]]) -> None:
    """A worker's side: seconds of each job that is wanted, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print

    def answer(content: object) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        jobs = open_jobs()
        answer({"jobs": sorted(jobs)})
        for line in sys.stdin:
            started = time.perf_counter()
            found = jobs[line.strip()]()
            answer({"seconds": time.perf_counter() - started, "found": found})
    except Exception as error:  # noqa: BLE001  # whatever a peer fails with
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


@dataclass(frozen=True)
class Taken:
    """What a job took each time, and what it gave the last time."""

    seconds: tuple[float, ...]
    found: Any

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Contestant:
    """A worker that has loaded what it needs."""

    def __init__(self, name: str, command: Sequence[str | Path]) -> None:
        """Starts it, and waits until it is ready.

        Raises:
            RuntimeError: it ended; the message says why.
        """
        self.name = name
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.jobs: list[str] = self._read()["jobs"]

    def run(self, job: str) -> Mapping[str, Any]:
        """Runs a job once."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{job}\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Ends the worker."""
        self.process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line or '{"error": "it ended without a word"}')
        if "error" in found:
            raise RuntimeError(f"{self.name}: {found['error']}")
        return found


def start_all(
    commands: Mapping[str, Sequence[str | Path]],
) -> tuple[list[Contestant], dict[str, str]]:
    """The contestants that start, and why the others do not."""
    started, missing = [], {}
    for name, command in commands.items():
        if not Path(command[0]).exists():
            missing[name] = "is not installed"
            continue
        try:
            started.append(Contestant(name, command))
        except RuntimeError as error:
            missing[name] = str(error).removeprefix(f"{name}: ")
    for name, reason in missing.items():
        sys.stderr.write(f"left out: {name}: {reason}\n")
    return started, missing


def take_turns(contestants: Sequence[Contestant], job: str, rounds: int) -> dict[str, Taken]:
    """A job by all contestants that have it, in turn, so many times."""
    able = [each for each in contestants if job in each.jobs]
    seconds: dict[str, list[float]] = {each.name: [] for each in able}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for each in able:
            answer = each.run(job)
            seconds[each.name].append(answer["seconds"])
            found[each.name] = answer["found"]
    return {name: Taken(tuple(taken), found[name]) for name, taken in seconds.items()}


def describe_machine() -> dict[str, Any]:
    """The processor, how many of its cores there are, and the load now."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    kinds = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile")
    return {
        "processor": named[0] if named else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [kind for kind in kinds if kind in flags],
    }


def write_results(path: Path | None, name: str, content: Mapping[str, Any]) -> None:
    """Writes what `results.py` makes a page of, where a path is given."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {**describe_machine(), "load": round(os.getloadavg()[0], 1)}
    whole = {"benchmark": name, "day": time.strftime("%Y-%m-%d"), "machine": machine, **content}
    path.write_text(json.dumps(whole, indent=1) + "\n")
