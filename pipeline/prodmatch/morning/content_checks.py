"""Checks of texts and pictures: of another product, the same for many, cut, strange, lost."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.text import clean_text
from prodmatch.columns.encodings import ANY
from prodmatch.columns.markup import ENTITIES, ESCAPES, TAGS
from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import LANGUAGES, words_of
from prodmatch.morning.pair import FEWEST_REPEATED, TEXT, Pair, Signal, Values, among, counts_of
from prodmatch.storage.arrow import Numbers, as_codes, as_mask
from prodmatch.storage.vectors import Mask, Rows, Vectors, draw_among, draw_rows

SAME_PICTURE = 0.98  # cosine of pictures that show the same
MOST_COMPARED = 4000  # pictures that are compared with each other
CUT = 0.5  # of a text's length
SHORTEST = 12  # characters of a text that can be cut
KNOWN, STRANGE = 0.75, 0.6  # shares of a text's words that the catalogue has
Z_BEFORE, Z_AFTER, Z_DROP = 1.5, 1.0, 1.5  # text-image alignment, in standard deviations
TWIN = 0.995  # cosine of vectors of one product
DAMAGE = "|".join([f"(?:{pattern})" for pattern in (ANY, ENTITIES, ESCAPES)])
WORD = re.compile(r"[^\W\d_]{3,}")
EDGE = re.compile(r"^\W+|\W+$")
SCRIPTS = {
    "Cyrillic": "[\u0400-\u04ff]",
    "Greek": "[\u0370-\u03ff]",
    "Arabic": "[\u0600-\u06ff]",
    "Hebrew": "[\u0590-\u05ff]",
    "Chinese or Japanese": "[\u3040-\u30ff\u3400-\u9fff]",
    "Korean": "[\uac00-\ud7af]",
    "Thai": "[\u0e00-\u0e7f]",
    "Hindi": "[\u0900-\u097f]",
}
MOST_READ = 500  # texts that a language is guessed from


def check_contents(pair: Pair) -> Iterator[Signal]:
    """What is suspicious of texts and pictures; a signal for each check, with or without rows."""
    for name in pair.texts:
        values = pair.values(name)
        if name != TEXT:
            yield from _texts(pair, name, values)
    lost = pair.values(TEXT).lost
    yield Signal("lost", "text", "have none any more", pair.after[lost])
    yield from _pictures(pair)
    yield from _identities(pair)
    if pair.same_model:
        yield from _vectors(pair)


def _texts(pair: Pair, name: str, values: Values) -> Iterator[Signal]:
    changed = np.flatnonzero(values.changed)
    yield Signal("moved", name, "have another product's", pair.after[_moved(values, changed)])
    many = counts_of(values.after[changed], len(values.texts)) >= FEWEST_REPEATED
    same = changed[many[values.after[changed]]]
    same = same[_varied(values.before[same], values.after[same])]
    yield Signal("repeated", name, "have the one of others now", pair.after[same])
    old, new = (
        [values.texts[code] for code in codes[changed].tolist()]
        for codes in (values.before, values.after)
    )
    cut = [len(b) >= SHORTEST and len(a) <= CUT * len(b) for b, a in zip(old, new, strict=True)]
    yield Signal(
        "cut",
        name,
        "have one half as long or shorter",
        pair.after[among(np.array(cut, bool), changed)],
    )
    damaged = _matches(new, DAMAGE) & ~_matches(old, DAMAGE)
    damaged |= _matches(new, TAGS) & ~_matches(old, TAGS)
    text = "have tags, entities or wrongly decoded letters in it"
    yield Signal("damaged", name, text, pair.after[changed[damaged]])
    words = frozenset(chain.from_iterable(map(_words, values.texts_of(values.last))))
    share = partial(known_share, words)
    strange = [share(a) <= STRANGE and share(b) >= KNOWN for b, a in zip(old, new, strict=True)]
    languages = guess_language(text for text, each in zip(new, strange, strict=True) if each)
    looks = f" (it looks {languages})" if languages else ""
    text = f"have one in words that the catalogue did not have{looks}: another language?"
    yield Signal("strange", name, text, pair.after[among(np.array(strange, bool), changed)])


def _moved(values: Values, changed: Rows) -> Rows:
    """Those whose new value was one other product's own, which has it no more."""
    owned = counts_of(values.last, len(values.texts)) == 1
    stayed = np.isin(
        np.arange(len(values.texts)),
        values.before[~values.changed & (values.before == values.after)],
    )
    found: Rows = changed[(owned & ~stayed)[values.after[changed]]]
    return found


