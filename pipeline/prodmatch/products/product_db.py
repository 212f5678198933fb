"""Products in SQLite: the catalogue's columns, filters over them, and BM25 over the text."""

import functools
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prodmatch.errors import DamagedError, QueryError, StoreError
from prodmatch.lexical.bm25 import Matches, PostingsReader
from prodmatch.lexical.forms.compounds import compounds_ending_with, compounds_of
from prodmatch.lexical.languages import ENGLISH, words_of
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Expansion, Synonyms, read_phrase
from prodmatch.lexical.terms import split_terms
from prodmatch.products import phrases
from prodmatch.products.codes import list_codes, list_names, rows_of_codes
from prodmatch.products.column_storage import quote_name, restorer
from prodmatch.products.conditions import nearest_values
from prodmatch.products.filters import OWN, connect, find_rows, suggest_values
from prodmatch.products.prices import PriceColumn, read_price_columns
from prodmatch.storage.generations import advise_instead_of
from prodmatch.storage.vectors import Rows

if TYPE_CHECKING:
    from prodmatch.products.column_codes import ColumnCodes

NO_ROWS = np.zeros(0, np.int64)
DECLARED = "SELECT name, type FROM pragma_table_info('products')"
WORDS = 512  # remembered, each with its compounds
FILTERS = 8  # remembered; a service asks within the same few again and again
COLUMNS = 16  # remembered, each with four bytes a product
COUNT = "ifnull(CAST(count AS INTEGER), 0)"  # a number, whatever damage made of it


