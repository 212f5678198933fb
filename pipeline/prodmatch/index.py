"""Job: embeddings to a published generation; builds, measures, then publishes."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.lexical.synonym_files import read_synonyms
from prodmatch.lexical.synonyms import NAME as SYNONYMS
from prodmatch.lexical.synonyms import Synonyms, write_synonyms
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products
from prodmatch.progress import bars_off
from prodmatch.search.auto_weights import measure_alignment, weights_for
from prodmatch.search.generation_readme import generation_readme
from prodmatch.search.scoring import check_weights
from prodmatch.search.vector_index import AnnIndex, Kind, build_index, tune_index
from prodmatch.storage.atomic import (
    check_files,
    link_or_copy,
    new_file,
    read_json,
    remove_leftovers,
)
from prodmatch.storage.embeddings import Embeddings, require_embeddings, vectors_of
from prodmatch.storage.generations import Generation, publish_generation
from prodmatch.storage.locks import lock_store
from prodmatch.storage.settings import read_settings, write_settings
from prodmatch.storage.vectors import Vectors, normalise, split_parts

logger = logging.getLogger(__name__)

QUERIES = 100  # that tune an index, and as many others that measure it
NEIGHBOURS = 10
NOISE = 0.5  # of a picture's vector of length 1: a cosine of .89, as of another photograph
MOST_NAMED = 20  # words that no product contains
SynonymsChoice = Path | str | Literal[False] | None
# Of an embedding's columns, not of the catalogue's.
LEFT_OUT = ("vector", "text_key", "image_key", "row_digest")


@dataclass(frozen=True)
class IndexReport:
    """What was published."""

    generation: int
    products: int
    type: str
    dim: int
    recall_at_10: float | None  # of queries that did not tune it; None where none can be made
    agreement: float | None  # of texts and pictures: how well the model knows the catalogue
    weights: Mapping[str, float]  # of the signals, for queries that name none
    synonyms: int  # rules of the shop's own, by the words they are for
    bytes: int
    seconds: float
    model: str
    warnings: list[str]


def index_embeddings(
    store: Path,
    *,
    model: Model | None = None,
    weights: Mapping[str, float] | None = None,
    kind: Kind = "auto",
    min_recall: float = 0.95,
    synonyms: SynonymsChoice = None,
) -> IndexReport:
    """Builds an index over a store's newest embeddings, measures it, and publishes it.

    How much of the index a query looks at is tuned on some queries, and its recall measured on
    others.

    Args:
        store: what `embed_catalogue` filled.
        model: the one that the embeddings must be of, if the caller cares.
        weights: of the signals, for queries that name none. If None, those of the model, its
            vectors counted as far as it knows the catalogue (`measure_alignment`).
        kind: of the index over the vectors; `auto` is exact up to 200,000 products.
        min_recall: share of the ten nearest that queries must find; below it nothing is
            published.
        synonyms: a file of them, read and checked each time; the one of the store if None, and
            none from now on if False.

    Raises:
        SynonymsError: the file of synonyms cannot be used.
        QueryError: the weights cannot be used.
        StoreError: there are no embeddings, the store cannot be written, or the index finds too
            little; the generation published before stays.
        MismatchError: the embeddings are another model's.
        DamagedError: a file's bytes changed since they were written.
        LockedError: another run writes to the store.
    """
    started = time.monotonic()
    chosen = None if weights is None else check_weights(weights)
    with lock_store(store):
        remove_leftovers(store)
        rules = find_synonyms(store, synonyms)
        embeddings = require_embeddings(store)
        encoders = _find_encoders(store, embeddings)
        _check_model(embeddings, model)
        index, measured = _build(embeddings, encoders, kind, min_recall, chosen)
        measured["synonyms"] = len(rules.rules)
        logger.info("writing the generation", extra={"phase": "publish"})
        fill = partial(_fill, index, embeddings, encoders, rules, measured)
        generation = publish_generation(store, fill)
        _remember(store, synonyms)
    files = [path for path in generation.folder.rglob("*") if path.is_file()]
    return IndexReport(
        generation=generation.number,
        products=generation.product_count,
        bytes=sum(path.stat().st_size for path in files),
        seconds=round(time.monotonic() - started, 2),
        warnings=_warn_of_unknown(generation, rules),
        **measured,
    )


def _build(
    embeddings: Embeddings,
    encoders: QueryEncoders,
    kind: Kind,
    min_recall: float,
    weights: Mapping[str, float] | None,
) -> tuple[AnnIndex, dict[str, Any]]:
    """An index over the embeddings that finds enough, and what the manifest says of it."""
    rows, dim = embeddings.row_count, 2 * encoders.dim
    logger.info("indexing %d products", rows, extra={"phase": "index", "products": rows})
    index = build_index(lambda: _vectors(embeddings), rows, dim, kind)
    logger.info("measuring the index (%s)", index.kind, extra={"phase": "measure"})
    recall = _measure(index, embeddings, encoders)
    _check_recall(index, recall, min_recall)
    agreement = measure_alignment(embeddings)
    return index, {
        "type": index.kind,
        "dim": index.dim,
        "recall_at_10": recall,
        "agreement": None if agreement is None else round(agreement, 4),
        "weights": weights or weights_for(encoders.description.weights, agreement),
        "model": embeddings.manifest["model"],
    }


def find_synonyms(store: Path, synonyms: SynonymsChoice = None) -> Synonyms:
    """The rules of the file given, or else of the store's.

    Raises:
        SynonymsError: the file cannot be used.
    """
    settings = read_settings(store)
    if synonyms is None and settings is not None:
        synonyms = settings.synonyms
    return read_synonyms(Path(synonyms)) if synonyms else Synonyms([])


def _remember(store: Path, synonyms: SynonymsChoice) -> None:
    """Notes where the store's synonyms are, or that it has none any more."""
    settings = read_settings(store)
    if synonyms is not None and settings is not None:
        path = Path(synonyms).resolve() if synonyms else None
        write_settings(store, replace(settings, synonyms=path))


