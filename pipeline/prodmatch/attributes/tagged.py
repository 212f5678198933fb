"""What was predicted of columns, and the rows of it."""

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class TagReport:
    """What was predicted."""

    out: str
    generation: int
    products: int
    precision: float  # stated
    columns: dict[str, dict[str, object]]
    decisions: int  # used
    rows: int  # written
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tagged:
    """The report, and the rows that were written, by column."""

    report: TagReport
    tables: dict[str, pa.Table]
    values: dict[str, tuple[str, ...]]
