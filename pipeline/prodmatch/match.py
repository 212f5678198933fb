"""Job: pairs of listings that are one product, and groups of them, as Parquet."""

from dataclasses import dataclass, field
from pathlib import Path

from prodmatch.errors import MismatchError, QueryError, StoreError
from prodmatch.matching.match_files import (
    GROUPS,
    PAIRS,
    read_old_groups,
    write_groups,
    write_pairs,
)
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs
from prodmatch.matching.scoring.pair_scorer import PairScorer, open_scorer
from prodmatch.search.product_index import ProductIndex
from prodmatch.storage.settings import read_settings


@dataclass(frozen=True)
class MatchSettings:
    """How pairs are sought and told apart.

    Attributes:
        precision: of the pairs that are called the same, measured on held-out labelled pairs.
        candidates: of every listing.
        pairs: a file of labelled pairs to train a scorer on.
        scorer: a file of a scorer; with `pairs` it is written, else read.
    """

    precision: float = 0.95
    candidates: int = 10
    pairs: Path | None = None
    scorer: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.precision <= 1:
            raise QueryError(f"`precision={self.precision:g}`: must be above 0 and at most 1.")
        if not 1 <= self.candidates <= 100:
            raise QueryError(f"`candidates={self.candidates}`: must be from 1 to 100.")


@dataclass(frozen=True)
class MatchReport:
    """What was compared, found and written."""

    out: str
    left: int  # listings
    right: int
    equal: int  # of these, equal to an earlier one in all but the id
    candidates: int  # pairs that were scored
    same: int  # pairs
    variants: int
    in_doubt: int
    groups: int
    grouped: int  # listings in groups
    threshold: float
    precision: float  # at the threshold, on held-out labelled pairs
    recall: float
    scorer: str
    generation: int
    warnings: list[str] = field(default_factory=list)


def find_matches(
    index: ProductIndex,
    out: Path,
    settings: MatchSettings | None = None,
    *,
    against: ProductIndex | None = None,
) -> MatchReport:
    """Pairs and groups of one product, inside an index or of it and another, written to `out`.

    `pairs.parquet` has the pairs that are the same, variants with what differs, and those in
    doubt; `groups.parquet` the groups, in which every pair reaches the threshold. Groups that were
    there before keep their ids.

    Args:
        index: what is published; its listings are the left ones.
        out: a directory.
        settings: how pairs are sought and told apart.
        against: the other index, of the same model, whose listings are the right ones.

    Raises:
        QueryError: the labelled pairs or the settings cannot be used.
        MismatchError: the two indexes were made with different models.
        ModelError: the scorer cannot be used.
        StoreError: `out` cannot be written.
    """
    settings = settings or MatchSettings()
    if out.exists() and not out.is_dir():
        raise StoreError(f"`out` {out}: is no directory.")
    warnings = [] if against is None else _compare(index, against)
    old = read_old_groups(out / GROUPS)
    scorer = None if settings.pairs is not None else open_scorer(settings.scorer)
    matcher = Matcher(index.searcher, None if against is None else against.searcher)
    found = matcher.find(settings.candidates)
    if scorer is None:
        scorer, more = _train(matcher, settings)
        warnings += more
    threshold = scorer.held_out.threshold(settings.precision)
    scored = matcher.score(found, scorer)
    groups = matcher.group(scored, scorer, threshold)
    counts = write_pairs(out / PAIRS, matcher, scored, threshold)
    write_groups(out / GROUPS, matcher, groups, old)
    return MatchReport(
        out=str(out),
        left=len(matcher.left),
        right=len(matcher.right),
        equal=matcher.equal_count,
        candidates=len(found.rows),
        same=counts.same,
        variants=counts.variant,
        in_doubt=counts.different,
        groups=len(groups),
        grouped=sum(map(len, groups)),
        threshold=round(threshold, 4),
        precision=round(scorer.held_out.precision(threshold), 4),
        recall=round(scorer.held_out.recall(threshold), 4),
        scorer=scorer.origin,
        generation=index.generation.number,
        warnings=warnings,
    )


def _train(matcher: Matcher, settings: MatchSettings) -> tuple[PairScorer, list[str]]:
    """A scorer trained on the labelled pairs, kept where it is wanted, and what to warn of."""
    from prodmatch.matching.scoring.scorer_training import train_scorer  # needs an extra

    path = settings.pairs or Path()
    pairs = matcher.read_labels(path)
    scorer = train_scorer(matcher.labels(pairs), f"{len(pairs.match)} pairs of {path.name}")
    if settings.scorer is not None:
        scorer.save(settings.scorer)
    return scorer, _doubtful(path, pairs)


def _doubtful(path: Path, pairs: LabelledPairs) -> list[str]:
    """What to warn of in labelled pairs."""
    warnings = []
    if pairs.unknown:
        warnings.append(
            f"`pairs` {path}: {pairs.unknown} name products that are not in the index, such as "
            f"{pairs.unknown_id!r}; they are left out."
        )
    if pairs.contradicting:
        warnings.append(
            f"`pairs` {path}: {pairs.contradicting} are labelled both as a match and as none."
        )
    return warnings


def _compare(index: ProductIndex, against: ProductIndex) -> list[str]:
    """What to warn of where two stores are compared.

    Raises:
        MismatchError: they were made with different models.
    """
    models = [each.generation.manifest["model_fingerprint"] for each in (index, against)]
    if models[0] != models[1]:
        raise MismatchError(
            f"`against` {against.store}: was made with another model than {index.store}, so that "
            "their vectors cannot be compared. Build both with the same 'model'."
        )
    settings = [read_settings(each.store) for each in (index, against)]
    columns = [each.text_columns if each else () for each in settings]
    if columns[0] != columns[1]:
        names = [", ".join(each) or "title, description" for each in columns]
        return [
            f"`against` {against.store}: embeds {names[1]}, {index.store} embeds {names[0]}; "
            "cosines of texts are lower than they would be of the same columns."
        ]
    return []
