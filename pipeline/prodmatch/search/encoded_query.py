"""Encoded queries: a query as the words and the unit vectors that the signals search with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.pictures.images import UnusableImage, decode_image, remedy_of
from prodmatch.errors import QueryError
from prodmatch.lexical.folding import write_letters_plainly
from prodmatch.lexical.forms.compounds import expand_compounds
from prodmatch.lexical.forms.regional import expand_regional, respell
from prodmatch.lexical.forms.sizes import expand_sizes, find_sizes, unsearched_sizes
from prodmatch.lexical.free_of import find_doubtful
from prodmatch.lexical.languages import words_of
from prodmatch.lexical.spelling import Correction, correct_spelling
from prodmatch.lexical.synonyms import Expansion, Synonyms, describe, rewrite
from prodmatch.lexical.understanding import Phrases, Understanding, understand
from prodmatch.model.hubness import penalised_image_query, plain_image_query
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.model.preprocessing import Pixels
from prodmatch.products.prices import are_pounds_money, conditions, say_paid, say_why_not
from prodmatch.products.product_db import Products
from prodmatch.search.queries import Query, clean_text
from prodmatch.storage.vectors import Rows, Vectors, normalise

# Of words with a picture ("like this, but blue"): docs/experiments.md.
TEXT_WEIGHT = 1.8
UNREAD = "searched for as words; no limit of a price was understood."
REMEDY = "Give a condition with `where`"
RULED_PRODUCTS = 10  # that a word of a rule counts as in, where a mistyped one is corrected
LOOKED_AT = 50  # products, for whether a column is searched
MIN_KNOWLEDGE = 0.3  # share of a text that the encoder knows; of less it has no vector
LEAST_CERTAINTY = 0.25  # of a query all of whose words are in no vocabulary and no product


def _no_rows() -> Rows:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class EncodedQuery:
    """A query as the signals search with it: words, and a unit vector for each part."""

    words: str | None  # None where the query has no text
    text: Vectors  # (dim,) unit, meets the text parts
    image: Vectors  # (dim,) unit, meets the image parts
    left_out: Rows = field(default_factory=_no_rows)  # rows that are no answer
    where: tuple[str, ...] = ()  # SQL conditions that all hits meet, besides the search's own
    top: int | None = None  # hits wanted; None for as many as the search gives
    offset: int | None = None  # hits on earlier pages; None for those of the search
    weights: Mapping[str, float] | None = None  # of the signals; None to choose them
    without: tuple["Excluded", ...] = ()  # what hits must not contain or show
    wanted: tuple[str, ...] = ()  # what hits must not say that they have none of
    knowledge: float = 1.0  # share of the text that the encoder knows
    certainty: float = 1.0  # that probabilities are times, as far as its words are known
    familiarity: float = 1.0  # of the text, to a model that learnt from some shops: 0 to 1
    searched_for: str | None = None  # the words, where they are not those typed
    understood: str | None = None  # what the text says besides words
    hints: tuple[str, ...] = ()
    has_image: bool = False  # whether the query has a picture
    expansions: tuple[Expansion, ...] = ()  # parts of the words that synonyms are known for


@dataclass(frozen=True)
class Excluded:
    """What hits must not contain or show: words, and their vector `(dim,)`."""

    words: str
    text: Vectors


@dataclass(frozen=True)
class Items:
    """Products of the index: their rows and their two parts, in the order of their ids."""

    rows: Rows
    text: Vectors  # (n, dim), rows of zeros where a product has no text
    image: Vectors  # (n, dim), likewise


@dataclass(frozen=True)
class QueryEncoder:
    """Encodes queries with the encoders of a generation and the words of its products."""

    encoders: QueryEncoders
    products: Products
    synonyms: Synonyms

    def encode(
        self, queries: Sequence[Query], *, exact: bool, expand: bool
    ) -> list[EncodedQuery | QueryError]:
        """Each query encoded, in order, or the error that names what is wrong with it.

        Texts and pictures are encoded in batches. Queries by id are not encoded here.

        Args:
            queries: texts, pictures, or both.
            exact: whether every word is searched as it was typed.
            expand: whether synonyms are searched for too.
        """
        read = [self._read(query, exact=exact, expand=expand) for query in queries]
        good = [each for each in read if not isinstance(each, QueryError)]
        texts = zip(*self._encode_texts([each.encoded for each in good]), strict=True)
        pictures = iter(self._encode_pictures([each.pixels for each in good]))
        return [
            each
            if isinstance(each, QueryError)
            else self._encode(each, *next(texts), next(pictures))
            for each in read
        ]

    def _encode(
        self, read: "_ReadQuery", text: Vectors, familiarity: float, picture: Vectors
    ) -> EncodedQuery:
        """A query with its vectors `(dim,)`, which are zeros where it has no text or picture."""
        phrases, query = read.understanding.without, read.query
        knowledge = self.encoders.knowledge(read.encoded) if read.encoded else 1.0
        if knowledge < MIN_KNOWLEDGE:
            text = np.zeros_like(text)
        vectors, _ = self._encode_texts([self._shown(phrase) for phrase in phrases])
        return EncodedQuery(
            read.apart or read.words,
            normalise(TEXT_WEIGHT * text + picture),
            normalise(TEXT_WEIGHT * penalised_image_query(text) + picture),
            where=(*read.where, *(() if query.where is None else (query.where,))),
            top=query.top,
            offset=query.offset,
            without=(*map(Excluded, phrases, vectors), *self._contained(read)),
            wanted=read.understanding.wanted,
            knowledge=knowledge if read.pixels is None else 1.0,
            certainty=_certainty(read) if read.pixels is None else 1.0,
            familiarity=float(familiarity),
            searched_for=read.searched_for,
            understood=read.understood,
            hints=read.hints,
            has_image=read.pixels is not None,
            expansions=read.expansions,
        )

    def _contained(self, read: "_ReadQuery") -> Iterator["Excluded"]:
        """What hits must not contain, though they may look like it: alcohol-free beer."""
        for name in read.understanding.free_of:
            yield Excluded(name, np.zeros(self.encoders.dim, np.float32))

    def _shown(self, phrase: str) -> str | None:
        """A phrase that products may show or mean; None for sizes, codes and unknown words.

        What is free of alcohol looks like what is not.
        """
        is_denial = phrase.endswith("free")
        if (
            is_denial
            or any(map(str.isdigit, phrase))
            or self.encoders.knowledge(phrase) < MIN_KNOWLEDGE
        ):
            return None
        return phrase

    def _read(self, query: Query, *, exact: bool, expand: bool) -> "_ReadQuery | QueryError":
        try:
            typed = clean_text(query)
            read = _ReadQuery(query, typed, Understanding(typed or ""), self._preprocess(query))
        except QueryError as error:
            return error
        if typed is None or len(self.products.rows_named(typed)):
            return read
        if not exact:
            read = self._understand(read, typed)
        return self._expand(read) if expand else read

    def _understand(self, query: "_ReadQuery", typed: str) -> "_ReadQuery":
        """The query with its words corrected, and with what its text says besides words."""
        typed = write_letters_plainly(typed)
        read = self._read_text(typed)
        columns = self.products.price_columns
        hints = tuple(f"{text!r}: {UNREAD} {REMEDY}" for text in read.unread)
        if read.limits and (reason := say_why_not(read.limits, columns) or self._say_unmet(read)):
            limits = " and ".join(limit.condition("price") for limit in read.limits)
            hints += (f"{limits}: not applied, as {reason}. {REMEDY}",)
            is_price = columns or all(limit.currency for limit in read.limits)
            read = replace(read, limits=()) if is_price else self._read_text(typed, limits=False)
        correction = self._correct(read.words)
        right = (self._correct(phrase).text for phrase in read.without)
        without = [each for phrase in right for each in respell(phrase, self._spelled(phrase, ()))]
        hints += tuple(f"{word!r}: is in no vocabulary" for word in correction.unknown)
        hints += tuple(
            f"'{name}-free': searched for as words; '-{name}' leaves out what contains it"
            for name in find_doubtful(read.words, self.products.contains_phrase)
            if name not in read.free_of
        )
        hints += tuple(
            f"{size!r}: looked for in the searched text, and column {name!r} is none. {REMEDY}"
            for size in find_sizes(typed)
            for name in self._unsearched_sizes
        )
        if read.is_all_negative:
            hints += (f"{typed!r}: names only what is not wanted; searched for as it stands",)
        where = tuple(conditions(read.limits, columns))
        read = replace(read, words=correction.text, without=tuple(without))
        found = replace(query, understanding=read, where=where, hints=hints)
        return replace(found, apart=correction.apart, unknown=correction.unknown)

    def _say_unmet(self, read: Understanding) -> str | None:
        """That no product meets limits without a currency: "toys under 3" may be of an age."""
        if any(limit.currency for limit in read.limits):
            return None
        where = " AND ".join(conditions(read.limits, self.products.price_columns))
        return None if len(self.products.rows_where(where)) else "no product has such a price"

    def _read_text(self, typed: str, *, limits: bool = True) -> Understanding:
        products = self.products
        pounds = are_pounds_money(products.price_columns)
        own = words_of(products.language)
        contains, is_term = products.contains_phrase, products.contains_term
        known = Phrases(contains, is_term, products.contains_name, pounds, own)
        read = understand(typed, known, limits=limits)
        free_of, wanted = (filter(products.may_lack, each) for each in (read.free_of, read.wanted))
        return replace(read, free_of=tuple(free_of), wanted=tuple(wanted))

    @cached_property
    def _unsearched_sizes(self) -> list[str]:
        products = self.products
        some = products.metadata(range(min(LOOKED_AT, products.row_count)))
        return unsearched_sizes(
            some, lambda row, text: len(products.match(text, np.array([row])).rows) > 0
        )

    def _expand(self, read: "_ReadQuery") -> "_ReadQuery":
        """The query with the synonyms of its words, and their spellings in other countries."""
        words = read.understanding.words
        rules = self.synonyms.expand(words)
        known = self._compounds(words, rules)
        found = self._spelled(words, known)
        if not found or read.understanding.is_all_negative:
            return read
        apart = read.apart or words
        if apart != words:
            found = self._spelled(apart, self._compounds(apart, self.synonyms.expand(apart)))
        return replace(
            read,
            expansions=found,
            described=describe(words, known) if known else None,
            rewritten=self._rewrite(words, rules),
        )

    def _compounds(self, words: str, rules: Sequence[Expansion]) -> tuple[Expansion, ...]:
        products = self.products
        return expand_compounds(words, rules, products.compounds_of, products.language)

    def _spelled(self, words: str, rules: Sequence[Expansion]) -> tuple[Expansion, ...]:
        language = self.products.language
        known = expand_regional(words, rules, self._count, language)
        return expand_sizes(words, known, self.products.says, language)

    def _rewrite(self, words: str, rules: Sequence[Expansion]) -> str:
        """The words as the catalogue has them, for the encoder."""
        words = rewrite(words, rules, self.products.count_of_phrase)
        return rewrite(words, expand_regional(words, (), self._count), self._count)

    def _count(self, word: str) -> int:
        """How many products contain a word letter for letter, or with another "s"."""
        return max(self.products.counts([word, word.removesuffix("s"), f"{word}s"]))

    def _correct(self, words: str) -> Correction:
        """The words corrected, but for those that a rule of the shop's has."""
        is_right = self.synonyms.has_word if self.synonyms else None
        lexicon = _Lexicon(self.products, self.encoders, self.synonyms)
        return correct_spelling(words, lexicon, is_right)

    def _preprocess(self, query: Query) -> Pixels | None:
        if query.image is None:
            return None
        try:
            return self.encoders.preprocess(decode_image(query.image, self.encoders.least_size))
        except UnusableImage as error:
            raise QueryError(
                f"query {query.query_id!r}: the picture cannot be used ({error}). "
                f"{remedy_of(error.reason)}"
            ) from error

    def _encode_texts(self, texts: Sequence[str | None]) -> tuple[Vectors, npt.NDArray[np.float64]]:
        """Parts `(n, dim)`, of zeros where there is no text, and how familiar each text is."""
        parts = np.zeros((len(texts), self.encoders.dim), dtype=np.float32)
        familiar = np.ones(len(texts))
        rows = [row for row, text in enumerate(texts) if text]
        if rows:
            found = self.encoders.texts_and_familiarity([texts[row] or "" for row in rows])
            parts[rows], familiar[rows] = found
        return parts, familiar

    def _encode_pictures(self, pictures: Sequence[Pixels | None]) -> Vectors:
        parts = np.zeros((len(pictures), self.encoders.dim), dtype=np.float32)
        rows = [row for row, pixels in enumerate(pictures) if pixels is not None]
        if rows:
            stacked = np.stack([pixels for pixels in pictures if pixels is not None])
            parts[rows] = plain_image_query(self.encoders.pictures(stacked))
        return parts


