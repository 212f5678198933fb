"""Job: how well a log of histories tells what its users have next."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prodmatch.errors import QueryError, require_type
from prodmatch.evaluation.comparison import Figure, Gain, bootstrap_mean, gains_over_best
from prodmatch.histories.learn import METHODS, learn
from prodmatch.histories.log import LogSettings, check_log
from prodmatch.histories.tastes import Recommender
from prodmatch.search.product_index import ProductIndex
from prodmatch.storage.temporary import scratch_directory

SEED = 0  # of the intervals and tests


@dataclass(frozen=True)
class HistoriesEvaluation:
    """How early each way of recommending shows the product that a user had last."""

    users: int  # held out: one in ten of the log, 2,000 at most
    blend: float  # weight of co-views next to content
    figures: dict[str, dict[str, Figure]]  # method -> `Success@10` and `RR@10` -> figure
    gains: dict[str, Gain]  # measure -> the blend against the best other method
    generation: int
    warnings: list[str] = field(default_factory=list)  # of what was read


def evaluate_histories(
    index: ProductIndex, log: Path | str, settings: LogSettings | None = None
) -> HistoriesEvaluation:
    """Leaves out the last product of some users, and asks for it by what they had before.

    Content alone, co-views alone, what most users have, and the blend are measured. What the
    held-out users had is in no count, and the blend of a user was chosen by others.

    Args:
        log: as for `recommend_to_users`.

    Raises:
        QueryError: the log cannot be used, nobody in it can be held out, or an argument is of
            another type.
        StoreError: the directory for temporary files cannot be written.
    """
    require_type(index, ProductIndex, "`index`", "Give open_index(STORE).", QueryError)
    log = check_log(log, settings)
    searcher = index.searcher
    with scratch_directory(Path(tempfile.gettempdir())) as scratch:
        settings = settings or LogSettings()
        recommender = Recommender(searcher, settings.sizes)
        found = learn(log, searcher, recommender, scratch, settings)
    evaluation = found.evaluation
    if not evaluation.count:
        raise QueryError(
            f"`histories` {log}: nobody among one in ten users has two products or more. "
            "Give a longer log."
        )
    values = {
        name: {"Success@10": (ranks > 0).astype(np.float64), "RR@10": ranks}
        for name, ranks in evaluation.ranks.items()
    }
    return HistoriesEvaluation(
        users=evaluation.count,
        blend=evaluation.blend,
        figures={
            name: {measure: bootstrap_mean(each[measure], SEED) for measure in each}
            for name, each in values.items()
        },
        gains=gains_over_best(values, METHODS[:-1], METHODS[-1], SEED),
        generation=searcher.generation.number,
        warnings=found.report.warnings(log),
    )
