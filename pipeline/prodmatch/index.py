"""Job: embeddings to a published generation; builds, measures, then publishes."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.search.auto_weights import measure_alignment, weights_for
from prodmatch.search.generation_readme import generation_readme
from prodmatch.search.product_db_writer import write_products
from prodmatch.search.scoring import check_weights
from prodmatch.search.vector_index import AnnIndex, Kind, build_index, tune_index
from prodmatch.storage.atomic import (
    check_files,
    link_or_copy,
    lock_store,
    new_file,
    read_json,
    remove_leftovers,
)
from prodmatch.storage.embeddings import Embeddings, require_embeddings, vectors_of
from prodmatch.storage.generations import publish_generation
from prodmatch.storage.vectors import Vectors

__all__ = ["IndexReport", "index_embeddings"]

MEASURED_QUERIES = 100  # each asks twice, of the texts and of the pictures
# Of an embedding's columns, not of the catalogue's.
LEFT_OUT = ("vector", "text_key", "image_key", "row_digest")


@dataclass(frozen=True)
class IndexReport:
    """What was published."""

    generation: int
    products: int
    type: str
    dim: int
    recall_at_10: float  # of both parts of text queries, against the exact neighbours
    agreement: float | None  # of texts and pictures: how well the model knows the catalogue
    weights: Mapping[str, float]  # of the signals, for queries that name none
    bytes: int
    seconds: float
    model: str

    def as_dict(self) -> dict[str, object]:
        """Names and values, for JSON."""
        return asdict(self)


def index_embeddings(
    store: Path,
    *,
    model: Model | None = None,
    weights: Mapping[str, float] | None = None,
    kind: Kind = "auto",
) -> IndexReport:
    """Builds an index over a store's newest embeddings, measures it, and publishes it.

    Args:
        store: what `embed_catalogue` filled.
        model: the one that the embeddings must be of, if the caller cares.
        weights: of the signals, for queries that name none. If None, those of the model, its
            vectors counted as far as it knows the catalogue (`measure_alignment`).
        kind: of the index over the vectors; `auto` is exact up to 200,000 products.

    Raises:
        QueryError: the weights cannot be used.
        StoreError: there are no embeddings, or the store cannot be written.
        MismatchError: the embeddings are another model's.
        DamagedError: a file's bytes changed since they were written.
        LockedError: another run writes to the store.
    """
    started = time.monotonic()
    chosen = None if weights is None else check_weights(weights)
    with lock_store(store):
        remove_leftovers(store)
        embeddings = require_embeddings(store)
        encoders = _find_encoders(store, embeddings)
        _check_model(embeddings, model)
        rows, dim = embeddings.row_count, 2 * encoders.dim
        index = build_index(lambda: _vectors(embeddings), rows, dim, kind)
        recall = _measure(index, embeddings, encoders)
        agreement = measure_alignment(embeddings)
        chosen = chosen or weights_for(encoders.description.weights, agreement)

        def fill(folder: Path) -> Mapping[str, object]:
            index.save(folder / "index.faiss")
            _write_products(embeddings, folder)
            for path in sorted(encoders.folder.iterdir()):
                if path.name != "manifest.json":
                    link_or_copy(path, folder / "encoders" / path.name)
            entries = {
                "products": embeddings.row_count,
                "dim": index.dim,
                "type": index.kind,
                "recall_at_10": round(recall, 4),
                "model": embeddings.manifest["model"],
                "model_fingerprint": embeddings.manifest["model_fingerprint"],
                "embeddings": embeddings.digest,
                "features": embeddings.features,
                "agreement": None if agreement is None else round(agreement, 4),
                "weights": chosen,
            }
            with new_file(folder / "README.md") as file:
                file.write(generation_readme(entries).encode())
            return entries

        generation = publish_generation(store, fill)
    return IndexReport(
        generation=generation.number,
        products=generation.product_count,
        type=index.kind,
        dim=index.dim,
        recall_at_10=round(recall, 4),
        agreement=None if agreement is None else round(agreement, 4),
        weights=chosen,
        bytes=sum(path.stat().st_size for path in generation.folder.rglob("*") if path.is_file()),
        seconds=round(time.monotonic() - started, 2),
        model=str(embeddings.manifest["model"]),
    )


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
            "Embed the catalogue with this model first, or index without --model."
        )


def _vectors(embeddings: Embeddings) -> Iterator[Vectors]:
    for batch in embeddings.batches(["vector"]):
        yield vectors_of(batch["vector"])


def _measure(index: AnnIndex, embeddings: Embeddings, encoders: QueryEncoders) -> float:
    """Recall@10 of a few words of some products, as a person would ask: not stored vectors."""
    texts = _sample_queries(embeddings)
    if not texts:
        return 1.0  # pictures alone: the exact index has nothing to miss
    parts = encoders.texts(texts)
    nothing = np.zeros_like(parts)
    # As a query is asked: its vector against the texts, and then against the pictures.
    queries = np.concatenate([np.hstack([parts, nothing]), np.hstack([nothing, parts])])
    return tune_index(index, queries, lambda: _vectors(embeddings), 10)


def _sample_queries(embeddings: Embeddings) -> list[str]:
    rng = np.random.default_rng(0)
    wanted = set(
        np.linspace(0, embeddings.row_count - 1, MEASURED_QUERIES, dtype=np.int64).tolist()
    )
    queries, start = [], 0
    for batch in embeddings.batches(["text"]):
        for row in sorted(row for row in wanted if start <= row < start + len(batch)):
            words = (batch["text"][row - start].as_py() or "").split()[:20]
            if words:
                first = int(rng.integers(len(words)))
                queries.append(" ".join(words[first : first + int(rng.integers(1, 5))]))
        start += len(batch)
    return queries


def _write_products(embeddings: Embeddings, folder: Path) -> None:
    columns = [name for name in embeddings.schema.names if name not in LEFT_OUT]
    schema = pa.schema([embeddings.schema.field(name) for name in columns])
    with (
        new_file(folder / "products.parquet") as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for batch in embeddings.batches(columns):
            writer.write_batch(batch)
    write_products(folder / "products.sqlite", schema, embeddings.batches(columns))
