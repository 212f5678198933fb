"""Job: pairs of listings that are one product, and groups of them, as Parquet."""

import logging
from dataclasses import dataclass
from pathlib import Path

from prodmatch.catalogue.reader import Catalogue
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.errors import (
    MismatchError,
    ProdmatchError,
    QueryError,
    StoreError,
    require_path,
    set_paths,
)
from prodmatch.matching.match_files import (
    GROUPS,
    PAIRS,
    MatchReport,
    read_old_groups,
    write_groups,
    write_pairs,
)
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.scoring.decisions import Decided
from prodmatch.matching.scoring.kept_scores import (
    SCORES,
    ScoredPairs,
    name_scores,
    read_scores,
    write_scores,
)
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs, read_labelled_pairs
from prodmatch.matching.scoring.pair_scorer import PairScorer, open_scorer
from prodmatch.matching.scoring.scorer_training import check_labels, train_scorer
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.searcher import Searcher
from prodmatch.storage.settings import read_settings

logger = logging.getLogger(__name__)

HELD_OUT = "labelled pairs that were held out"
PLANTED = (
    "planted duplicates; of 146 pairs of real listings called the same at .95, by eye, 131 were "
    "right and 15 cannot be told: look at samples of yours (docs/matching.md)"
)
RULES = 14  # of what is in doubt; scores by other ones are not kept


@dataclass(frozen=True)
class MatchSettings:
    """How pairs are sought and told apart."""

    # Of the pairs that are called the same, measured on held-out labelled pairs.
    precision: float = 0.95
    candidates: int = 10  # of every listing
    pairs: Path | None = None  # a file of labelled pairs to train a scorer on
    scorer: Path | None = None  # a file of a scorer; with `pairs` it is written, else read
    decisions: Path | None = None  # a file of labelled pairs that are what their labels say

    def __post_init__(self) -> None:
        if not 0 < self.precision <= 1:
            raise QueryError(f"`precision={self.precision:g}`: must be above 0 and at most 1.")
        if not 1 <= self.candidates <= 100:
            raise QueryError(f"`candidates={self.candidates}`: must be from 1 to 100.")
        set_paths(self, "pairs", "scorer", "decisions")