def _warn_of_unknown(generation: Generation, rules: Synonyms) -> list[str]:
    """Which words of the synonyms no product contains."""
    if not rules:
        return []
    products = Products.open(generation.folder / "products.sqlite", generation.product_count)
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
    embeddings: Embeddings,
    encoders: QueryEncoders,
    rules: Synonyms,
    measured: Mapping[str, object],
    folder: Path,
) -> Mapping[str, object]:
    """Writes the files of a generation; gives the entries of its manifest."""
    index.save(folder / "index.faiss")
    _write_products(embeddings, rules, folder)
    if rules:
        write_synonyms(folder / SYNONYMS, rules)
    for path in sorted(encoders.folder.iterdir()):
        if path.name != "manifest.json":
            link_or_copy(path, folder / "encoders" / path.name)
    entries = {
        **measured,
        "products": embeddings.row_count,
        "model_fingerprint": embeddings.manifest["model_fingerprint"],
        "embeddings": embeddings.digest,
        "features": embeddings.features,
    }
    with new_file(folder / "README.md") as file:
        file.write(generation_readme(entries).encode())
    return entries


def _find_encoders(store: Path, embeddings: Embeddings) -> QueryEncoders:
    fingerprint = str(embeddings.manifest["model_fingerprint"])
    folder = store / "encoders" / fingerprint[:32]
    if not (folder / "manifest.json").exists():
        raise StoreError(
            f"{folder}: the query encoders of the embeddings are missing. "
            "Run 'prodmatch embed' again; it encodes nothing twice."
        )
    files = read_json(folder / "manifest.json").get("files")
    check_files(folder, files if isinstance(files, dict) else {}, digests=True)
    encoders = QueryEncoders(folder)
    if encoders.model_fingerprint != fingerprint:
        raise DamagedError(
            f"{folder}: are the encoders of another model than the embeddings'. "
            "Remove the directory and run 'prodmatch embed' again."
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


def _vectors(embeddings: Embeddings) -> Iterator[Vectors]:
    for batch in embeddings.batches(["vector"]):
        yield vectors_of(batch["vector"])


def _measure(index: AnnIndex, embeddings: Embeddings, encoders: QueryEncoders) -> float | None:
    """Tunes an index and measures its recall@10; None where no query can be made."""
    texts = _sample_texts(embeddings)
    pictures = _picture_queries(embeddings, 2 * QUERIES - len(texts), index.dim)
    tuning, measuring = (
        np.concatenate([_text_queries(texts[first::2], encoders), pictures[first::2]])
        for first in (0, 1)
    )
    if not len(measuring):
        return None
    recall = tune_index(index, tuning, measuring, lambda: _vectors(embeddings), NEIGHBOURS)
    return round(recall, 4)


def _check_recall(index: AnnIndex, recall: float | None, min_recall: float) -> None:
    if recall is not None and recall < min_recall:
        others = "`kind=flat`" if index.is_coded else "`kind=flat`, or `kind=sq8` for large ones"
        raise StoreError(
            f"the index ({index.kind}) finds {recall:.3f} of the {NEIGHBOURS} nearest products of "
            f"queries that did not tune it, less than `min_recall={min_recall:g}`; nothing is "
            f"published. Use {others}, or lower `min_recall`."
        )


def _text_queries(texts: Sequence[str], encoders: QueryEncoders) -> Vectors:
    """As the signals ask: each text against the text parts, and then against the image parts."""
    parts = encoders.texts(texts)
    nothing = np.zeros_like(parts)
    return np.concatenate([np.hstack([parts, nothing]), np.hstack([nothing, parts])])


def _sample_texts(embeddings: Embeddings) -> list[str]:
    """A few words of products all over the catalogue, as a person would ask; none twice."""
    rng, queries = np.random.default_rng(0), []
    chosen = _evenly_spaced(_rows_with(embeddings, "has_text"), 2 * QUERIES)
    start = 0
    for batch in embeddings.batches(["text"]):
        for row in chosen[(chosen >= start) & (chosen < start + len(batch))].tolist():
            words = (batch["text"][row - start].as_py() or "").split()[:20]
            if words:
                first = int(rng.integers(len(words)))
                queries.append(" ".join(words[first : first + int(rng.integers(1, 5))]))
        start += len(batch)
    return list(dict.fromkeys(queries))


def _picture_queries(embeddings: Embeddings, count: int, dim: int) -> Vectors:
    """The image parts of products all over the catalogue, each moved at random: `(n, dim)`.

    Stored vectors themselves would be found too easily.
    """
    chosen = _evenly_spaced(_rows_with(embeddings, "has_image"), max(0, count))
    queries, start = np.zeros((len(chosen), dim), np.float32), 0
    for batch in embeddings.batches(["vector"]) if len(chosen) else ():
        inside = (chosen >= start) & (chosen < start + len(batch))
        rows = pa.array(chosen[inside] - start)
        queries[inside] = vectors_of(batch["vector"].take(rows))
        start += len(batch)
    _, image = split_parts(queries)
    noise = normalise(np.random.default_rng(0).normal(size=image.shape))
    moved = normalise(normalise(image) + NOISE * noise)
    return np.hstack([np.zeros_like(moved), moved])


def _rows_with(embeddings: Embeddings, column: str) -> npt.NDArray[np.int64]:
    masks = [batch[column].to_numpy(zero_copy_only=False) for batch in embeddings.batches([column])]
    return np.flatnonzero(np.concatenate(masks)) if masks else np.zeros(0, np.int64)


def _evenly_spaced(rows: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most `count` of these ascending rows, at even distances."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return rows[chosen]


def _write_products(embeddings: Embeddings, rules: Synonyms, folder: Path) -> None:
    columns = [name for name in embeddings.schema.names if name not in LEFT_OUT]
    schema = pa.schema([embeddings.schema.field(name) for name in columns])
    with (
        new_file(folder / "products.parquet") as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for batch in embeddings.batches(columns):
            writer.write_batch(batch)
    rows = embeddings.row_count
    with tqdm(total=rows, desc="products", unit="product", disable=bars_off()) as progress:
        batches = _counted(embeddings.batches(columns), progress.update)
        write_products(folder / "products.sqlite", schema, batches, rules)


def _counted(
    batches: Iterator[pa.RecordBatch], update: Callable[[int], object]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        update(len(batch))
