"""Job: synonyms that a catalogue suggests, for a person to review."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.lexical.languages import words_of
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Synonyms
from prodmatch.lexical.terms import split_tokens
from prodmatch.lexical.word_lists.known_words import level_of
from prodmatch.products.product_db import Products
from prodmatch.search.product_index import ProductIndex
from prodmatch.storage.generations import Generation
from prodmatch.storage.product_file import open_products
from prodmatch.storage.vectors import Vectors, draw_rows, normalise, rows_in_batch

MOST_TEXTS = 200_000  # of a catalogue; equal ones count once
MOST_TOKENS = 40  # of a text: its title and the beginning of its description
MIN_PRODUCTS = 12  # that contain a word, for its contexts to say something
MOST_WORDS, MOST_PHRASES = 3_000, 1_000
COHESION = 0.05  # of a phrase: count² over the counts of its two words
FRAGMENT = 0.5  # of a phrase's occurrences, next to one word: it is part of a longer phrase
CONTEXT_WORDS = 2_000
WINDOW = 2  # words before, and as many behind
SMOOTHING = 0.75  # of how often context words occur, as word2vec has it
# docs/experiments.md
MIN_SIMILARITY, MIN_CONTEXTS = 0.66, 0.1
MOST_TOGETHER = 0.1  # of the products of the rarer one
CONTEXT_POWER = 0.25
SIZES = frozenset("xsml")


@dataclass(frozen=True)
class Suggestion:
    """Two words or phrases that may stand for one another."""

    words: tuple[str, str]  # the one that more products contain first
    score: float  # of the next three, 0 to 1
    similarity: float  # cosine of their text vectors, the mean of all words' taken off
    contexts: float  # cosine of the words around them
    both: int  # products that contain both
    products: tuple[int, int]  # that contain each

    def as_line(self) -> str:
        """A line of a file of synonyms, with what speaks for it as a comment."""
        one, other = self.products
        return (
            f"{', '.join(self.words)}  # {self.score:.2f}: vectors {self.similarity:.2f}, "
            f"contexts {self.contexts:.2f}, {one} and {other} products, {self.both} with both"
        )


@dataclass(frozen=True)
class _Terms:
    """Words and phrases that may have synonyms."""

    stems: list[tuple[str, ...]]
    names: list[str]  # in the form that most texts have


def suggest_synonyms(index: ProductIndex, *, top: int = 100) -> list[Suggestion]:
    """Pairs of words that a catalogue uses alike, best first; no word stands in two.

    The text encoder finds their meanings near, they have the same words around them, and they are
    seldom in one text. Forms that the index joins, parts of one another and rules that the
    generation has already are left out. Words that mean different things in the same
    contexts, such as colours and sizes, come through where the encoder finds them near: the list
    is for a person to read.

    Raises:
        DamagedError: the generation cannot be read.
    """
    searcher = index.searcher
    texts = _read_texts(searcher.generation)
    terms = _find_terms(texts, searcher.synonyms.language)
    if len(terms.names) < 2:
        return []
    contexts = _measure_contexts(texts, terms)
    vectors = searcher.encoders.texts(terms.names)
    vectors = normalise(vectors - vectors.mean(axis=0))
    pairs = _near_pairs(vectors, contexts, terms)
    rated = [
        _rate(searcher.products, terms, pair, float(similarity), float(context))
        for pair, similarity, context in pairs
        if _is_new(searcher.synonyms, [terms.names[number] for number in pair])
    ]
    rated = [each for each in rated if each.both <= MOST_TOGETHER * min(each.products)]
    rated.sort(key=lambda each: (-each.score, each.words))
    used: set[str] = set()
    kept: list[Suggestion] = []
    for each in rated:
        if used.isdisjoint(each.words):
            kept.append(each)
            used.update(each.words)
    return kept[:top]


def _read_texts(generation: Generation) -> list[list[str]]:
    """The tokens of the texts, each different text once; of many, some drawn at random."""
    rows = draw_rows(generation.product_count, MOST_TEXTS)
    known: set[bytes] = set()
    texts: list[list[str]] = []
    with open_products(generation.folder) as file:
        start = 0
        for batch in file.iter_batches(8192, columns=["text"]):
            drawn = pa.array(rows_in_batch(rows, start, len(batch)))
            for text in batch["text"].take(drawn).to_pylist():
                key = hashlib.blake2b((text or "").encode(), digest_size=8).digest()
                if text and key not in known:
                    known.add(key)
                    texts.append([token.text for token in split_tokens(text)[:MOST_TOKENS]])
            start += len(batch)
    return texts


def _find_terms(texts: list[list[str]], language: str) -> _Terms:
    """The words and phrases that enough texts have; the texts become their stems, in place."""
    written: Counter[str] = Counter(word for text in texts for word in text)
    stem_of = dict(zip(written, Stemmer(language).stems(written), strict=True))
    form: dict[str, str] = {}
    for word, _ in sorted(written.items(), key=lambda item: (-item[1], item[0])):
        form.setdefault(stem_of[word], word)
    for text in texts:
        text[:] = [stem_of[word] for word in text]
    counts: Counter[str] = Counter(stem for text in texts for stem in set(text))
    left_out = words_of(language).stop
    usable = {stem for stem in counts if form[stem].isalpha() and form[stem] not in left_out}
    usable = {stem for stem in usable if len(stem) > 2 and counts[stem] >= MIN_PRODUCTS}
    phrases: Counter[tuple[str, str]] = Counter(
        pair for text in texts for pair in set(pairwise(text)) if usable.issuperset(pair)
    )
    cohesive = {
        pair: count
        for pair, count in phrases.items()
        if count >= MIN_PRODUCTS and count**2 >= COHESION * counts[pair[0]] * counts[pair[1]]
    }
    for pair in _fragments(texts, cohesive):
        del cohesive[pair]
    words = sorted(usable, key=lambda stem: (-counts[stem], stem))[:MOST_WORDS]
    pairs = sorted(cohesive, key=lambda pair: (-cohesive[pair], pair))[:MOST_PHRASES]
    stems: list[tuple[str, ...]] = [*((word,) for word in words), *pairs]
    return _Terms(stems, [" ".join(form[stem] for stem in each) for each in stems])


def _fragments(
    texts: Sequence[Sequence[str]], phrases: dict[tuple[str, str], int]
) -> Iterator[tuple[str, str]]:
    """The phrases that are mostly part of a longer one, as "ear headphones" of "over ear ..."."""
    neighbours: dict[tuple[str, str], tuple[Counter[str], Counter[str]]] = {}
    for text in texts:
        for position, pair in enumerate(pairwise(text)):
            if pair in phrases:
                before, behind = neighbours.setdefault(pair, (Counter(), Counter()))
                before.update(text[max(0, position - 1) : position])
                behind.update(text[position + 2 : position + 3])
    for pair, sides in neighbours.items():
        most = max(count for side in sides for count in (0, *side.values()))
        if most >= FRAGMENT * phrases[pair]:
            yield pair


def _measure_contexts(texts: Sequence[Sequence[str]], terms: _Terms) -> Vectors:
    """Unit rows `(terms, contexts)`: how much more often than by chance a word is before or behind.

    Positive pointwise mutual information, with the contexts' frequencies smoothed.
    """
    frequent = Counter(stem for text in texts for stem in text).most_common(CONTEXT_WORDS)
    column = {stem: number for number, (stem, _) in enumerate(frequent)}
    row = {stems: number for number, stems in enumerate(terms.stems)}
    counts = np.zeros((len(row), 2 * len(column)), np.float32)
    for text in texts:
        columns = [column.get(stem, -1) for stem in text]
        for start in range(len(text)):
            for end in (start + 1, start + 2):
                number = row.get(tuple(text[start:end])) if end <= len(text) else None
                if number is None:
                    continue
                for before in columns[max(0, start - WINDOW) : start]:
                    counts[number, before] += before >= 0
                for behind in columns[end : end + WINDOW]:
                    counts[number, len(column) + behind] += behind >= 0
    smoothed = counts.sum(axis=0) ** SMOOTHING
    chance = smoothed / max(float(smoothed.sum()), 1e-9)  # (contexts,)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(shares / chance)
    return normalise(np.maximum(np.nan_to_num(information, neginf=0.0), 0.0))


def _near_pairs(
    vectors: Vectors, contexts: Vectors, terms: _Terms
) -> Iterator[tuple[tuple[int, int], np.float32, np.float32]]:
    """The pairs that are near in both, and are neither parts of one another nor sizes."""
    similarity, context = vectors @ vectors.T, contexts @ contexts.T
    near: npt.NDArray[np.bool_] = (similarity >= MIN_SIMILARITY) & (context >= MIN_CONTEXTS)
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        names = [terms.names[number] for number in (one, other)]
        joined = [name.replace(" ", "") for name in names]
        are_parts = not set(terms.stems[one]).isdisjoint(terms.stems[other])
        are_parts |= joined[0] in joined[1] or joined[1] in joined[0]
        if not are_parts and not SIZES.issuperset("".join(joined)) and any(map(_is_known, names)):
            yield (one, other), similarity[one, other], context[one, other]


def _is_known(name: str) -> bool:
    """Whether it is of words; names of brands and models are near to one another without need."""
    return all(level_of(word) is not None for word in name.split())


def _is_new(synonyms: Synonyms, names: Sequence[str]) -> bool:
    known = {phrase for each in synonyms.expand(names[0]) for phrase in each.alternatives}
    return names[1] not in known


def _rate(
    products: Products, terms: _Terms, pair: tuple[int, int], similarity: float, contexts: float
) -> Suggestion:
    names = [terms.names[number] for number in pair]
    rows = [products.rows_with(name) for name in names]
    both = len(np.intersect1d(rows[0], rows[1]))
    first, second = sorted((0, 1), key=lambda number: (-len(rows[number]), names[number]))
    together = both / max(1, min(map(len, rows)))
    return Suggestion(
        words=(names[first], names[second]),
        score=round(max(0.0, similarity) * contexts**CONTEXT_POWER * (1 - together), 4),
        similarity=round(similarity, 4),
        contexts=round(contexts, 4),
        both=both,
        products=(len(rows[first]), len(rows[second])),
    )
