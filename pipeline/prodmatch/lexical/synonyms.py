"""Synonyms: what else a query's words are searched as, by rules that a shop gives.

Phrases are compared as the index compares words: folded, stemmed, and with numbers and neighbours
joined or apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from prodmatch.errors import DamagedError
from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import ENGLISH, LANGUAGES
from prodmatch.lexical.spelling import QUOTED
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.terms import Token, split_tokens
from prodmatch.storage.atomic import write_json
from prodmatch.storage.generations import Generation, advise_instead_of
from prodmatch.storage.manifests import read_manifest

NAME = "synonyms.json"  # in a generation
FORMAT = 1
MUCH_MORE = 2  # times that products say another word, for it to be encoded in place of one


@dataclass(frozen=True)
class Rule:
    """What is searched for too where a query has some words."""

    words: str
    alternatives: tuple[str, ...]


@dataclass(frozen=True)
class Expansion:
    """A part of a query that synonyms are known for.

    Attributes:
        start: where it begins in the folded query.
        end: where it ends.
        words: what it says, as the rules say it.
        alternatives: what is searched for too, as the rules say it.
        stems: under which the index has what says an alternative.
    """

    start: int
    end: int
    words: str
    alternatives: tuple[str, ...]
    stems: tuple[str, ...]


@dataclass(frozen=True)
class Phrase:
    """Words in the form that they are compared in."""

    stems: tuple[str, ...]  # of its tokens
    joined: str  # the stem of its tokens as one word

    @property
    def key(self) -> str:
        """Equal for phrases that are the same, however they are joined."""
        return "".join(self.stems)

    @property
    def posting(self) -> str:
        """What the index has its products under: a word's stem, or what `PhraseFinder` finds."""
        return " ".join(self.stems)


class Synonyms:
    """Rules over the words of a language, ready for queries; threads may share them."""

    def __init__(self, rules: Sequence[Rule], language: str = ENGLISH) -> None:
        self.rules, self.language = tuple(rules), language
        self._longest = 2  # tokens of a side; a word may be typed as two
        self._rules: dict[str, tuple[Rule, tuple[str, ...]]] = {}
        stemmer = Stemmer(language)
        for rule in rules:
            stems = tuple(read_phrase(phrase, stemmer).posting for phrase in rule.alternatives)
            own = read_phrase(rule.words, stemmer)
            self._longest = max(self._longest, len(own.stems))
            for key in (own.key, own.joined):
                self._rules.setdefault(key, (rule, stems))

    def __bool__(self) -> bool:
        return bool(self.rules)

    @cached_property
    def phrases(self) -> list[str]:
        """All sides of the rules, each once."""
        sides = ((rule.words, *rule.alternatives) for rule in self.rules)
        return list(dict.fromkeys(phrase for side in sides for phrase in side))

    @cached_property
    def words(self) -> list[str]:
        """The words of all sides, folded, each once."""
        tokens = (token.text for phrase in self.phrases for token in split_tokens(phrase))
        return list(dict.fromkeys(tokens))

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(Stemmer(self.language).stems(self.words))

    def has_word(self, word: str) -> bool:
        """Whether a side has the word, in any form: it is right as it is typed."""
        phrase = read_phrase(word, Stemmer(self.language))
        return not self._stems.isdisjoint([*phrase.stems, phrase.joined])

    def expand(self, text: str) -> tuple[Expansion, ...]:
        """The parts of a query that synonyms are known for, in order; the longest goes first.

        What stands in quotes is searched for as it is.
        """
        folded = fold(text)
        quoted = [found.span() for found in QUOTED.finditer(folded)]
        tokens = split_tokens(text)
        stems = Stemmer(self.language).stems(token.text for token in tokens)
        found: list[Expansion] = []
        position = 0
        while position < len(tokens):
            for count in range(min(self._longest, len(tokens) - position), 0, -1):
                run = tokens[position : position + count]
                known = self._rules.get("".join(stems[position : position + count]))
                if known and not any(run[0].start < end and run[-1].end > at for at, end in quoted):
                    rule, postings = known
                    span = run[0].start, run[-1].end
                    found.append(Expansion(*span, rule.words, rule.alternatives, postings))
                    position += count
                    break
            else:
                position += 1
        return tuple(found)


