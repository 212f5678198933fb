"""Evaluations over time: the reports that `evaluate --out` left, by the names of their folders."""

from collections.abc import Sequence
from pathlib import Path

from prodmatch.errors import DamagedError, QueryError
from prodmatch.morning.report import Alarm, EvaluationFigure
from prodmatch.storage.atomic import read_json

NAME = "evaluation.json"
MEASURE = "nDCG@10"


def read_evaluations(folder: Path) -> list[EvaluationFigure]:
    """The figures of every report below a folder, as the names of their folders go.

    Raises:
        QueryError: there is none.
        DamagedError: one of them is no report of `evaluate`.
    """
    paths = sorted(folder.rglob(NAME))
    if not paths:
        raise QueryError(
            f"`evaluations` {folder}: holds no {NAME}. Write one with `evaluate(out=FOLDER)`, "
            "each night into a folder of its own."
        )
    return [_read(path, path.parent.relative_to(folder).as_posix()) for path in paths]


def _read(path: Path, name: str) -> EvaluationFigure:
    content = read_json(path)
    try:
        figure = content["figures"]["hybrid"][MEASURE]  # type: ignore[index]  # checked below
        queries, numbers = content["queries"], [figure[key] for key in ("value", "low", "high")]
        return EvaluationFigure(name, int(str(queries)), *map(float, numbers))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{path}: is no report of `evaluate()` ({error}).") from error


def find_fall(evaluations: Sequence[EvaluationFigure]) -> list[Alarm]:
    """An alarm where the newest is worse than the one before by more than both intervals."""
    if len(evaluations) < 2 or evaluations[-1].high >= evaluations[-2].low:
        return []
    before, now = evaluations[-2:]
    text = (
        f"evaluation: {MEASURE} is {now.value:.3f} ({now.low:.3f} to {now.high:.3f}) in "
        f"{now.name!r} and was {before.value:.3f} ({before.low:.3f} to {before.high:.3f}) in "
        f"{before.name!r}"
    )
    return [Alarm("evaluation", text, 0, 0.0, 0, [])]
