"""What a run encoded, where its time went, and what limits it."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")
MODEL, WRITING = "model", "write"
STAGES = ("scan", "load", "read", "decode", MODEL, "fuse", WRITING)
NAMES = {"read": "reading", "decode": "decoding", MODEL: "the model", WRITING: "writing"}


@dataclass
class Stages:
    """Seconds of each stage, added up over the processes that work at it."""

    # By the names in STAGES; `load` is that of the encoders.
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    waited: float = 0.0  # what the encoder stood still for, as nothing was decoded yet
    clock: Callable[[], float] = time.monotonic

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Adds what passes inside to a stage."""
        started = self.clock()
        try:
            yield
        finally:
            self.seconds[stage] += self.clock() - started

    def wait(self, items: Iterable[Item], stage: str | None = None) -> Iterator[Item]:
        """The items; what they take to come is waited for, and is a stage's own if one is named."""
        iterator, end = iter(items), object()
        while True:
            started = self.clock()
            item = next(iterator, end)
            passed = self.clock() - started
            self.waited += passed
            if stage is not None:
                self.seconds[stage] += passed
            if item is end:
                return
            yield item  # type: ignore[misc]  # it is not the end, so it is an item

    def rounded(self) -> dict[str, float]:
        """The seconds of every stage, in order, 0 of one that was not needed."""
        return {stage: round(self.seconds[stage], 3) for stage in STAGES}

    def __add__(self, other: "Stages") -> "Stages":
        both = Stages(self.seconds.copy(), self.waited + other.waited)
        for stage, seconds in other.seconds.items():
            both.seconds[stage] += seconds
        return both

    @property
    def limit(self) -> str | None:
        """What takes longest of what is done one after another; None where nothing was done."""
        if not self.seconds:
            return None
        others = {name: self.seconds[name] for name in ("read", "decode")}
        held_up = max(others, key=lambda name: others[name]) if any(others.values()) else "read"
        own = {MODEL: self.seconds[MODEL], WRITING: self.seconds[WRITING], held_up: self.waited}
        return NAMES[max(own, key=lambda name: own[name])]


@dataclass(frozen=True)
class EncodeCount:
    """What an encoding did."""

    encoded: int = 0
    unusable: int = 0
    seconds: float = 0.0
    stages: Stages = field(default_factory=Stages)

    def __add__(self, other: "EncodeCount") -> "EncodeCount":
        return EncodeCount(
            self.encoded + other.encoded,
            self.unusable + other.unusable,
            self.seconds + other.seconds,
            self.stages + other.stages,
        )


@dataclass(frozen=True)
class EncodeResult:
    """What encoding the texts and the pictures did."""

    texts: EncodeCount
    images: EncodeCount

    @property
    def limits(self) -> dict[str, str]:
        """What took longest, of each kind of content that was encoded."""
        found = {"texts": self.texts.stages.limit, "pictures": self.images.stages.limit}
        return {kind: limit for kind, limit in found.items() if limit is not None}
