"""The products of a generation: the embedded ones, with what the shop says of them and of words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from prodmatch.catalogue.records import read_records
from prodmatch.errors import CatalogueError, QueryError, StoreError, require_path
from prodmatch.lexical.languages import ENGLISH, LANGUAGES, detect_language
from prodmatch.lexical.synonym_files import read_synonyms
from prodmatch.lexical.synonyms import Synonyms
from prodmatch.products.product_db_writer import write_products
from prodmatch.progress import bars_off
from prodmatch.storage.atomic import new_file
from prodmatch.storage.embeddings import Embeddings
from prodmatch.storage.product_file import GROUP_COLUMN, PRODUCT_FILE
from prodmatch.storage.settings import read_settings, write_settings
from prodmatch.storage.vectors import draw_rows, rows_in_batch

# Of an embedding's columns, not of the catalogue's.
LEFT_OUT = ("vector", "text_key", "image_key", "row_digest")
ID = "product_id"
OWN_SIDE = "left"  # of two stores that `match` compares
MOST_TEXTS = 2_000  # that tell the language, by their first characters
MOST_CHARACTERS = 500
AUTO = "auto"  # the language that texts tell
FileChoice = Path | str | Literal[False] | None


@dataclass(frozen=True)
class ShopFiles:
    """Files of the shop's own, read and checked at each run, and the language of its texts."""

    # A file of them; the one of the store if None, and none from now on if False.
    synonyms: FileChoice = None
    # A file of products and their groups, such as `match` writes, which gives them a column
    # `group_id`; else as for the synonyms.
    groups: FileChoice = None
    # One of `LANGUAGES`, whose rules words are stemmed by; the store's if None, and the one that
    # the texts themselves tell if `auto`.
    language: str | None = None


