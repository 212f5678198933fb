"""Files of synonyms: lines of words with commas between them, or TOML; and what is wrong in them.

`couch, sofa, settee` are one another's synonyms; `sneaker => trainer, running shoe` says what is
searched for too where a query has the left side, and not the other way round.
"""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from prodmatch.errors import SynonymsError
from prodmatch.lexical.languages import ENGLISH, words_of
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Phrase, Rule, Synonyms, read_phrase
from prodmatch.lexical.terms import split_tokens

ARROW = "=>"
COMMENT = re.compile(r"(?:^|\s)#.*")
MOST_BYTES = 16 << 20
MOST_TOKENS = 8  # of a side's phrase
MOST_PHRASES = 64  # of a rule; a query looks each of them up
MOST_SHOWN = 5  # of what is wrong with a file
FORMS = "`couch, sofa` for words that stand for one another, `sneaker => trainer` for one way"
TOML_FORMS = (
    "'groups', a list of lists of words, and a table 'one_way', a list of words for each word"
)


@dataclass(frozen=True)
class _Entry:
    """A line: a group, or the two sides of a one-way rule."""

    place: str
    left: tuple[str, ...]  # the group, where there is no other side
    right: tuple[str, ...] | None = None


class _Problem(Exception):
    """What is wrong at a place of the file."""


