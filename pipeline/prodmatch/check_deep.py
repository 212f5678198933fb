"""Job: a published catalogue on a map, with the products that look wrong."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.attributes.classifier import unit_parts
from prodmatch.catalogue.naming import name_some
from prodmatch.catalogue.reader import Catalogue
from prodmatch.errors import QueryError, not_installed, require_path
from prodmatch.maps.clusters import find_clusters
from prodmatch.maps.layout import find_neighbours, has_tsne, make_layout
from prodmatch.maps.outliers import (
    Outlier,
    doubt_wrong_pictures,
    near_duplicates,
    wrong_categories,
    wrong_pictures,
)
from prodmatch.maps.pictures import Pictures, collect_pictures
from prodmatch.maps.product_map import DeepReport, ProductMap
from prodmatch.search.product_index import ProductIndex
from prodmatch.storage.atomic import new_file
from prodmatch.storage.product_file import read_rows
from prodmatch.storage.vectors import Rows, draw_rows, split_parts

logger = logging.getLogger(__name__)

MOST_PRODUCTS = 100_000  # on a map; of more some drawn at random
MOST_BYTES = 9_800_000  # of all small pictures; the page holds them in four thirds of that
CATEGORIES = ("category", "product_type", "type", "department")
EXAMPLES = 3


def map_products(
    index: ProductIndex,
    catalogue: Catalogue,
    *,
    colour_by: str | None = None,
    workers: int = 1,
) -> ProductMap:
    """The products of an index as a map: near ones are alike in text and picture.

    Args:
        catalogue: that has the products' pictures.
        colour_by: a column with a colour for each value; a column of categories if None.

    Raises:
        QueryError: there is no such column, fewer than two products, or none in the catalogue.
        DamagedError: the generation cannot be read.
        CatalogueError: the catalogue cannot be read to its end.
    """
    searcher = index.searcher
    count = searcher.generation.product_count
    if count < 2:
        raise QueryError(f"a map needs two products; the index has {count}.")
    column = _choose_column(index, colour_by)
    rows = draw_rows(count, MOST_PRODUCTS)
    logger.info("comparing the products", extra={"phase": "compare the products"})
    vectors = searcher.vectors(rows)
    neighbours, cosines = find_neighbours(vectors)
    with_tsne = has_tsne()
    positions = make_layout(vectors, neighbours, with_tsne=with_tsne)
    table = _read(index, rows, ["product_id", "text", *_titles(index)])
    ids, texts = (table[name].to_pylist() for name in ("product_id", "text"))
    clusters, regions = find_clusters(positions, [text or "" for text in texts])
    categories, codes = _categories(index, rows, column)
    logger.info("looking at the pictures", extra={"phase": "look at the pictures"})
    index_of = {product_id: position for position, product_id in enumerate(ids)}
    there: set[int] = set()

    def position_of(product_id: str) -> int | None:
        position = index_of.get(product_id)
        if position is not None:
            there.add(position)
        return position

    pictures = collect_pictures(
        catalogue, position_of, len(ids), most_bytes=MOST_BYTES, workers=workers
    )
    if not there:
        raise QueryError(
            f"{catalogue.name}: has none of the {len(ids)} products of the index. Give the "
            "catalogue that the store was made from, or its `store`."
        )
    parts = split_parts(unit_parts(vectors))
    outliers = {
        "wrong_picture": wrong_pictures(*parts),
        "wrong_category": wrong_categories(codes, categories, neighbours, cosines),
        "near_duplicate": near_duplicates(neighbours, cosines),
        **_poor_pictures(pictures),
    }
    report = DeepReport(
        products=count,
        shown=len(rows),
        generation=searcher.generation.number,
        layout="t-SNE" if with_tsne else "principal components",
        coloured_by=column,
        clusters=[each.name for each in clusters if each.level == 0],
        pictures=int(pictures.there.sum()),
        outliers={kind: len(found) for kind, found in outliers.items()},
        examples=_examples(outliers, ids),
        warnings=[
            *_warnings(len(rows), count, pictures, with_tsne=with_tsne),
            *doubt_wrong_pictures(len(outliers["wrong_picture"]), *parts),
            *_name_missing(catalogue, [name for at, name in enumerate(ids) if at not in there]),
        ],
    )
    titles = _shown_titles(table)
    return ProductMap(
        report, ids, titles, positions, categories, codes, regions, clusters, outliers, pictures
    )


def write_map(found: ProductMap, out: Path | str) -> None:
    """Writes a map as Parquet: `id`, `x`, `y`, `title`, `category`, `cluster`, `outlier`.

    Raises:
        StoreError: `out` cannot be written.
    """
    out = require_path(out, "out")
    kinds = {each.position: kind for kind, listed in found.outliers.items() for each in listed}
    categories = pa.array([*found.categories, None], pa.string())
    regions = {each.number: each.name for each in found.clusters if each.level == 0}
    table = pa.table(
        {
            "id": pa.array(found.product_ids, pa.string()),
            "x": pa.array(found.positions[:, 0], pa.float32()),
            "y": pa.array(found.positions[:, 1], pa.float32()),
            "title": pa.array(found.titles, pa.string()),
            "category": categories.take(pa.array(found.codes % len(categories))),
            "cluster": pa.array([regions.get(each) for each in found.regions], pa.string()),
            "outlier": pa.array([kinds.get(at) for at in range(len(found.titles))], pa.string()),
        }
    )
    with new_file(out) as file:
        pq.write_table(table, file, compression="zstd")


def _poor_pictures(pictures: Pictures) -> dict[str, list[Outlier]]:
    """Pictures that show nothing, or nothing sharply."""
    return {
        "empty_picture": [
            Outlier(
                position, 1.0, f"brightness varies by {pictures.deviation[position]:.1f} of 255"
            )
            for position in pictures.empty().tolist()
        ],
        "blurred_picture": [
            Outlier(position, 1.0, f"sharpness {pictures.sharpness[position]:.1f}")
            for position in pictures.blurred().tolist()
        ],
    }


def _examples(
    outliers: Mapping[str, Sequence[Outlier]], ids: Sequence[str]
) -> dict[str, list[str]]:
    """The worst of each kind, as a report names them."""
    return {
        kind: [_say(each, ids) for each in found[:EXAMPLES]]
        for kind, found in outliers.items()
        if found
    }


def _say(outlier: Outlier, ids: Sequence[str]) -> str:
    other = "" if outlier.other is None else f" to {ids[outlier.other]}"
    return f"{ids[outlier.position]}: {outlier.detail}{other}"


def _choose_column(index: ProductIndex, colour_by: str | None) -> str | None:
    if colour_by is not None:
        index.products.check_column(colour_by, "colour_by")
        return colour_by
    return next((name for name in CATEGORIES if name in index.products.columns), None)


def _titles(index: ProductIndex) -> list[str]:
    return ["title"] if "title" in index.products.columns else []


def _shown_titles(table: pa.Table) -> list[str]:
    texts = table["text"].to_pylist()
    titles = table["title"].to_pylist() if "title" in table.column_names else texts
    return [str(title or text or "")[:100] for title, text in zip(titles, texts, strict=True)]


def _read(index: ProductIndex, rows: Rows, columns: list[str]) -> pa.Table:
    table = read_rows(index.generation.folder, rows, columns)
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))


def _categories(
    index: ProductIndex, rows: Rows, column: str | None
) -> tuple[tuple[str, ...], Rows]:
    """The values of a column, and the number of each row's, -1 where it has none."""
    if column is None:
        return (), np.full(len(rows), -1, np.int64)
    encoded = _read(index, rows, [column])[column].combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return tuple(encoded.dictionary.to_pylist()), codes


def _name_missing(catalogue: Catalogue, missing: Sequence[str]) -> list[str]:
    """A warning of products on the map that the catalogue does not have."""
    if not missing:
        return []
    return [
        f"{catalogue.name}: lacks {len(missing)} products of the index, whose pictures are not "
        f"shown ({name_some(missing, len(missing))})."
    ]


def _warnings(shown: int, count: int, pictures: Pictures, *, with_tsne: bool) -> list[str]:
    found = []
    if shown < count:
        found.append(f"the map shows {shown} of {count} products, drawn at random.")
    if not with_tsne:
        remark = "products lie on two straight axes without it, which tell little"
        found.append(str(not_installed("openTSNE", remark)))
    if pictures.there.any() and not pictures.sheets:
        found.append("the pictures do not fit into a page, which is without them.")
    return found
