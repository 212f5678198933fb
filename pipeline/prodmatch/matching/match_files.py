"""The files of matches: pairs with their relation, and groups whose ids stay."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import QueryError
from prodmatch.matching.differences import (
    IN_PICTURE,
    Difference,
    find_differences,
    share_words,
)
from prodmatch.matching.duplicate_groups import name_groups
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.scoring.kept_scores import (
    ScoredPairs,
)
from prodmatch.storage.atomic import new_file

PAIRS, GROUPS = "pairs.parquet", "groups.parquet"
LEAST_PROBABILITY = 0.05  # of a pair in doubt that is written
LEAST_LIKENESS = 1.3  # of a pair that may be of variants: words, text and picture, up to 3
BLOCK_PAIRS = 4096
PAIR_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("left", "right", "relation")),
        ("probability", pa.float32()),
        ("differences", pa.string()),
        *((name, pa.float32()) for name in ("text_cosine", "image_cosine")),
    ]
)
GROUP_SCHEMA = pa.schema([(name, pa.string()) for name in ("group_id", "side", "product_id")])


@dataclass(frozen=True)
class MatchReport:
    """What was compared, found and written."""

    out: str
    left: int  # listings
    right: int
    equal: int  # of these, equal to an earlier one in all but the id
    candidates: int  # pairs
    scored: int  # of these, by this run; the probability of the others is that of an earlier one
    pictures: int  # pairs whose pictures were compared
    decided: int  # pairs of `decisions` that are there
    same: int  # pairs
    variants: int
    in_doubt: int
    groups: int
    grouped: int  # listings in groups
    threshold: float
    precision: float  # at the threshold, on held-out labelled pairs
    recall: float
    measured_on: str  # which pairs these were, and what is known of others
    scorer: str
    generation: int
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Counts:
    """How many pairs were written, by relation."""

    same: int
    variant: int
    different: int


def write_pairs(path: Path, matcher: Matcher, scored: ScoredPairs, threshold: float) -> Counts:
    """Writes the pairs that are the same, those of variants, and those in doubt.

    Inside one store equal listings are the same as the first of them; of two stores each is
    the same as whatever that is the same as.
    """
    counts = Counter[str]()
    wanted = np.flatnonzero(
        (scored.probability >= LEAST_PROBABILITY) | (scored.pairs.likeness >= LEAST_LIKENESS)
    )
    describer = _Describer(matcher)
    with new_file(path) as file, pq.ParquetWriter(file, PAIR_SCHEMA, compression="zstd") as writer:
        starts = range(0, len(wanted), BLOCK_PAIRS)
        blocks = (describer.rows(scored, wanted[s : s + BLOCK_PAIRS], threshold) for s in starts)
        equal = describer.equal_rows(scored, threshold)
        rest = iter(lambda: list(islice(equal, BLOCK_PAIRS)), [])
        for block in chain(blocks, rest):
            rows = list(block)
            counts.update(str(row["relation"]) for row in rows)
            writer.write_table(pa.Table.from_pylist(rows, schema=PAIR_SCHEMA))
    return Counts(counts["same"], counts["variant"], counts["different"])


def read_old_groups(path: Path) -> dict[tuple[str, str], str]:
    """The group of each side and id in a file of groups; none where there is no such file.

    Raises:
        QueryError: it is no file of groups.
    """
    if not path.exists():
        return {}
    try:
        table = pq.read_table(path)
        columns = [table[name].to_pylist() for name in GROUP_SCHEMA.names]
        empty = [name for name in GROUP_SCHEMA.names if table[name].null_count]
        if empty:
            raise KeyError(f"{empty[0]} is empty in a row")
    except (OSError, KeyError, pa.ArrowException) as error:
        raise QueryError(f"`out` {path}: is no file of groups ({error}). Move it away.") from error
    return {
        (str(side), str(product_id)): str(group_id)
        for group_id, side, product_id in zip(*columns, strict=True)
    }


def write_groups(
    path: Path,
    matcher: Matcher,
    groups: Sequence[Sequence[int]],
    old: Mapping[tuple[str, str], str],
) -> None:
    """Writes the groups, by id; one that shares most members with an old one has its id."""
    members = [[matcher.name(member) for member in group] for group in groups]
    names = name_groups(members, old)
    rows = sorted(
        (name, side, product_id)
        for name, group in zip(names, members, strict=True)
        for side, product_id in group
    )
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    arrays = [pa.array(column, pa.string()) for column in columns]
    with new_file(path) as file:
        pq.write_table(pa.table(arrays, schema=GROUP_SCHEMA), file, compression="zstd")


class _Describer:
    """Says of pairs what they are to each other."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    def rows(
        self, scored: ScoredPairs, positions: np.ndarray, threshold: float
    ) -> Iterator[dict[str, object]]:
        """The rows of the file of some of the pairs; those that are plainly different left out."""
        pairs = scored.pairs.take(positions)
        left = self._matcher.texts.read(0, pairs.rows)
        right = self._matcher.texts.read(1, pairs.others)
        for number, position in enumerate(positions.tolist()):
            one, other = left[int(pairs.rows[number])], right[int(pairs.others[number])]
            probability = float(scored.probability[position])
            columns = one.columns, other.columns
            differences = find_differences(
                one.parsed, other.parsed, columns, is_one=self._matcher.is_one
            )
            if not differences and scored.recoloured[position]:
                differences = [IN_PICTURE]
            relation = "same" if probability >= threshold else "different"
            if relation == "different" and differences and share_words(one.parsed, other.parsed):
                relation = "variant"
            if relation == "different" and probability < LEAST_PROBABILITY:
                continue
            yield {
                **_plain_row(
                    one.columns["product_id"], other.columns["product_id"], relation, probability
                ),
                "differences": _join(differences),
                "text_cosine": _number(scored.text_cosine[position]),
                "image_cosine": _number(scored.image_cosine[position]),
            }

    def equal_rows(self, scored: ScoredPairs, threshold: float) -> Iterator[dict[str, object]]:
        """Pairs of listings that are equal to another one."""
        matcher = self._matcher
        left, right = matcher.left.listings.product_ids, matcher.right.listings.product_ids
        if matcher.is_one:
            for first, rows in matcher.equal_rows(matcher.left, LEAST_PROBABILITY).items():
                for row, probability in rows:
                    relation = "same" if probability >= threshold else "different"
                    yield _plain_row(left[first], left[row], relation, probability)
            return
        equal, others = (
            matcher.equal_rows(side, threshold) for side in (matcher.left, matcher.right)
        )
        for position in np.flatnonzero(scored.probability >= threshold).tolist():
            row, other = int(scored.pairs.rows[position]), int(scored.pairs.others[position])
            probability = float(scored.probability[position])
            own, its = ((first, *(each for each, _ in same.get(first, ())))
                        for same, first in ((equal, row), (others, other)))  # fmt: skip
            for one, another in islice(product(own, its), 1, None):  # the first stands there
                yield _plain_row(left[one], right[another], "same", probability)


def _plain_row(left: object, right: object, relation: str, probability: float) -> dict[str, object]:
    ends = {"left": str(left), "right": str(right)}
    return {**ends, "relation": relation, "probability": probability}


def _join(differences: Sequence[Difference]) -> str | None:
    return "; ".join(map(str, differences)) or None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