class Products:
    """The products of a generation, read only; any number of threads may share it.

    Each call takes a connection that no other thread uses meanwhile; `close` closes them all.
    """

    @classmethod
    def open(cls, path: Path, row_count: int, language: str) -> "Products":
        """The products of a file, whose words are of a language.

        Raises:
            DamagedError: they are not as many.
        """
        products = cls(path, language)
        if products.row_count != row_count:
            found = products.row_count
            products.close()
            raise products._damage(f"holds {found} products; the manifest says {row_count}")
        return products

    def __init__(self, path: Path, language: str = ENGLISH) -> None:
        self.path, self.language = path, language
        self._idle: list[_Reader] = [_Reader(connect(path))]
        self._closed = False
        self._lock = threading.Lock()
        #: The rows that an SQL condition holds for; the last few conditions are remembered.
        self.rows_where = functools.lru_cache(FILTERS)(self._rows_where)
        #: The rows that say that they have none of something, ascending: "alcohol-free".
        self.rows_denying = functools.lru_cache(FILTERS)(self._rows_denying)
        #: The words of products that are compounds with a word; those of the last words are kept.
        self.compounds_of = functools.lru_cache(WORDS)(self._compounds_of)
        #: A column as codes; the last few columns are remembered.
        self.codes = functools.lru_cache(COLUMNS)(self._codes)

    def close(self) -> None:
        """Closes the connections; those in use are closed by the calls that use them."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().connection.close()

    @cached_property
    def row_count(self) -> int:
        """How many products there are."""
        with self._connection() as connection:
            (found,) = connection.execute("SELECT max(row) FROM products").fetchone()
        return 0 if found is None else int(found) + 1

    @cached_property
    def _declared(self) -> dict[str, str]:
        """The types of the catalogue's columns in SQLite."""
        with self._connection() as connection:
            declared = {
                name: kind for name, kind in connection.execute(DECLARED) if name not in OWN
            }
            if not declared:
                raise LookupError("it has no table of products")
            return declared

    @cached_property
    def columns(self) -> list[str]:
        """The names of the catalogue's columns, `product_id` first."""
        return list(self._declared)

    @cached_property
    def _restorers(self) -> dict[str, Callable[[object, str | None], object]]:
        """What brings back values of the columns that SQLite has no type for."""
        found = {name: restorer(kind) for name, kind in self._declared.items()}
        return {name: restore for name, restore in found.items() if restore is not None}

    def match(
        self, query: str, within: Rows | None = None, expansions: Sequence[Expansion] = ()
    ) -> Matches:
        """The rows that contain a word of the query, above them those whose id it has in it.

        Args:
            within: ascending rows; others are left out.
            expansions: the parts of the query that synonyms are known for.
        """
        with self._postings() as postings:
            matches = postings.match(query, within, expansions)
        named = self.rows_named(query)
        if within is not None and len(named):
            named = np.intersect1d(named, within, assume_unique=True)
        return matches.with_named(named)

    def rows_with_most(self, query: str, expansions: Sequence[Expansion] = ()) -> Rows:
        """The rows that contain most of a query, or whose id it has in it; ascending."""
        with self._postings() as postings:
            rows = postings.rows_with_most(query, expansions)
        return np.union1d(rows, self.rows_named(query))

    def rows_named(self, text: str) -> Rows:
        """The rows whose id, or another code, is this text or one in it, in any case; ascending."""
        ids = list_names(text)
        forms = {form for each in ids for form in (each, each.upper(), each.lower())}
        rows = {row for form in forms if (row := self.row_of(form)) is not None}
        with self._connection() as connection:
            return np.union1d(
                np.array([*rows], np.int64), rows_of_codes(connection, list_codes(text))
            )

    def _rows_where(self, condition: str) -> Rows:
        """The rows that an SQL condition over the catalogue's columns holds for, ascending."""
        rows = find_rows(self.path, condition)
        if np.any((rows < 0) | (rows >= self.row_count)):
            raise self._damage("holds rows beyond its own count")
        rows.flags.writeable = False  # as it is shared
        return rows

    @cached_property
    def price_columns(self) -> list[PriceColumn]:
        """The columns that are prices by their names."""
        with self._connection() as connection:
            return read_price_columns(connection)

    @cached_property
    def number_columns(self) -> list[str]:
        """The columns of numbers and of booleans."""
        return [name for name, kind in self._declared.items() if kind != "TEXT"]

    def check_column(self, name: str, parameter: str) -> None:
        """Checks that there is such a column."""
        if name in self.columns:
            return
        near = " or ".join(nearest_values(name, self.columns))
        remedy = f"; did you mean {near}?" if near else "."
        names = ", ".join(self.columns)[:300]
        raise QueryError(f"`{parameter}`: there is no column {name!r}{remedy} There are {names}.")

    def _codes(self, name: str) -> "ColumnCodes":
        """A column as codes, which are read from the generation's Parquet file."""
        from prodmatch.products.column_codes import read_codes  # it loads Arrow

        found = read_codes(self.path.parent, name)
        if len(found.codes) != self.row_count:
            count = len(found.codes)
            raise self._damage(f"has {self.row_count} products, products.parquet {count}")
        return found

    def rows_with(self, words: str) -> Rows:
        """The rows that contain all these words in any form, ascending.

        What says that it has none of it does not contain it: "alcohol-free", "no alcohol".
        """
        with self._postings() as postings:
            rows = postings.rows_with(words)
        return np.setdiff1d(rows, self.rows_denying(words), assume_unique=True)

    def _rows_denying(self, words: str) -> Rows:
        own = words_of(self.language)
        with self._postings() as postings:
            rows = postings.rows_with(words)
            glued = [postings.rows_of(word) for word in phrases.denying_words(words, own)]
            denying = [postings.rows_of(word) for word in (*phrases.DENYING, *own.without)]
        doubtful = rows[np.isin(rows, np.concatenate(denying))][: phrases.MOST_DENYING]
        texts = self.metadata(doubtful)
        denied = phrases.contained(phrases.denial_pattern(words, own), texts)
        denied &= ~phrases.contained(phrases.having_pattern(words, own), texts)
        found = np.unique(np.concatenate([doubtful[denied], *glued]).astype(np.int64))
        found.flags.writeable = False  # as it is shared
        return found

    def may_lack(self, words: str) -> bool:
        """Whether so many products say that they have none of something as is no chance."""
        denying = len(self.rows_denying(words))
        return denying > 0 and denying >= phrases.TERM_SHARE * len(self.rows_with(words))

    def contains_term(self, words: Sequence[str]) -> bool:
        """Whether so many products with the last word contain them in order as is no chance."""
        with self._postings() as postings:
            least = phrases.TERM_SHARE * postings.count_of(words[-1])
        return len(words) > 1 and self._count_in_order(words) > least

    def contains_name(self, words: Sequence[str]) -> bool:
        """Whether most products with the first word, or with the last, contain them in order."""
        with self._postings() as postings:
            least = phrases.NAME_SHARE * min(map(postings.count_of, (words[0], words[-1])))
        return len(words) > 1 and self._count_in_order(words) > least

    def contains_phrase(self, words: Sequence[str]) -> bool:
        """Whether a product contains these words one behind the other, as they are typed."""
        return self.says(words[0]) if len(words) == 1 else self._count_in_order(words) > 0

    def _count_in_order(self, words: Sequence[str]) -> float:
        """How many products contain these words in order, about, where all are in many."""
        with self._postings() as postings:
            rows = phrases.rows_of_all(split_terms(" ".join(words)), postings)
        texts = self.metadata(rows[: phrases.MOST_ROWS])
        found = phrases.contained(phrases.phrase_pattern(words), texts)
        return float(found.sum()) / max(len(found), 1) * len(rows)

    def written_apart(self, word: str) -> str:
        """How products write a word that none contains, with signs in it: "gsr 12v-15"."""
        if not phrases.may_be_apart(word):
            return ""
        with self._postings() as postings:
            rows = NO_ROWS if postings.begins_any(word) else phrases.rows_of_parts(word, postings)
        return phrases.find_writing(word, self.metadata(rows))

    def suggest_values(self, condition: str) -> list[str]:
        """For each text that a condition wants and no product has, the values that may be meant."""
        return suggest_values(self.path, condition)

    def metadata(self, rows: Sequence[int] | Rows) -> list[dict[str, object]]:
        """The catalogue's columns of these rows, in their order."""
        names = ", ".join(quote_name(name) for name in self.columns)
        restorers = self._restorers
        found: dict[int, dict[str, object]] = {}
        with self._connection() as connection:
            for start in range(0, len(rows), 500):
                block = [int(row) for row in rows[start : start + 500]]
                marks = ",".join("?" * len(block))
                for row, *values in connection.execute(
                    f"SELECT row, {names} FROM products WHERE row IN ({marks})", block
                ):
                    found[row] = dict(zip(self.columns, values, strict=True))
                if restorers:
                    query = f"SELECT row, name, value FROM exact WHERE row IN ({marks})"
                    exact = {
                        (row, name): text for row, name, text in connection.execute(query, block)
                    }
                    for row in block:
                        for name, restore in restorers.items():
                            found[row][name] = restore(found[row][name], exact.get((row, name)))
            return [found[int(row)] for row in rows]

    def ids(self, rows: Rows) -> list[str]:
        """The ids of these rows, in their order."""
        found: dict[int, str] = {}
        with self._connection() as connection:
            for start in range(0, len(rows), 500):
                block = rows[start : start + 500].tolist()
                marks = ",".join("?" * len(block))
                query = f"SELECT row, product_id FROM products WHERE row IN ({marks})"
                found.update(connection.execute(query, block))
            return [str(found[row]) for row in rows.tolist()]

    def row_of(self, product_id: str) -> int | None:
        """The row of a product, None where there is none of this id.

        One whose id has spaces around it is found without them too.
        """
        if not _is_text(product_id):  # what a shell gives for bytes that are not UTF-8
            return None
        with self._connection() as connection:
            found = (
                connection.execute(
                    "SELECT row FROM products WHERE product_id = ?", (product_id,)
                ).fetchone()
                or connection.execute(
                    "SELECT row FROM products WHERE trim(product_id) <> product_id "
                    "AND trim(product_id) = ? ORDER BY row",
                    (product_id.strip(),),
                ).fetchone()
            )
            return None if found is None else int(found[0])

    def titles(self, product_ids: Iterable[str]) -> dict[str, str]:
        """The titles of those of these products that there are and that have one."""
        rows = {product_id: self.row_of(product_id) for product_id in product_ids}
        known = {product_id: row for product_id, row in rows.items() if row is not None}
        found = zip(known, self.metadata(list(known.values())), strict=True)
        return {each: str(title) for each, values in found if (title := values.get("title"))}

    def counts(self, words: Sequence[str]) -> list[int]:
        """How many products contain each word, letter for letter; 0 for what is no word."""
        query = f"SELECT {COUNT} FROM vocabulary WHERE word = ?"
        with self._connection() as connection:
            found = (connection.execute(query, (word,)).fetchone() for word in words)
            return [int((each or (0,))[0]) for each in found]

    def says(self, word: str) -> bool:
        """Whether a product contains the word or another of its stem."""
        with self._postings() as postings:
            return postings.count_of(word) > 0

    def _compounds_of(self, word: str) -> list[str]:
        """The words of products that begin or end with a folded one that no product contains.

        In a language that writes nouns in one, those that end with one that products contain too.
        """
        find = compounds_ending_with if self.says(word) else compounds_of
        with self._connection() as connection:
            return find(word, connection, self.language)

    def unknown_phrases(self, synonyms: Synonyms) -> list[str]:
        """The sides of rules that no product contains."""
        return [phrase for phrase in synonyms.phrases if not self.count_of_phrase(phrase)]

    def count_of_phrase(self, phrase: str) -> int:
        """How many products contain a word, or a phrase that is a side of a rule."""
        with self._postings() as postings:
            return postings.count_of(read_phrase(phrase, Stemmer(self.language)).posting)

    def count_of_both(self, one: str, other: str) -> int:
        """How many products contain both words, in any form."""
        with self._postings() as postings:
            return len(phrases.rows_of_all([one, other], postings))

    def words_like(self, letter: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        """The words of the products with that first letter and of these lengths, and counts."""
        with self._connection() as connection:
            return connection.execute(
                f"SELECT CAST(word AS TEXT), {COUNT} FROM vocabulary WHERE word >= ? AND word < ? "
                "AND length(word) BETWEEN ? AND ?",
                (letter, chr(ord(letter) + 1), shortest, longest),
            ).fetchall()

    def _damage(self, found: str) -> DamagedError:
        return DamagedError(f"{self.path}: {found}. {advise_instead_of(self.path.parent)}")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._reader() as reader:
            yield reader.connection

    @contextmanager
    def _postings(self) -> Iterator[PostingsReader]:
        row_count, language = self.row_count, self.language
        with self._reader() as reader:
            if reader.postings is None:
                reader.postings = PostingsReader(reader.connection, row_count, language)
            yield reader.postings

    @contextmanager
    def _reader(self) -> Iterator["_Reader"]:
        """What reads for one call; what damaged bytes lead to is raised as such.

        `LookupError` is rows that are not there, `ValueError` names and arrays that are cut,
        `TypeError` a number that is none.
        """
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.path}: is closed. Open the index again.")
            reader = self._idle.pop() if self._idle else _Reader(connect(self.path))
        try:
            yield reader
        except (sqlite3.DatabaseError, LookupError, ValueError, TypeError) as error:
            raise self._damage(f"cannot be read ({error})") from error
        finally:
            with self._lock:
                if self._closed:
                    reader.connection.close()
                else:
                    self._idle.append(reader)


@dataclass
class _Reader:
    """A connection, and its reader of postings once that is needed."""

    connection: sqlite3.Connection
    postings: PostingsReader | None = None


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
