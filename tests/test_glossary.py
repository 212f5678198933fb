"""Names and documents use the field's words; the private ones of earlier versions are gone."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT

CODE = [
    path
    for folder in ("pipeline", "cli", "benchmarks", "recipes")
    for path in sorted(ROOT.glob(f"{folder}/**/*.py"))
]
PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md", ".github/CONTRIBUTING.md")
]
PAGES += [*ROOT.glob("*/*.md"), *ROOT.glob("*/*/*.md"), *ROOT.glob("*/*/*/*/*.md")]
# A word of ours and the field's; no part of an identifier between underscores is one of ours.
NAMES = {
    "alike": "false_negatives",
    "answering": "searcher",
    "asked": "query",
    "asking": "query",
    "beside": "concatenated",
    "careful": "isolated",
    "deliver": "export",
    "fault": "reason, error",
    "faults": "harms, errors",
    "featured": "result",
    "gallery": "report",
    "halves": "parts",
    "hear": "log",
    "hubs": "hubness",
    "judgement": "qrel",
    "judgements": "qrels",
    "lasting": "long_lived",
    "leg": "signal",
    "legs": "signals",
    "meant": "corrected",
    "mend": "correct",
    "mended": "corrected",
    "probe": "encoded_query",
    "probes": "encoded_queries",
    "prose": "low_information_terms",
    "question": "query",
    "questions": "queries",
    "refit": "head_fitting",
    "said": "text",
    "seen": "image",
    "spread": "standard_deviation",
    "strangers": "in_batch_negatives",
    "todo": "plan",
    "told": "distinguished",
    "tower": "encoder",
    "towers": "dual_encoder",
    "unusual": "hubness_penalty",
}
# In sentences: what a name may not be, and phrases of ours. Plain English stays: "half of the
# rows", "a place on disk", "found".
PHRASES = {
    r"\blegs?\b": "signal",
    r"\b(text|picture|image) half\b": "part",
    r"\bhalves\b": "parts",
    r"\bhubs\b": "hubness",
    r"\btowers?\b": "dual encoder",
    r"\btable of words\b": "token embedding bag",
    r"\bown texts\b": "residual text features",
    r"\bseen otherwise\b": "augmented",
    r"\bjudgements?\b": "qrels",
    r"\bstand-in\b": "imputation",
    r"\bthe ordinary way\b": "baseline",
    r"\basked\b": "query, searched",
    r"\basking\b": "queries",
    r"\bprobes?\b": "encoded query",
    r"\bmended\b": "corrected, fixed",
    r"\blexical units?\b": "BM25 scale",
    r"\bcompacted\b": "projected",
    r"\bbeside\b": "next to, concatenated with",
}


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every identifier that a file gives or uses, and its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, line
        elif isinstance(node, ast.arg):
            yield node.arg, line
        elif isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, line


def private_parts(name: str) -> list[str]:
    """The private words in an identifier, whichever its case."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
    return [word for word in words if word in NAMES]


def comments(code: str) -> Iterator[tuple[str, int]]:
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string, token.start[0]


def messages(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every string of several words, docstrings among them, and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value, node.lineno


def private_phrases(text: str) -> list[str]:
    return [
        f"{match[0]!r}: {PHRASES[pattern]}"
        for pattern in PHRASES
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_uses_the_words_of_the_field(path: Path) -> None:
    code = path.read_text()
    tree = ast.parse(code)
    used = {(name, word) for name, _ in names(tree) for word in private_parts(name)}
    modules = {(path.stem, word) for word in private_parts(path.stem)}
    assert sorted(used | modules) == []
    assert [
        (line, phrase)
        for text, line in (*messages(tree), *comments(code))
        for phrase in private_phrases(text)
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_use_the_words_of_the_field(path: Path) -> None:
    assert private_phrases(path.read_text()) == []


def test_private_words_are_recognised() -> None:
    code = 'x = f"the legs of {x}"  # of both halves'
    assert [text for text, _ in messages(ast.parse(code))] == ["the legs of "]
    assert list(comments(code)) == [("# of both halves", 1)]
    assert private_parts("asked_count") == ["asked"]
    assert private_parts("ImageFault") == ["fault"]
    assert private_parts("default") == []
    assert private_phrases("Both legs, beside it.") == [
        "'legs': signal",
        "'beside': next to, concatenated with",
    ]