class PhraseFinder:
    """Finds the phrases of several words that synonyms are of, in texts of products."""

    def __init__(self, synonyms: Synonyms) -> None:
        self._stemmer = Stemmer(synonyms.language)
        self._stem_of: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._lengths: set[int] = set()
        self._firsts: set[str] = set()
        for phrase in (read_phrase(each, self._stemmer) for each in synonyms.phrases):
            if len(phrase.stems) > 1:
                self._lengths |= {1, len(phrase.stems)}
                self._firsts |= {phrase.stems[0], phrase.joined}
                for key in (phrase.key, phrase.joined):
                    self._names.setdefault(key, phrase.posting)

    def find(self, text: str) -> list[str]:
        """The names of the phrases that the text says, once for each time."""
        if not self._names:
            return []
        stems = [self._stem(token) for token in split_tokens(text)]
        spans = (
            (start, start + count)
            for start, stem in enumerate(stems)
            if stem in self._firsts
            for count in self._lengths
        )
        runs = ("".join(stems[start:end]) for start, end in spans if end <= len(stems))
        return [self._names[run] for run in runs if run in self._names]

    def _stem(self, token: Token) -> str:
        if token.text not in self._stem_of:
            self._stem_of[token.text] = self._stemmer.stem(token.text)
        return self._stem_of[token.text]


def read_phrase(phrase: str, stemmer: Stemmer) -> Phrase:
    """A phrase in the form that it is compared in."""
    tokens = [token.text for token in split_tokens(phrase)]
    return Phrase(tuple(stemmer.stems(tokens)), stemmer.stem("".join(tokens)))


def describe(text: str, expansions: Sequence[Expansion]) -> str:
    """The text with the alternatives behind the words that they stand for, for a person."""
    words = text.split()
    parts, end = [], 0
    pending = list(expansions)
    for word in words:
        end += len(fold(word)) + 1
        parts.append(word)
        while pending and pending[0].end < end:
            parts.append(f"(or {', '.join(pending.pop(0).alternatives)})")
    return " ".join(parts)


def rewrite(text: str, expansions: Sequence[Expansion], count_of: Callable[[str], int]) -> str:
    """The text in the words of the catalogue: as it is, but for words that it hardly says.

    Such a word is replaced by the alternative that most products contain.

    Args:
        text: a query.
        expansions: of it.
        count_of: how many products contain a phrase.
    """
    folded = fold(text)
    parts, end = [], 0
    for each in expansions:
        best = max(each.alternatives, key=count_of)
        if count_of(best) >= MUCH_MORE * max(count_of(each.words), 1):
            parts += [folded[end : each.start], best]
            end = each.end
    return "".join([*parts, folded[end:]]) if parts else text


def write_synonyms(path: Path, synonyms: Synonyms) -> None:
    """Writes the rules for `open_synonyms`."""
    rules = [[rule.words, list(rule.alternatives)] for rule in synonyms.rules]
    write_json(path, {"format": FORMAT, "rules": rules})


def open_synonyms(path: Path, remedy: str, language: str = ENGLISH) -> Synonyms:
    """The rules of a file that `write_synonyms` made.

    Raises:
        DamagedError: it is no such file.
        MismatchError: another version of prodmatch wrote it.
    """
    rules = read_manifest(path, FORMAT, {"rules": list}, remedy)["rules"]
    if not isinstance(rules, list) or not all(map(_is_rule, rules)):
        raise DamagedError(f"{path}: holds something that is no rule. {remedy}")
    return Synonyms([Rule(words, tuple(found)) for words, found in rules], language)


def open_generation_synonyms(generation: Generation) -> Synonyms:
    """The rules of a generation, in the language of its words; none where it was made without.

    Raises:
        DamagedError: their file is no such file, or the language is none.
    """
    remedy = advise_instead_of(generation.folder)
    language = generation.manifest.get("language", ENGLISH)
    if language not in LANGUAGES:
        raise DamagedError(
            f"{generation.folder / 'manifest.json'}: 'language' cannot be {language!r}. {remedy}"
        )
    if NAME not in generation.files:
        return Synonyms([], str(language))
    return open_synonyms(generation.folder / NAME, remedy, str(language))


def _is_rule(rule: object) -> bool:
    if not isinstance(rule, list) or len(rule) != 2 or not isinstance(rule[0], str):
        return False
    return isinstance(rule[1], list) and all(isinstance(each, str) for each in rule[1])
