"""Counts, times and limits of an encoding."""

from dataclasses import dataclass, field

from prodmatch.embedding.stages import Stages


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