def find_matches(
    index: ProductIndex,
    out: Path | str,
    settings: MatchSettings | None = None,
    *,
    against: ProductIndex | None = None,
    catalogue: Catalogue | None = None,
) -> MatchReport:
    """Pairs and groups of one product, inside an index or of it and another, written to `out`.

    `pairs.parquet` has the pairs that are the same, variants with what differs, and those in
    doubt; `groups.parquet` the groups, in which every pair reaches the threshold. Groups that were
    there before keep their ids.

    Args:
        index: what is published; its listings are the left ones.
        against: the other index, of the same model, whose listings are the right ones.
        catalogue: where the pictures of `index` are; what it was made from if None.

    Raises:
        QueryError: the labelled pairs, the old groups or the settings cannot be used.
        MismatchError: the two indexes were made with different models.
        ModelError: the scorer cannot be used.
        StoreError: `out` cannot be written.
    """
    out = require_path(out, "out")
    settings = settings or MatchSettings()
    _check_out(out)
    warnings = [] if against is None else _compare(index, against)
    old = read_old_groups(out / GROUPS)
    searchers = index.searcher, None if against is None else against.searcher
    given = _read_training(searchers, settings.pairs, warnings) or open_scorer(settings.scorer)
    decisions = _read_labels(searchers, settings.decisions, "decisions", warnings)
    catalogues = (
        catalogue or _open_catalogue(index, warnings),
        None if against is None else _open_catalogue(against, warnings),
    )
    logger.info("reading the listings", extra={"phase": "read"})
    matcher = Matcher(*searchers, catalogues)
    run = _score(matcher, given, settings, out / SCORES)
    scorer, threshold = run.scorer, run.threshold
    decided = _decide(matcher, run.scored, decisions, warnings)
    scored = decided.scored
    held_out = scorer.held_out_of(is_one=matcher.is_one)
    logger.info("grouping", extra={"phase": "group"})
    groups = matcher.group(scored, scorer, threshold)
    if lost := matcher.lost_pictures():
        warnings.append(
            f"pictures of {len(lost)} products cannot be read, such as that of {lost[0]!r}; these "
            "are compared by their vectors alone"
        )
    logger.info("writing", extra={"phase": "write"})
    counts = write_pairs(out / PAIRS, matcher, scored, threshold)
    write_groups(out / GROUPS, matcher, groups, old)
    write_scores(out / SCORES, run.name, (matcher.left, matcher.right), run.scored)
    return MatchReport(
        out=str(out),
        left=len(matcher.left),
        right=len(matcher.right),
        equal=matcher.equal_count,
        candidates=len(run.scored.probability),
        scored=run.scored.scored,
        pictures=run.scored.pictures,
        decided=0 if decisions is None else len(decisions.match),
        same=counts.same,
        variants=counts.variant,
        in_doubt=counts.different,
        groups=len(groups),
        grouped=sum(map(len, groups)),
        threshold=round(threshold, 4),
        precision=round(held_out.precision(threshold), 4),
        recall=round(held_out.recall(threshold), 4),
        measured_on=PLANTED if matcher.is_one and scorer.held_out_inside else HELD_OUT,
        scorer=scorer.origin,
        generation=index.generation.number,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Run:
    """What scored the pairs, and what it found."""

    scorer: PairScorer
    threshold: float
    scored: ScoredPairs
    name: str  # of all that the scores depend on besides the listings


def _score(
    matcher: Matcher,
    given: PairScorer | LabelledPairs,
    settings: MatchSettings,
    path: Path,
) -> _Run:
    """Scores the candidates; those of an earlier run by the same scorer keep their scores.

    Args:
        given: the scorer, or the pairs that one is trained on.
        path: of the kept scores.
    """
    sides = matcher.left, matcher.right
    own = RULES, settings.candidates, matcher.is_one, matcher.compares_pictures
    kept = None
    if isinstance(given, PairScorer):
        kept = read_scores(path, name_scores(given.digest(), own), sides)
    logger.info("finding candidates", extra={"phase": "candidates"})
    found = matcher.find(settings.candidates, kept)
    scorer = given if isinstance(given, PairScorer) else _train(matcher, given, settings)
    threshold = scorer.held_out_of(is_one=matcher.is_one).threshold(settings.precision)
    if settings.pairs is not None and settings.scorer is not None:
        scorer.save(settings.scorer)
    logger.info("scoring %d pairs", len(found.rows), extra={"phase": "score"})
    scored = matcher.score(found, scorer, kept)
    matcher.score_equal(scorer)
    return _Run(scorer, threshold, scored, name_scores(scorer.digest(), own))


def _open_catalogue(index: ProductIndex, warnings: list[str]) -> Catalogue | None:
    """What an index was made from, whose pictures are compared; None where it has none."""
    try:
        found = open_remembered(index.store, fetch="nothing")
    except ProdmatchError as error:
        warnings.append(f"pictures of {index.store} are compared by their vectors alone: {error}")
        return None
    return found if found.mapping.image is not None else None


def _read_labels(
    searchers: tuple[Searcher, Searcher | None], path: Path | None, option: str, warnings: list[str]
) -> LabelledPairs | None:
    """The labelled pairs of a file; None where there is no file of them."""
    if path is None:
        return None
    own, other = searchers
    rows = own.products.row_of, (other or own).products.row_of
    labels = read_labelled_pairs(path, *rows, is_one=other is None, option=option)
    warnings += _left_out(path, labels, option)
    return labels


def _read_training(
    searchers: tuple[Searcher, Searcher | None], path: Path | None, warnings: list[str]
) -> LabelledPairs | None:
    """The labelled pairs to train on; None where there is no file of them."""
    labels = _read_labels(searchers, path, "pairs", warnings)
    if labels is not None:
        check_labels(labels.match)
    return labels


def _decide(
    matcher: Matcher, scored: ScoredPairs, decisions: LabelledPairs | None, warnings: list[str]
) -> Decided:
    """The pairs with what a person decided of them; warns of decisions that are contradicted."""
    if decisions is None:
        return Decided(scored, [])
    decided = matcher.decide(scored, decisions)
    if decided.contradicting:
        one, other = (matcher.name(member)[1] for member in decided.contradicting[0])
        warnings.append(
            f"`decisions`: pairs of which other decisions say the contrary, such as {one!r} and "
            f"{other!r}: {len(decided.contradicting)}. They are not taken for one product."
        )
    if denied := matcher.find_denied(decisions):
        warnings.append(
            "`decisions`: pairs that are decided to be one product, and whose texts, columns or "
            f"prices deny it, such as {denied[0][0]!r} and {denied[0][1]!r}: {len(denied)}. They "
            "are one, as decided."
        )
    return decided


def _train(matcher: Matcher, pairs: LabelledPairs, settings: MatchSettings) -> PairScorer:
    """A scorer trained on labelled pairs."""
    logger.info("training a scorer", extra={"phase": "train"})
    origin = f"{len(pairs.match)} pairs of {(settings.pairs or Path()).name}"
    return train_scorer(matcher.labels(pairs), origin)


def _left_out(path: Path, pairs: LabelledPairs, option: str) -> list[str]:
    """What to warn of in labelled pairs."""
    reasons = {
        f"name products that are not in the index, such as {pairs.unknown_id!r}": pairs.unknown,
        "pair a product with itself": pairs.own,
        "repeat an earlier pair": pairs.repeated,
        "are labelled both as a match and as none": pairs.contradicting,
    }
    return [
        f"`{option}` {path}: pairs that {reason}: {count}. They are left out."
        for reason, count in reasons.items()
        if count
    ]


def _check_out(out: Path) -> None:
    """Checks that files can be written there, before the time that matching takes."""
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise StoreError(f"`out` {path}: is no directory.")
    for name in (PAIRS, GROUPS, SCORES):
        if (out / name).exists() and not (out / name).is_file():
            raise StoreError(f"`out` {out / name}: is there, and is no regular file. Move it away.")


def _compare(index: ProductIndex, against: ProductIndex) -> list[str]:
    """What to warn of where two stores are compared."""
    if index.store.resolve() == against.store.resolve():
        raise QueryError(
            f"`against` {against.store}: is the store itself, where every product is its own match."
            " Leave it out for pairs inside the store."
        )
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