def read_synonyms(path: Path, language: str = ENGLISH) -> Synonyms:
    """The rules of a file, checked, over the words of a language.

    Raises:
        SynonymsError: the file cannot be read, a line is no rule, a side is empty, a word stands
            in two groups, or one-way rules lead in a circle; names the lines.
    """
    problems: list[str] = []
    entries: list[_Entry] = []
    for read in _read(path):
        if isinstance(read, _Problem):
            problems.append(str(read))
        else:
            entries.append(read)
    forms = TOML_FORMS if path.suffix.lower() == ".toml" else FORMS
    rules = _Rules(language)
    for entry in entries:
        try:
            rules.add(entry)
        except _Problem as problem:
            problems.append(str(problem))
    problems += rules.find_cycles()
    if problems:
        more = len(problems) - MOST_SHOWN
        shown = "; ".join(problems[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise SynonymsError(f"`synonyms` {path}: {shown}. Write {forms}.")
    if not entries:
        raise SynonymsError(f"`synonyms` {path}: has no rule. Write {forms}.")
    return Synonyms(rules.rules(), language)


def _read(path: Path) -> Iterator["_Entry | _Problem"]:
    try:
        if not path.is_file():
            found = "is no regular file" if path.exists() else "there is no such file"
            raise SynonymsError(
                f"`synonyms` {path}: {found}. Give one, or take the store's away with "
                "`no_synonyms`."
            )
        if path.stat().st_size > MOST_BYTES:
            raise SynonymsError(f"`synonyms` {path}: is larger than {MOST_BYTES >> 20} MiB.")
        content = path.read_bytes()
    except OSError as error:
        raise SynonymsError(f"`synonyms` {path}: cannot be read ({error.strerror}).") from error
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SynonymsError(
            f"`synonyms` {path}: line {line} is no text in UTF-8. Save the file in UTF-8."
        ) from error
    return _read_toml(text, path) if path.suffix.lower() == ".toml" else _read_lines(text)


def _read_lines(text: str) -> Iterator["_Entry | _Problem"]:
    for number, line in enumerate(text.splitlines(), start=1):
        line = COMMENT.sub("", line).strip().strip(",").strip()
        if not line:
            continue
        place = f"line {number}"
        try:
            sides = [_split(side, place) for side in line.split(ARROW)]
        except _Problem as problem:
            yield problem
            continue
        if len(sides) > 2:
            yield _Problem(f"{place} has {len(sides) - 1} arrows")
        else:
            yield _Entry(place, sides[0], sides[1] if len(sides) == 2 else None)


def _split(side: str, place: str) -> tuple[str, ...]:
    """The phrases of a side; one with a comma in it stands in quotes."""
    try:
        cells = next(csv.reader([side.strip()], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise _Problem(f"{place} cannot be read ({error})") from error
    return tuple(" ".join(cell.split()) for cell in cells)


def _read_toml(text: str, path: Path) -> Iterator["_Entry | _Problem"]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SynonymsError(f"`synonyms` {path}: is no TOML ({error}).") from error
    unknown = sorted(set(content) - {"groups", "one_way"})
    groups, one_way = content.get("groups", []), content.get("one_way", {})
    if unknown or not isinstance(groups, list) or not isinstance(one_way, Mapping):
        wrong = "'one_way' is no table" if isinstance(groups, list) else "'groups' is no list"
        found = f"has {', '.join(unknown)}" if unknown else wrong
        raise SynonymsError(f"`synonyms` {path}: {found}. Write {TOML_FORMS}.")
    for number, group in enumerate(groups, start=1):
        yield _toml_entry(f"group {number}", None, group)
    for words, alternatives in one_way.items():
        yield _toml_entry(f"one_way.{words}", words, alternatives)


def _toml_entry(place: str, left: str | None, phrases: object) -> "_Entry | _Problem":
    if not isinstance(phrases, list) or not all(isinstance(each, str) for each in phrases):
        return _Problem(f"{place} is no list of words")
    cleaned = tuple(" ".join(each.split()) for each in phrases)
    return _Entry(place, cleaned) if left is None else _Entry(place, (left,), cleaned)


class _Rules:
    """The rules of the entries so far, by what their words are compared by."""

    def __init__(self, language: str) -> None:
        self._stemmer, self._stop_words = Stemmer(language), words_of(language).stop
        self._words: dict[str, str] = {}  # as they were written first
        self._alternatives: dict[str, dict[str, str]] = {}
        self._group_of: dict[str, str] = {}  # the place of the group that has it
        self._one_way: dict[str, dict[str, str]] = {}  # the place of each rule

    def rules(self) -> list[Rule]:
        """In the order of the file."""
        return [
            Rule(self._words[key], tuple(found.values()))
            for key, found in self._alternatives.items()
        ]

    def add(self, entry: _Entry) -> None:
        left = self._read(entry.left, entry.place)
        if entry.right is None:
            self._add_group(left, entry)
            return
        right = self._read(entry.right, entry.place)
        for key, words in left.items():
            others = {other: phrase for other, phrase in right.items() if other != key}
            if not others:
                raise _Problem(f"{entry.place} has {words!r} on both sides")
            self._add(key, words, others)
            for other in others:
                self._one_way.setdefault(key, {}).setdefault(other, entry.place)

    def _add_group(self, group: Mapping[str, str], entry: _Entry) -> None:
        if len(group) < 2:
            what = "one phrase" if len(entry.left) < 2 else "forms of one phrase"
            raise _Problem(f"{entry.place} has only {what}, {entry.left[0]!r}")
        for key, words in group.items():
            if key in self._group_of:
                raise _Problem(
                    f"{words!r} stands in two groups, {self._group_of[key]} and {entry.place}"
                )
        for key, words in group.items():
            self._group_of[key] = entry.place
            self._add(key, words, {other: group[other] for other in group if other != key})

    def _add(self, key: str, words: str, others: Mapping[str, str]) -> None:
        self._words.setdefault(key, words)
        self._alternatives.setdefault(key, {}).update(others)

    def _read(self, phrases: Sequence[str], place: str) -> dict[str, str]:
        """The phrases of a side by what they are compared by; forms of one phrase are one."""
        if not any(phrases):
            raise _Problem(f"{place} has an empty side")
        if len(phrases) > MOST_PHRASES:
            raise _Problem(f"{place} has {len(phrases)} phrases, more than {MOST_PHRASES}")
        found: dict[str, str] = {}
        for phrase in phrases:
            found.setdefault(self._check(phrase, place).key, phrase)
        return found

    def _check(self, phrase: str, place: str) -> Phrase:
        if not phrase:
            raise _Problem(f"{place} has nothing between two commas")
        read = read_phrase(phrase, self._stemmer)
        if all(token.text in self._stop_words for token in split_tokens(phrase)):
            raise _Problem(f"{place}: {phrase[:80]!r} has no word that is searched for")
        if len(read.stems) > MOST_TOKENS:
            raise _Problem(f"{place}: {phrase[:80]!r} has more than {MOST_TOKENS} words")
        return read

    def find_cycles(self) -> list[str]:
        """One-way rules that lead back to where they began, each circle once."""
        found: list[str] = []
        done: set[str] = set()
        for start in self._one_way:
            path = [start]
            pending = [self._following(start)]
            while pending:
                following = next(pending[-1], None)
                if following is None:
                    pending.pop()
                    done.add(path.pop())
                elif following in path:
                    found.append(self._describe([*path[path.index(following) :], following]))
                elif following not in done:
                    path.append(following)
                    pending.append(self._following(following))
        return found

    def _following(self, key: str) -> Iterator[str]:
        return iter(self._one_way.get(key, {}))

    def _describe(self, cycle: Sequence[str]) -> str:
        places = (self._one_way[one][other] for one, other in pairwise(cycle))
        names = f" {ARROW} ".join(repr(self._words[key]) for key in cycle)
        return f"one-way rules lead in a circle, {names} ({', '.join(dict.fromkeys(places))})"
