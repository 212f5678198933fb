"""System calls of commands, by strace: what is connected to, looked up, made and written."""

import os
import re
import subprocess
import sys
from pathlib import Path

CALLS = "network,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink"
# Of an address or a name; libuuid opens a socket only to read the machine's own interfaces.
INTERNET = re.compile(r"(connect|bind|send\w*|recv\w*)\(.*sin6?_port")
PATHS = re.compile(r'"((?:[^"\\]|\\.)*)"')
UNFINISHED = re.compile(r"^(\d+)\s+(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. \w+ resumed>(.*)$")
# Semaphores of processes that decode have a name for an instant; some devices are written to.
HARMLESS = ("/dev/shm/sem.", "/dev/null", "/dev/tty", "/proc/self/")


def traced_calls(command: list[str | Path], folder: Path) -> list[str]:
    """The successful calls of a command and its children, with an empty home and no `CI`."""
    with start_traced(command, folder) as process:
        _, err = process.communicate()
    assert process.returncode == 0, err
    return finished_calls((folder / "calls.txt").read_text())


def start_traced(command: list[str | Path], folder: Path) -> subprocess.Popen[str]:
    """A command that writes its calls to `calls.txt`, with an empty home and no `CI`."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "CI" and not name.startswith(("HF_", "ORT_", "XDG_", "TORCH", "COVERAGE"))
    }
    return subprocess.Popen(
        ["strace", "-f", "-qq", "-y", "--seccomp-bpf", "-s", "4096", "-e", f"trace={CALLS}",
         "-e", "signal=none", "-o", folder / "calls.txt", sys.executable, "-m", "prodmatch_cli",
         *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**environment, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")},
    )  # fmt: skip


def finished_calls(text: str) -> list[str]:
    """One line a call that succeeded, those put together that another process interrupted."""
    begun: dict[str, str] = {}
    calls = []
    for line in text.splitlines():
        if found := UNFINISHED.match(line):
            begun[found[1]] = found[2]
            continue
        if found := RESUMED.match(line):
            line = begun.pop(found[1], "") + found[2]
        if not re.search(r"= -1 E", line):
            calls.append(line)
    return calls


def made_outside(calls: list[str], store: Path, folder: Path) -> list[str]:
    """The calls that make something outside the store and the temporary folder."""
    allowed = (str(store), str(folder / "tmp"), *HARMLESS)
    outside = []
    for call in calls:
        if re.search(r"\bopen(at)?\(", call) and "O_CREAT" not in call:
            continue
        if "AF_" in call or not re.search(r"\b(open|creat|mkdir|rename|link|symlink)", call):
            continue
        for path in PATHS.findall(call):
            base = re.search(r"<([^>]*)>", call)  # of AT_FDCWD, or of the directory given
            full = Path(path) if path.startswith("/") else Path(base[1] if base else folder) / path
            if not str(full).startswith(allowed):
                outside.append(call)
    return outside


def opened_to_write(calls: list[str]) -> list[str]:
    """The calls that open a file to write to it."""
    return [
        call
        for call in calls
        if re.search(r"\bO_(WRONLY|RDWR|CREAT|APPEND)\b", call)
        and not any(str(path).startswith(HARMLESS) for path in PATHS.findall(call))
    ]
