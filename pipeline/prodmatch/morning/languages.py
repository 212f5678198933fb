"""Whether a text's words are the catalogue's, and which language they look like."""

import re
from collections import Counter
from collections.abc import Collection, Iterable

WORD = re.compile(r"[^\W\d_]{3,}")
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
FUNCTION_WORDS = {
    "English": "the and with for of from women men womens mens your",
    "German": "und mit für der die das aus von damen herren ohne",
    "French": "et avec pour de la le les des en sans femme homme",
    "Spanish": "y con para de la el los las en sin mujer hombre",
    "Italian": "e con per di la il da in senza donna uomo",
    "Dutch": "en met voor van de het een uit zonder dames heren",
    "Portuguese": "e com para de da do em sem mulher homem feminino",
    "Polish": "i z dla na do w bez damska damskie męska męskie",
    "Swedish": "och med för av den det utan dam herr",
}
WORDS = {name: frozenset(words.split()) for name, words in FUNCTION_WORDS.items()}
MOST_READ = 500  # texts


def known_share(vocabulary: Collection[str], text: str) -> float:
    """Share of a text's words that stand in a vocabulary; 1 where it has no words.

    Words are told apart as the vocabulary's are, by spaces, in small letters.
    """
    words = [word for word in text.casefold().split() if WORD.search(word)]
    return sum(word in vocabulary for word in words) / len(words) if words else 1.0


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
        words = text.casefold().split()
        votes.update({name: sum(word in known for word in words) for name, known in WORDS.items()})
    (found, first), (_, second) = [*votes.most_common(2), ("", 0), ("", 0)][:2]
    return found if first > second else ""
