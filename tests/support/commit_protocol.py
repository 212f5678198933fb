"""A small model of the commit protocol: processes that act on a file system, one step at a time.

Two drivers, the workers of each, and a `gc` share a store and nothing else: no lock holds. A step
is one operation of the file system (an exclusive create, a rename, a listing), or several on names
that no other process looks at in between. `explore` tries every order of all steps. A process that
is killed takes no further step, and one that is slow takes its next step after all others, so every
kill and every delay is among the orders. A lease runs out when another process wants it to: no
clock is trusted.

Not in it: the removal of generations and embeddings by `gc`, and file systems that forget.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

Name = tuple[Any, ...]
Files = dict[Name, Any]
CONTENTS = ("a", "b")  # of the plan: a unit each
CURRENT: Name = ("CURRENT",)
WHOLE, TORN = "whole", "torn"

MUTATIONS = {
    "overwrite": "a shard is named by its unit alone, and published by a rename that overwrites",
    "in place": "a shard is written under its name, not aside",
    "both": "a reader takes every shard of a unit, not the first",
    "no count": "a generation is written without comparing sums with the plan's total",
    "same number": "a generation's directory replaces one of its number",
    "no token": "CURRENT is renamed without a look at the newest token",
    "keep staged": "a new driver leaves what older ones have written aside",
    "no grace": "gc does not wait for a driver that is alive",
    "one token": "gc removes under its first token: a driver may have come in between",
    "same names": "a shard's name does not hold the token, so that one comes back after gc",
}


class Process(NamedTuple):
    """A driver, a worker or a gc."""

    name: str
    step: str  # that comes next
    token: int = 0
    memory: tuple[Any, ...] = ()  # what it knows

    def to(self, step: str, **more: Any) -> "Process":
        """The same process before another step."""
        return self._replace(step=step, **more)


class State(NamedTuple):
    """The names on disk with what they hold, all processes, and whose lease has run out."""

    files: frozenset[tuple[Name, Any]]
    processes: tuple[Process, ...]
    expired: frozenset[str]


class Moved(NamedTuple):
    """What a step did: the process after it, others it changed or started, and the files."""

    processes: tuple[Process, ...]
    files: Files | None = None  # None: as they were
    expired: frozenset[str] = frozenset()


class Violation(Exception):
    """A promise that a step broke."""


class Protocol:
    """The steps of all processes, with some of them done wrongly."""

    def __init__(self, *mutations: str, attempts: int = 2) -> None:
        self.mutations = frozenset(mutations)
        self.attempts = attempts  # at the second unit, which the driver may take for dead

    def start(self, *, drivers: int = 2, collectors: int = 1) -> State:
        """A store with a shard that no generation refers to, and an empty generation."""
        files: Files = {
            ("token", 0): (),
            ("shard", 0, "a", 0): WHOLE,
            ("generation", 0): (),
            CURRENT: (0, 0),
        }
        names = [f"driver{n}" for n in range(drivers)] + [f"gc{n}" for n in range(collectors)]
        processes = tuple(Process(name, "look") for name in names)
        return State(frozenset(files.items()), processes, frozenset())

    def following(self, state: State) -> Iterator[tuple[str, State]]:
        """Every state that one step of one process leads to, with the step's name."""
        old = dict(state.files)
        for process in state.processes:
            role = next(role for role in ("worker", "driver", "gc") if role in process.name)
            step = getattr(self, f"_{role}_{process.step}")
            for moved in step(process, dict(old), state):
                label = f"{process.name}: {process.step}"
                files = old if moved.files is None else moved.files
                self._check(state, label, old, files)
                changed = {p.name for p in moved.processes}
                left = (*(p for p in state.processes if p.name not in changed), *moved.processes)
                yield (
                    label,
                    State(
                        state.files if moved.files is None else frozenset(files.items()),
                        tuple(sorted(p for p in left if p.step != "end")),
                        state.expired | moved.expired,
                    ),
                )

    # Claiming a token: the same for drivers and gc.

    def _look(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Reads the newest token; the lease of who holds one must have run out, as it may have."""
        newest = max(name[1] for name in files if name[0] == "token")
        after = process.to("claim", token=-newest)
        if "no grace" in self.mutations and process.name.startswith("gc"):
            yield Moved((after,))
            return
        holders = (p.name for p in state.processes if p.token > 0 and "worker" not in p.name)
        yield Moved((after,), expired=frozenset(holders))

    def _claim(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        number = 1 - process.token
        if ("token", number) in files:  # another was quicker
            yield Moved((process.to("end"),))
            return
        files["token", number] = ()
        yield Moved((process.to("clean", token=number),), files)

    def _clean(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Ends what an older gc began, and removes what others have written aside."""
        for name in [name for name in files if name[0] == "token"]:
            for condemned in files[name]:
                files.pop(condemned, None)
        if "keep staged" not in self.mutations:
            for name in [name for name in files if name[0] == "aside"]:
                del files[name]
        yield Moved((process.to("plan"),), files)

    _driver_look = _gc_look = _look
    _driver_claim = _gc_claim = _claim
    _driver_clean = _gc_clean = _clean

    # A driver.

    def _driver_plan(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Lists the shards that are there, and starts a worker for each unit that is missing.

        One is started twice, as where the driver took the first for dead.
        """
        there = self._shards(files)
        workers = [
            Process(f"{process.name}{content}worker{attempt}", "write", process.token, (content,))
            for content in CONTENTS
            if content not in there
            for attempt in range(1, 1 + (self.attempts if content == "b" else 1))
        ]
        after = process.to("wait", memory=tuple(sorted(there.items())))
        yield Moved((after, *workers))

    def _driver_wait(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Goes on when each unit's name has been returned."""
        if len(process.memory) == len(CONTENTS) or "no count" in self.mutations:
            yield Moved((process.to("verify"),))

    def _driver_verify(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Sums must equal the plan's total, and every shard must be there."""
        names = [name for _, name in process.memory]
        fine = all(files.get(name) == WHOLE for name in names)
        if "both" in self.mutations:
            names = [name for name in files if name[0] == "shard"]
        yield Moved((process.to("publish" if fine else "end", memory=tuple(sorted(names))),))

    def _driver_publish(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Writes a generation under the next number, which must be new."""
        number = max(name[1] for name in files if name[0] == "generation") + 1
        if "same number" in self.mutations:  # chosen at the start, so another may have it too
            number = 1
        files["generation", number] = process.memory
        yield Moved((process.to("stage", memory=(number,)),), files)

    def _driver_stage(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        files["aside", process.name] = (process.memory[0], process.token)
        yield Moved((process.to("fence"),), files)

    def _driver_fence(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Goes on only where its token is the newest."""
        newest = max(name[1] for name in files if name[0] == "token")
        fine = newest == process.token or "no token" in self.mutations
        yield Moved((process.to("swap" if fine else "end"),))

    def _driver_swap(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Renames what it wrote aside over CURRENT; that is gone where a newer driver came."""
        staged = files.pop(("aside", process.name), None)
        if staged is not None:
            files[CURRENT] = staged
        yield Moved((process.to("end"),), files)

    # A worker.

    def _worker_write(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        if "in place" in self.mutations:
            files[self._name(process)] = TORN
        else:
            files["aside", process.name] = WHOLE
        yield Moved((process.to("link"),), files)

    def _worker_link(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Publishes by an exclusive create, and returns the name, which may be lost."""
        name, done = self._name(process), process.to("end")
        if files.pop(("aside", process.name), None) is None and "in place" not in self.mutations:
            yield Moved((done,))
            return
        if "overwrite" in self.mutations and name in files:
            files[name] = f"bytes of {process.name}"
        else:
            files[name] = WHOLE
        yield Moved((done,), files)
        for driver in state.processes:
            if process.name.startswith(driver.name) and driver.step == "wait":
                known = {process.memory[0]: name, **dict(driver.memory)}
                yield Moved((done, driver.to("wait", memory=tuple(sorted(known.items())))), files)

    def _name(self, process: Process) -> Name:
        """Of a shard: its token, unit and digest; two attempts may give other bytes."""
        (content,), attempt = process.memory, int(process.name[-1])
        if "overwrite" in self.mutations:
            attempt = 0
        token = 0 if "same names" in self.mutations else process.token
        return ("shard", token, content, 0 if content == "a" else attempt)

    # gc.

    def _gc_plan(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Reads what CURRENT refers to; every other shard is to go."""
        kept = files["generation", files[CURRENT][0]]
        old = tuple(sorted(n for n in files if n[0] == "shard" and n not in kept))
        after = "remove" if "one token" in self.mutations else "condemn"
        yield Moved((process.to(after, memory=old),))

    def _gc_condemn(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        """Claims the very next token, with the list of what it will remove."""
        number = process.token + 1
        if ("token", number) in files:  # a driver came: it may need what is on the list
            yield Moved((process.to("end"),))
            return
        files["token", number] = process.memory
        yield Moved((process.to("remove", token=number),), files)

    def _gc_remove(self, process: Process, files: Files, state: State) -> Iterator[Moved]:
        if process.memory:
            first, *rest = process.memory
            files.pop(first, None)
            yield Moved((process.to("remove" if rest else "end", memory=tuple(rest)),), files)
        else:
            yield Moved((process.to("end"),))

    # What must hold.

    def _shards(self, files: Files) -> dict[str, Name]:
        """The first shard of each content, by the order of names."""
        found: dict[str, Name] = {}
        for name in sorted(name for name in files if name[0] == "shard"):
            found.setdefault(name[2], name)
        return found

    def _check(self, before: State, label: str, old: Files, new: Files) -> None:
        """Raises where a step from `old` to `new` breaks a promise.

        Raises:
            Violation: says which.
        """
        if new is old:
            return
        number, token = new[CURRENT]
        if token < old[CURRENT][1]:
            raise Violation(f"{label}: a stale driver wrote CURRENT, over {old[CURRENT]}")
        for name in old:
            if name[0] == "generation" and new.get(name) != old[name]:
                raise Violation(f"{label}: {name} has been replaced")
        for name in new["generation", number]:
            if new.get(name) != WHOLE:
                raise Violation(f"{label}: CURRENT refers to {name}, {new.get(name, 'gone')}")
        if number and sorted(name[2] for name in new["generation", number]) != sorted(CONTENTS):
            raise Violation(f"{label}: CURRENT does not hold the plan's total")
        self._check_needed(before, label, {n for n in old if n not in new})

    def _check_needed(self, before: State, label: str, gone: set[Name]) -> None:
        for process in before.processes:
            if process.step in ("wait", "verify") and process.name not in before.expired:
                for _, name in process.memory:
                    if name in gone:
                        raise Violation(f"{label}: {process.name} is alive and needs {name}")


def explore(protocol: Protocol, start: State) -> list[State]:
    """Every state that can be reached, those of fewer steps first.

    Raises:
        Violation: with the steps that lead to it, as few as there can be.
    """
    came: dict[State, tuple[State, str] | None] = {start: None}
    level = [start]
    while level:
        reached = []
        for state in level:
            following = protocol.following(state)
            try:
                for label, after in following:
                    if after not in came:
                        came[after] = (state, label)
                        reached.append(after)
            except Violation as violation:
                raise Violation(f"{violation}, after: {_path(came, state)}") from violation
        level = reached
    return list(came)


def _path(came: dict[State, tuple[State, str] | None], state: State) -> str:
    labels = []
    while (step := came[state]) is not None:
        state, label = step
        labels.append(label)
    return "; ".join(reversed(labels))


def recover(protocol: Protocol, state: State) -> bool:
    """Whether a driver that starts when all others have been killed publishes."""
    left = State(state.files, (Process("driver9", "look"),), frozenset())
    while left.processes:
        *_, (_, left) = protocol.following(left)  # the last: a worker's name is not lost
    files = dict(left.files)
    return bool(files[CURRENT][1] == max(name[1] for name in files if name[0] == "token"))