def _varied(before: Rows, after: Rows) -> Mask:
    """Which rows belong to a group of one new value that had different old ones."""
    pairs = np.unique(np.stack([after, before]), axis=1)
    groups, sources = np.unique(pairs[0], return_counts=True)
    return np.isin(after, groups[sources >= 2])


def _matches(texts: list[str], pattern: str) -> Mask:
    return as_mask(pc.match_substring_regex(pa.array(texts, pa.string()), pattern))


def _pictures(pair: Pair) -> Iterator[Signal]:
    last, tonight = pair.last.night.image_keys, pair.tonight.night.image_keys
    lost = as_mask(last.is_valid())[pair.before] & ~as_mask(tonight.is_valid())[pair.after]
    yield Signal("lost", "picture", "have none any more", pair.after[lost])
    if not pair.same_model:
        return
    codes = as_codes(pa.concat_arrays([last, tonight]))
    old, new = codes[: len(last)], codes[len(last) :]
    values = Values(
        "picture",
        old,
        new,
        [""] * (1 + int(codes.max(initial=0))),
        old[pair.before],
        new[pair.after],
    )
    changed = np.flatnonzero(pair.new_pictures)
    moved = _moved(values, changed)
    yield Signal("moved", "picture", "have another product's", pair.after[moved])
    yield Signal(
        "repeated",
        "picture",
        "have one that shows the same as others' now: a placeholder?",
        _repeated_pictures(pair),
    )


def _repeated_pictures(pair: Pair) -> Rows:
    """New pictures that many products of different texts have, each of which had its own."""
    there = as_mask(pair.tonight.night.image_keys.is_valid())[pair.after]
    stayed = np.flatnonzero(pair.new_pictures | (np.isnan(pair.shift.image) & there))
    rows = np.concatenate([pair.after[stayed], pair.added])
    old = np.concatenate([pair.before[stayed], np.full(len(pair.added), -1)])
    rows, old = draw_among(rows, MOST_COMPARED), draw_among(old, MOST_COMPARED)
    texts = as_codes(pair.tonight.night.text_keys)[rows]
    now = _repeats(pair.tonight.vectors.parts(rows)[1])
    known = np.flatnonzero(old >= 0)
    before = np.zeros_like(now)
    before[np.ix_(known, known)] = _repeats(pair.last.vectors.parts(old[known])[1])
    new = now & ~before & (texts[:, None] != texts[None])
    found: Rows = rows[new.sum(axis=1) >= FEWEST_REPEATED - 1]
    return found


def _repeats(images: Vectors) -> Mask:
    found: Mask = images @ images.T >= SAME_PICTURE
    return found


def _identities(pair: Pair) -> Iterator[Signal]:
    """Products that are there twice, or under another id."""
    last, tonight = pair.contents
    again = np.isin(tonight[pair.added], last[pair.removed]) & (tonight[pair.added] >= 0)
    yield Signal("renamed", "", "are products of other ids, which are gone", pair.added[again])
    twice = counts_of(tonight, 1 + int(tonight.max(initial=0))) >= 2
    new = pair.added[~again]
    stayed = pair.after[(last[pair.before] != tonight[pair.after])]
    rows = np.concatenate([new[_is(twice, tonight[new])], stayed[_is(twice, tonight[stayed])]])
    before = -2 - np.arange(len(tonight))  # a product without contents is like no other
    had = last[pair.before]
    before[pair.after[had >= 0]] = had[had >= 0]
    rows = rows[_varied(before, tonight)[rows]]  # others were there twice the night before
    if pair.same_model:
        rows = np.union1d(rows, _twins(pair, new))
    yield Signal("twice", "", "have text and picture of another product", rows)