@dataclass(frozen=True)
class _ReadQuery:
    """A query ready to be encoded."""

    query: Query
    typed: str | None
    understanding: Understanding
    pixels: Pixels | None
    where: tuple[str, ...] = ()  # conditions of the limits that its text says
    hints: tuple[str, ...] = ()
    apart: str | None = None  # its words where products say one of them as two
    expansions: tuple[Expansion, ...] = ()  # of its words
    unknown: tuple[str, ...] = ()  # words in no vocabulary
    described: str | None = None  # its words with their synonyms, for a person
    rewritten: str | None = None  # its words as products say them

    @property
    def words(self) -> str | None:
        """What is searched for; None where the query has no text."""
        return None if self.typed is None else self.understanding.words

    @property
    def encoded(self) -> str | None:
        """The text that is encoded."""
        return self.rewritten or self.words

    @property
    def searched_for(self) -> str | None:
        """What is searched for, for a person; None where it is what was typed."""
        found = self.described or self.words
        return None if found == self.typed else found

    @property
    def understood(self) -> str | None:
        """What its text says besides words, for a person."""
        understanding = self.understanding
        left_out = [f"without {name}" for name in (*understanding.without, *understanding.free_of)]
        wanted = [f"with {name}" for name in understanding.wanted]
        return "; ".join([*left_out, *wanted, *map(say_paid, self.where)]) or None


