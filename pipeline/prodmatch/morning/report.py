"""What a comparison of two generations comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class SuspectRow:
    """A product that an alarm names."""

    alarm: str
    product_id: str
    title: str
    before: str | None  # the value that the alarm is about
    after: str | None


@dataclass(frozen=True)
class Alarm:
    """More suspicious products than an ordinary night has."""

    name: str  # `check:column`
    text: str  # with the number of products, and five ids
    count: int
    usual: float  # products a night
    limit: int  # the most that is no alarm
    product_ids: Sequence[str]  # the first five; `rows` of the report has all
    what: str = ""  # `text` without the ids and what is usual


@dataclass(frozen=True)
class MovedQuery:
    """A fixed query whose first ten products are others now."""

    query_id: str
    query: str
    kept: int  # of the first ten
    unexplained: int  # left, though they and what replaced them did not change
    before: Sequence[str]  # ids
    after: Sequence[str]


@dataclass(frozen=True)
class ShiftedCategory:
    """A category whose texts or pictures have other vectors."""

    column: str
    category: str
    part: str
    products: int
    moved: int
    cosine: float  # mean of before and after, of those that moved
    p: float
    significant: bool


@dataclass(frozen=True)
class GenerationFigures:
    """What a generation was published with."""

    generation: int
    products: int
    recall_at_10: float | None
    agreement: float | None
    model: str


@dataclass(frozen=True)
class EvaluationFigure:
    """nDCG@10 of the hybrid in a report of `evaluate`, with its interval."""

    name: str  # of the file, below the folder
    queries: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DriftReport:
    """How one generation differs from another, and which of it is no ordinary change."""

    last: int
    tonight: int
    published: Mapping[str, str]  # `last` and `tonight`: when, in UTC
    products: Mapping[str, int]  # `last` and `tonight`
    added: int
    removed: int
    changed: int
    changes: Mapping[str, int]  # products that stay: other text, other picture, each column
    rejected: Mapping[str, Mapping[str, int]]  # of both: reason -> rows
    same_model: bool
    drift: float  # share of the products that alarms name
    alarms: Sequence[Alarm]
    gate: Sequence[str]  # what the gate of `embed` finds between the two
    signals: Mapping[str, Mapping[str, float]]  # name -> count, usual, limit
    shifts: Sequence[ShiftedCategory]
    queries: int
    moved: Sequence[MovedQuery]  # the most moved first
    over_time: Sequence[GenerationFigures]
    evaluations: Sequence[EvaluationFigure]  # oldest first, as their names go
    nights: Mapping[str, int]  # that the limits come from: `simulated`, `history`
    warnings: Sequence[str] = ()
    rows: Sequence[SuspectRow] = field(default_factory=list)  # of all alarms
    titles: Mapping[str, str] = field(default_factory=dict)  # of the products of `moved`


def report_fields(report: DriftReport) -> dict[str, object]:
    """As JSON shows it: without the rows, which are a table of their own."""
    found = asdict(report)
    del found["rows"], found["titles"]
    return found
