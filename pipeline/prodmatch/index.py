"""Job: embeddings to a published generation; builds, measures, then publishes."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prodmatch.engines.ray import open_ray_pool
from prodmatch.engines.units import open_thread_pool
from prodmatch.errors import DamagedError, MismatchError, ProdmatchError, StoreError, require_path
from prodmatch.lexical.synonyms import NAME as SYNONYMS
from prodmatch.lexical.synonyms import Synonyms, write_synonyms
from prodmatch.lexical.terms import WORD_RULES
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.products.product_db import Products
from prodmatch.search.auto_weights import measure_alignment, weights_for
from prodmatch.search.generation_products import (
    GenerationProducts,
    ShopFiles,
    chosen_language,
    find_language,
    read_shop_files,
    remember_shop_files,
)
from prodmatch.search.generation_readme import generation_readme
from prodmatch.search.scoring import check_weights
from prodmatch.search.vectors.index_builder import (
    Kind,
    build_index,
    choose_kinds,
    searching_bytes,
)
from prodmatch.search.vectors.index_queries import make_queries
from prodmatch.search.vectors.list_pieces import ShardedVectors, Trained
from prodmatch.search.vectors.part_lists import PARTS
from prodmatch.search.vectors.trained_lists import find_trained, is_drifted
from prodmatch.search.vectors.vector_index import (
    WANTED_RECALL,
    AnnIndex,
    measure_milliseconds,
    tune_index,
)
from prodmatch.storage.atomic import (
    check_files,
    link_or_copy,
    read_json,
    remove_leftovers,
    write_file,
)
from prodmatch.storage.embeddings import Embeddings, require_embeddings
from prodmatch.storage.generations import Generation, gone_back_to, publish_generation
from prodmatch.storage.locks import lock_store, require_newest, share_store
from prodmatch.storage.temporary import scratch_directory

logger = logging.getLogger(__name__)

NEIGHBOURS = 10
SPARE = 0.25  # of what an index may miss: it is tuned on other queries than it is measured with
MOST_NAMED = 20  # words that no product contains


@dataclass(frozen=True)
class IndexLimits:
    """What an index must reach to be published, and what builds it."""

    min_recall: float = 0.95  # share of the ten nearest that queries find
    memory: float | None = None  # GiB that it may take while it answers; None for any
    engine: str = "local"  # or ray: the machines of a cluster fill lists of codes


@dataclass(frozen=True)
class IndexReport:
    """What was published."""

    generation: int
    products: int
    type: str
    dim: int
    recall_at_10: float | None  # of queries that did not tune it; None where none can be made
    milliseconds: float | None  # of a processor for such a query, on one thread
    index_bytes: int  # that it takes in memory while it answers, about
    trained: Mapping[str, int] | None  # of lists: how many rows they were trained on, and so on
    agreement: float | None  # text-image alignment: how well the model knows the catalogue
    weights: Mapping[str, float]  # of the signals, for queries that name none
    language: str  # whose rules words are stemmed by
    synonyms: int  # rules of the shop's own, by the words they are for
    grouped: int | None  # products in a group of the shop's own; None where it has no groups
    bytes: int
    seconds: float
    model: str
    warnings: list[str]


def index_embeddings(
    store: Path | str,
    *,
    model: Model | None = None,
    weights: Mapping[str, float] | None = None,
    kind: Kind = "auto",
    limits: IndexLimits | None = None,
    files: ShopFiles | None = None,
) -> IndexReport:
    """Builds an index over a store's newest embeddings, measures it, and publishes it.

    How much of the index a query looks at is tuned on some queries, and its recall measured on
    others.

    Args:
        model: the one that the embeddings must be of, if the caller cares.
        weights: of the signals, for queries that name none. If None, those of the model, its
            vectors counted as far as it knows the catalogue (`measure_alignment`).
        kind: of the index over the vectors; of `auto` the first that finds enough of those that
            `choose_kinds` names: exact up to 200,000 products.
        limits: what the index must find, and may take, and what builds it; below the recall
            nothing is published.

    Raises:
        SynonymsError: the file of synonyms cannot be used.
        CatalogueError: the file of groups cannot be used.
        QueryError: the weights cannot be used.
        StoreError: there are no embeddings, the store cannot be written, the language is none, or
            the index finds too little; the generation published before stays.
        MismatchError: the embeddings are another model's.
        DamagedError: a file's bytes changed since they were written.
        LockedError: another run writes to the store.
    """
    store = require_path(store, "store")
    started, limits = time.monotonic(), limits or IndexLimits()
    chosen = None if weights is None else check_weights(weights)
    if limits.engine == "ray":
        share_store(store)
    with lock_store(store):
        remove_leftovers(store)
        embeddings = require_embeddings(store)
        language = chosen_language(store, files) or find_language(embeddings)
        rules, groups = read_shop_files(store, files, language)
        back = _warn_of_going_back(store, embeddings)
        products = GenerationProducts(embeddings, rules, groups)
        products.schema()  # refused before an index is built
        encoders = _find_encoders(store, embeddings)
        _check_model(embeddings, model)
        rows, dim = embeddings.row_count, 2 * encoders.dim
        logger.info("indexing %d products", rows, extra={"phase": "index", "products": rows})
        kinds = choose_kinds(kind, rows, dim, limits.memory)
        with scratch_directory(store) as scratch:
            open_pool = open_ray_pool if limits.engine == "ray" else open_thread_pool
            vectors = ShardedVectors.of(embeddings, open_pool)
            job = _Job(store, embeddings, encoders, scratch, vectors)
            index, measured = _choose(job, kinds, limits.min_recall)
            measured |= {"weights": chosen or measured["weights"], "synonyms": len(rules.rules)}
            measured |= {"grouped": (grouped := products.count_grouped())}
            measured |= {"language": rules.language}
            logger.info("writing the generation", extra={"phase": "publish"})
            fill = partial(_fill, index, products, encoders, measured)
            generation = publish_generation(store, fill)
        if files is not None:
            remember_shop_files(store, files)
    return IndexReport(
        generation=generation.number,
        products=generation.product_count,
        bytes=_bytes_of(generation),
        seconds=round(time.monotonic() - started, 2),
        warnings=[*back, *_warn_of_unknown(generation, rules), *products.warnings(grouped)],
        **measured,
    )


@dataclass(frozen=True)
class _Job:
    """What an index is made of, and where its files lie meanwhile."""

    store: Path
    embeddings: Embeddings
    encoders: QueryEncoders
    scratch: Path
    vectors: ShardedVectors


def _bytes_of(generation: Generation) -> int:
    return sum(path.stat().st_size for path in generation.folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class _Built:
    """An index that was built, and what was measured of it."""

    kind: Kind
    index: AnnIndex
    recall: float | None
    milliseconds: float | None
    trained: Mapping[str, int] | None


def _choose(job: _Job, kinds: Sequence[Kind], min_recall: float) -> tuple[AnnIndex, dict[str, Any]]:
    """The first index that finds enough, and what the manifest says of it."""
    wanted = max(WANTED_RECALL, min_recall + (1 - min_recall) * SPARE)
    first, *others = kinds
    built = _try(job, first, wanted)
    for kind in others:
        if built.recall is None or built.recall >= min_recall:
            break
        built = _try(job, kind, wanted)
    _check_recall(built.index, built.recall, min_recall)
    embeddings, encoders = job.embeddings, job.encoders
    alignment = measure_alignment(embeddings)
    return built.index, {
        "type": built.index.kind,
        "dim": built.index.dim,
        "recall_at_10": built.recall,
        "milliseconds": built.milliseconds,
        "index_bytes": searching_bytes(built.kind, embeddings.row_count, built.index.dim),
        "trained": built.trained,
        "agreement": None if alignment is None else round(alignment, 4),
        "weights": weights_for(encoders.description.weights, alignment),
        "model": embeddings.manifest["model"],
    }


def _try(job: _Job, kind: Kind, wanted: float) -> _Built:
    """An index of a kind, with the centroids of the one published last while these serve."""
    earlier = find_trained(job.store, job.embeddings, kind)
    built = _build(job, kind, wanted, earlier)
    if earlier is None or not is_drifted(built.index, earlier):
        return built
    logger.info("the vectors have drifted: training new lists", extra={"phase": "index"})
    return _build(job, kind, wanted, None)


def _build(job: _Job, kind: Kind, wanted: float, earlier: Trained | None) -> _Built:
    """An index over the embeddings, tuned and measured."""
    embeddings, encoders = job.embeddings, job.encoders
    rows, dim = embeddings.row_count, 2 * encoders.dim
    try:
        index = build_index(job.vectors, rows, dim, kind, earlier, job.scratch)
    except ProdmatchError:  # perhaps of files that the next run removed
        require_newest(job.store)
        raise
    logger.info("measuring the index (%s)", index.kind, extra={"phase": "measure"})
    queries = make_queries(embeddings, encoders, dim, tuned=bool(index.breadths))
    if not len(queries.measuring):
        return _Built(kind, index, None, None, None)
    recall = tune_index(
        index,
        queries.tuning,
        queries.measuring,
        job.vectors,
        NEIGHBOURS,
        wanted=wanted,
    )
    milliseconds = round(measure_milliseconds(index, queries.measuring, NEIGHBOURS), 3)
    lists: dict[str, int] | None = None
    if index.lists is not None:
        now = {"rows": rows, **dict(zip(PARTS, index.breadths, strict=True))}
        lists = now if earlier is None else dict(earlier.described)
    return _Built(kind, index, round(recall, 4), milliseconds, lists)


def _warn_of_going_back(store: Path, embeddings: Embeddings) -> list[str]:
    """That the embeddings are of a night that was taken back, where they are."""
    current = gone_back_to(store, embeddings.digest)
    if current is None:
        return []
    return [
        f"these are the embeddings of a night that the store went back from, to generation "
        f"{current.number}; `embed(catalogue)` makes new ones"
    ]


def _warn_of_unknown(generation: Generation, rules: Synonyms) -> list[str]:
    """Which words of the synonyms no product contains."""
    if not rules:
        return []
    path = generation.folder / "products.sqlite"
    products = Products.open(path, generation.product_count, rules.language)
    unknown = products.unknown_phrases(rules)
    products.close()
    if not unknown:
        return []
    more = len(unknown) - MOST_NAMED
    names = ", ".join(unknown[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return [
        f"synonyms: no product contains {len(unknown)} of their {len(rules.phrases)} words: {names}"
    ]


def _fill(
    index: AnnIndex,
    products: GenerationProducts,
    encoders: QueryEncoders,
    measured: Mapping[str, object],
    folder: Path,
) -> Mapping[str, object]:
    """Writes the files of a generation; gives the entries of its manifest."""
    index.save(folder / "index.faiss")
    embeddings = products.embeddings
    products.write(folder)
    if products.synonyms:
        write_synonyms(folder / SYNONYMS, products.synonyms)
    for path in sorted(encoders.folder.iterdir()):
        if path.name != "manifest.json":
            link_or_copy(path, folder / "encoders" / path.name)
    entries = {
        **measured,
        "products": embeddings.row_count,
        "model_fingerprint": embeddings.manifest["model_fingerprint"],
        "embeddings": embeddings.digest,
        "features": embeddings.features,
        "word_rules": WORD_RULES,
    }
    write_file(folder / "README.md", generation_readme(entries))
    return entries


def _find_encoders(store: Path, embeddings: Embeddings) -> QueryEncoders:
    fingerprint = str(embeddings.manifest["model_fingerprint"])
    folder = store / "encoders" / fingerprint[:32]
    if not (folder / "manifest.json").exists():
        raise StoreError(
            f"{folder}: the query encoders of the embeddings are missing. "
            "Run `embed()` again; it encodes nothing twice."
        )
    files = read_json(folder / "manifest.json").get("files")
    check_files(folder, files if isinstance(files, dict) else {}, digests=True)
    encoders = QueryEncoders(folder)
    if encoders.model_fingerprint != fingerprint:
        raise DamagedError(
            f"{folder}: are the encoders of another model than the embeddings'. "
            "Remove the directory and run `embed()` again."
        )
    return encoders


def _check_model(embeddings: Embeddings, model: Model | None) -> None:
    found = str(embeddings.manifest["model_fingerprint"])
    if model is not None and found != model.fingerprint:
        raise MismatchError(
            f"{embeddings.folder}: was made with the model {embeddings.manifest['model']!r} "
            f"({found[:12]}), not with {model.label}. "
            "Embed the catalogue with this model first, or leave `model` away."
        )


def _check_recall(index: AnnIndex, recall: float | None, min_recall: float) -> None:
    if recall is not None and recall < min_recall:
        others = "`kind=flat`" if index.is_coded else "`kind=flat`, or `kind=sq8` for large ones"
        raise StoreError(
            f"the index ({index.kind}) finds {recall:.3f} of the {NEIGHBOURS} nearest products of "
            f"queries that did not tune it, less than `min_recall={min_recall:g}`; nothing is "
            f"published. Use {others}, or lower `min_recall`."
        )