@dataclass(frozen=True)
class ProductGroups:
    """Which group a product is in; one that is in none has no value.

    Attributes:
        path: the file.
        group_of: the group of each product that is in one, by their ids.
    """

    path: Path
    group_of: Mapping[str, str]

    def add_to_schema(self, schema: pa.Schema) -> pa.Schema:
        """A schema of products with the column.

        Raises:
            CatalogueError: it has a column of this name.
        """
        if GROUP_COLUMN in schema.names:
            raise CatalogueError(
                f"`groups` {self.path}: the catalogue has a column {GROUP_COLUMN!r} of its own. "
                "Give it another name there, or leave `groups` away."
            )
        return schema.append(pa.field(GROUP_COLUMN, pa.string()))

    def count(self, product_ids: pa.Array) -> int:
        """How many of these are in a group."""
        return sum(each in self.group_of for each in product_ids.to_pylist())

    def add_to(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Products with the column, in their order."""
        column = pa.array(map(self.group_of.get, batch[ID].to_pylist()), pa.string())
        return pa.record_batch([*batch.columns, column], self.add_to_schema(batch.schema))


@dataclass(frozen=True)
class GenerationProducts:
    """What a generation says of its products."""

    embeddings: Embeddings
    synonyms: Synonyms
    groups: ProductGroups | None

    @property
    def columns(self) -> list[str]:
        """Those of the embeddings that are the catalogue's."""
        return [name for name in self.embeddings.schema.names if name not in LEFT_OUT]

    def schema(self) -> pa.Schema:
        """Names and types of a product.

        Raises:
            CatalogueError: the column of the groups is one of the catalogue's.
        """
        embedded = self.embeddings.schema
        schema = pa.schema([embedded.field(name) for name in self.columns])
        return schema if self.groups is None else self.groups.add_to_schema(schema)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The products in order, some thousands at a time."""
        for batch in self.embeddings.batches(self.columns):
            yield batch if self.groups is None else self.groups.add_to(batch)

    def count_grouped(self) -> int | None:
        """How many are in a group; None where there are none."""
        if self.groups is None:
            return None
        return sum(self.groups.count(batch[ID]) for batch in self.embeddings.batches([ID]))

    def warnings(self, grouped: int | None) -> list[str]:
        """Of groups that no product is in, by how many are in one."""
        if self.groups is None or grouped:
            return []
        ids = self.groups.group_of
        return [
            f"`groups` {self.groups.path}: no product has one of the {len(ids)} ids there; the "
            f"first are {[*islice(ids, 3)]}. Give the ids of the catalogue."
        ]

    def write(self, folder: Path) -> None:
        """Writes them as Parquet, and as a database of their columns and words."""
        schema = self.schema()
        with (
            new_file(folder / PRODUCT_FILE) as file,
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
        ):
            for batch in self.batches():
                writer.write_batch(batch)
        rows = self.embeddings.row_count
        with tqdm(total=rows, desc="products", unit="product", disable=bars_off()) as progress:
            batches = _counted(self.batches(), progress.update)
            write_products(folder / "products.sqlite", schema, batches, self.synonyms)


def find_language(embeddings: Embeddings) -> str:
    """The language of most texts, as `detect_language` tells it of some drawn all over."""
    drawn, start, texts = draw_rows(embeddings.row_count, MOST_TEXTS), 0, list[str]()
    for batch in embeddings.batches(["text"]):
        rows = rows_in_batch(drawn, start, len(batch))
        begun = pc.utf8_slice_codeunits(batch["text"], 0, MOST_CHARACTERS)
        texts += filter(None, begun.take(pa.array(rows)).to_pylist())
        start += len(batch)
    return detect_language(texts)


def read_shop_files(
    store: Path, files: ShopFiles | None = None, language: str | None = None
) -> tuple[Synonyms, ProductGroups | None]:
    """The synonyms and groups of the files given, or else of the store's.

    Args:
        store: whose files they are where none is given.
        files: those given.
        language: of the words; the one given or the store's if None, else English.

    Raises:
        SynonymsError: the file of synonyms cannot be used.
        CatalogueError: the file of groups cannot be used.
        StoreError: the language is none.
    """
    language = language or chosen_language(store, files) or ENGLISH
    found = _choose_files(store, files or ShopFiles())
    rules, groups = Synonyms([], language), None
    if found.synonyms:
        rules = read_synonyms(require_path(found.synonyms, "synonyms"), language)
    if found.groups:
        groups = read_groups(require_path(found.groups, "groups"))
    return rules, groups


def chosen_language(store: Path, files: ShopFiles | None) -> str | None:
    """The language given, or else the store's; None where the texts are to tell it."""
    chosen = _choose_files(store, files or ShopFiles()).language
    if chosen in (None, AUTO):
        return None
    if chosen not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise StoreError(f"`language` {chosen!r}: is none. Give one of {AUTO}, {known}.")
    return chosen


def _choose_files(store: Path, files: ShopFiles) -> ShopFiles:
    """The files given, and the store's where none is."""
    settings = read_settings(store) or ShopFiles()
    return ShopFiles(
        settings.synonyms if files.synonyms is None else files.synonyms,
        settings.groups if files.groups is None else files.groups,
        settings.language if files.language is None else files.language,
    )


def remember_shop_files(store: Path, files: ShopFiles) -> None:
    """Notes where the store's files are and its language, or that it has none any more."""
    settings = read_settings(store)
    if settings is not None:
        found = _choose_files(store, files)
        synonyms, groups = (
            Path(file).absolute() if file else None for file in (found.synonyms, found.groups)
        )
        language = None if found.language == AUTO else found.language
        now = replace(settings, synonyms=synonyms, groups=groups, language=language)
        if now != settings:
            write_settings(store, now)


def _counted(
    batches: Iterator[pa.RecordBatch], update: Callable[[int], object]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        update(len(batch))


def read_groups(path: Path) -> ProductGroups:
    """The groups of a file with `product_id` and `group_id`; of the left side, where it has sides.

    Args:
        path: Parquet, CSV or JSON lines, such as the `groups.parquet` of `match`.

    Raises:
        CatalogueError: the file cannot be read, a row lacks one of the two, or a product is in two
            groups.
    """
    if not path.is_file():
        what = "is no regular file" if path.exists() else "there is no such file"
        raise CatalogueError(
            f"`groups` {path}: {what}. Give one, or take the store's away with `no_groups`."
        )
    try:
        records = read_records(path, "`groups`")
    except QueryError as error:
        raise CatalogueError(str(error)) from error
    found: dict[str, str] = {}
    for number, record in enumerate(records, start=1):
        place = f"`groups` {path}: row {number}"
        product_id, group_id = (_text(record.get(name)) for name in (ID, GROUP_COLUMN))
        if product_id is None or group_id is None:
            lacking = ID if product_id is None else GROUP_COLUMN
            raise CatalogueError(
                f"{place}: has no text or number as {lacking!r} (its columns are "
                f"{', '.join(map(repr, record))}). Each row needs a {ID!r} and a "
                f"{GROUP_COLUMN!r}, as in the groups.parquet of `match()`."
            )
        if record.get("side", OWN_SIDE) != OWN_SIDE:
            continue
        if found.setdefault(product_id, group_id) != group_id:
            raise CatalogueError(
                f"{place}: product {product_id!r} is in {group_id!r}, and was in "
                f"{found[product_id]!r}. A product can be in one group."
            )
    return ProductGroups(path, found)


def _text(value: object) -> str | None:
    """An id as text; None of what is none. In pandas, a NULL makes 12.0 of 12."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_id = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not is_id or value != value:  # what NaN alone is not equal to
        return None
    return str(value).encode(errors="ignore").decode() or None
