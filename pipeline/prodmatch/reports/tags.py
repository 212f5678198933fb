"""The page on which a person decides on predicted values; it saves the decisions as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from prodmatch.attributes.tagged import Tagged
from prodmatch.reports.rendering import make_pictures, read_script, render

SHOWN = {
    "doubtful": 48,
    "abstained": 48,
    "suggested": 48,
    "unfamiliar": 12,
    "predicted": 24,
    "named": 12,
}  # cases of a column
MEANING = {
    "doubtful": "Labels that the other products contradict",
    "abstained": "Not sure enough to predict, the likeliest first",
    "suggested": "Suggested by the names of the values, without a probability",
    "unfamiliar": "Like no product that has a value",
    "predicted": "Predicted, a sample",
    "named": "Named in the text, a sample",
}


@dataclass(frozen=True)
class Case:
    """A prediction to decide on."""

    product_id: str
    state: str
    label: str | None
    value: str
    probability: float | None
    second: str | None
    nearest: Sequence[str]
    words: Sequence[str]


def choose_cases(tagged: Tagged) -> dict[str, list[Case]]:
    """The cases that the page shows of each column: the likeliest doubts, a sample of the rest."""
    chosen = {}
    for column, table in tagged.tables.items():
        cases: list[Case] = []
        for state, most in SHOWN.items():
            rows = table.filter(pa.compute.equal(table["state"], state))
            if state in ("predicted", "named", "unfamiliar"):
                rows = rows.take(
                    pa.array(range(0, len(rows), -(-len(rows) // most) or 1), pa.int64())
                )
            cases += [
                Case(**{name: row[name] for name in Case.__dataclass_fields__})
                for row in rows.slice(0, most).to_pylist()
            ]
        chosen[column] = cases
    return chosen


def tags_page(
    tagged: Tagged,
    chosen: Mapping[str, Sequence[Case]],
    pictures: Mapping[str, bytes],
    titles: Mapping[str, str],
) -> str:
    """The page.

    Args:
        pictures: of their products, by id; those that are not there are left out.
        titles: of their products, and of the nearest.
    """
    ids = [case.product_id for cases in chosen.values() for case in cases]
    return render(
        "tags.html",
        report=tagged.report,
        chosen=chosen,
        meaning=MEANING,
        values=tagged.values,
        pictures=make_pictures(pictures, ids),
        titles=titles,
        script=read_script("decide.js", "tags.js"),
    )