def _is(mask: Mask, codes: Rows) -> Mask:
    return np.asarray(mask[codes] & (codes >= 0), np.bool_)


def _twins(pair: Pair, rows: Rows) -> Rows:
    """Added products with nearly the vector of one that stays."""
    kept = np.zeros(len(pair.last), np.bool_)
    kept[pair.before] = True
    rows = draw_among(rows, MOST_COMPARED)
    nearest = pair.last.vectors.nearest(pair.tonight.vectors.take(rows), 3)
    found = [bool(np.any(kept[near] & (scores >= TWIN))) for near, scores in nearest]
    return rows[np.array(found, np.bool_)] if found else rows


def _vectors(pair: Pair) -> Iterator[Signal]:
    changed = np.flatnonzero(pair.new_texts | pair.new_pictures)
    before = _alignment(pair, partial(pair.last.vectors.parts, pair.before[changed]))
    after = _alignment(pair, partial(pair.tonight.vectors.parts, pair.after[changed]))
    drop = (before >= Z_BEFORE) & (after <= Z_AFTER) & (before - after >= Z_DROP)
    text = "have a title and a picture that are not of one product"
    yield Signal("mismatched", "", text, pair.after[changed[drop]])
    unchanged = ~pair.new_texts & (pair.shift.text < 0.99)
    yield Signal("vectors", "", "have the same text and another vector", pair.after[unchanged])
    yield Signal("foreign", "", "are unlike all that was there", _foreign(pair))


def _alignment(pair: Pair, parts: Callable[[], tuple[Vectors, Vectors]]) -> Numbers:
    """How much nearer a text is to its own picture than to others', in standard deviations."""
    text, image = parts()
    own = np.einsum("nd,nd->n", text, image)
    others = text @ pair.references.T
    if not others.shape[1]:
        return np.zeros(len(own))
    deviation = np.maximum(others.std(axis=1), 1e-6)
    found = (own - others.mean(axis=1)) / deviation
    return np.where(text.any(axis=1) & image.any(axis=1), found, np.nan)


def _foreign(pair: Pair) -> Rows:
    """Added products whose nearest product is farther than nearly all products' are."""
    rows = draw_among(pair.added, MOST_COMPARED)
    sample = draw_rows(len(pair.last), 500)
    if len(sample) < 2 or not len(rows):
        return rows[:0]
    usual = [
        float(max(scores[near != row], default=1.0))
        for row, (near, scores) in zip(
            sample.tolist(),
            pair.last.vectors.nearest(pair.last.vectors.take(sample), 2),
            strict=True,
        )
    ]
    nearest = pair.last.vectors.nearest(pair.tonight.vectors.take(rows), 5)
    cosines = np.array([max(scores, default=-1.0) for _, scores in nearest])
    return rows[cosines < np.quantile(usual, 0.01)]


def known_share(vocabulary: Collection[str], text: str) -> float:
    """Share of a text's words that stand in a vocabulary; 1 where it has no words."""
    words = [word for word in _words(text) if WORD.search(word)]
    return sum(word in vocabulary for word in words) / len(words) if words else 1.0


def _words(text: str) -> list[str]:
    """A text's words as they are searched: in small letters, without markup and outer signs."""
    return [EDGE.sub("", word) for word in clean_text(text).casefold().split()]


def guess_language(texts: Iterable[str]) -> str:
    """The script, or the language, that texts look like; empty where nothing tells it."""
    votes: Counter[str] = Counter()
    for number, text in enumerate(texts):
        if number >= MOST_READ:
            break
        scripts = {name: len(re.findall(letters, text)) for name, letters in SCRIPTS.items()}
        name, count = max(scripts.items(), key=lambda pair: pair[1])
        if count >= 2:
            votes[name] += 2
            continue
        words = fold(text).split()
        for language in LANGUAGES:
            known = words_of(language)
            votes[language.title()] += sum(each in known.stop | known.telling for each in words)
    (found, first), (_, second) = [*votes.most_common(2), ("", 0), ("", 0)][:2]
    return found if first > second else ""