def _certainty(read: "_ReadQuery") -> float:
    """What probabilities are multiplied by: a quarter where no word is known."""
    letters = sum(map(str.isalnum, read.words or ""))
    unknown = sum(map(str.isalnum, "".join(read.unknown)))
    return 1.0 - (1.0 - LEAST_CERTAINTY) * unknown / max(letters, 1)


def encode_items(text: Vectors, image: Vectors, left_out: Rows) -> EncodedQuery:
    """A query from parts `(dim,)` of products; a missing part is imputed from the other."""
    return EncodedQuery(None, *item_parts(text, image), left_out)


def item_parts(text: Vectors, image: Vectors) -> tuple[Vectors, Vectors]:
    """The parts of queries from parts `(..., dim)` of products, a missing one imputed."""
    text, image = normalise(text), plain_image_query(image)
    has_text, has_image = (part.any(axis=-1, keepdims=True) for part in (text, image))
    return (
        np.where(has_text, text, image),
        np.where(has_image, image, penalised_image_query(text)),
    )


def query_vector(encoded: EncodedQuery, weights: Mapping[str, float]) -> Vectors:
    """The unit vector `(2 * dim,)` whose inner products with products' vectors rank them.

    Raises:
        QueryError: the query has no vector with these weights of `text` and `image`.
    """
    parts = weights["text"] * encoded.text, weights["image"] * encoded.image
    vector = normalise(np.concatenate(parts))
    if not vector.any():
        raise QueryError(
            "the query has no vector: the model knows none of its words, or `weights` names "
            "neither text nor image."
        )
    return vector


class _Lexicon:
    """The words of the products; where none of them contains one, of the encoder and the rules."""

    def __init__(self, products: Products, encoders: QueryEncoders, synonyms: Synonyms) -> None:
        self.product_count = products.row_count
        self.counts, self.count_of_both = products.counts, products.count_of_both
        self.contains_phrase, self.says = products.contains_phrase, products.says
        self.written_apart, self.compounds_of = products.written_apart, products.compounds_of
        self.knows = encoders.knows
        self._products, self._encoders, self._synonyms = products, encoders, synonyms

    def words_like(self, letter: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        """Words of that first letter and of these lengths, with the count of their products."""
        found = self._products.words_like(letter, shortest, longest)
        found += [(word, 0) for word in self._encoders.words_like(letter, shortest, longest)]
        lengths = range(shortest, longest + 1)
        words = (each for each in self._synonyms.words if each[0] == letter)
        ruled = (word for word in words if len(word) in lengths and word.isalpha())
        return found + [(word, RULED_PRODUCTS) for word in ruled]
