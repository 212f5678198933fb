"""Files of synonyms: both forms say the same, and what is wrong is named by its line."""

from pathlib import Path

import pytest

from prodmatch.errors import SynonymsError
from prodmatch.lexical.synonym_files import read_synonyms
from prodmatch.lexical.synonyms import Rule

LINES = """\
# our words
Couch, sofa,  love  seat   # of the merchandisers

sneaker => trainer, "shoe, running"
pump, trainers => sneaker boot
b#4, telly
"""
TOML = """\
groups = [["Couch", "sofa", "love seat"], ["b#4", "telly"]]

[one_way]
sneaker = ["trainer", "shoe, running"]
pump = ["sneaker boot"]
trainers = ["sneaker boot"]
"""
RULES = {
    Rule("Couch", ("sofa", "love seat")),
    Rule("sofa", ("Couch", "love seat")),
    Rule("love seat", ("Couch", "sofa")),
    Rule("sneaker", ("trainer", "shoe, running")),
    Rule("pump", ("sneaker boot",)),
    Rule("trainers", ("sneaker boot",)),
    Rule("b#4", ("telly",)),
    Rule("telly", ("b#4",)),
}
BAD = [
    ("couch", "line 1 has only one phrase, 'couch'"),
    ("lamp, lamps", "line 1 has only forms of one phrase, 'lamp'"),
    ("lamp => lamps", "line 1 has 'lamp' on both sides"),
    ("couch, , sofa", "line 1 has nothing between two commas"),
    ("couch =>", "line 1 has an empty side"),
    ("\n\n=> couch", "line 3 has an empty side"),
    ("one => red => blue", "line 1 has 2 arrows"),
    ("sofa, of the", "line 1: 'of the' has no word that is searched for"),
    ("sofa, ?!", "line 1: '?!' has no word that is searched for"),
    ("sofa, one two three four five six seven eight nine", "has more than 8 words"),
    (", ".join(f"word{number}" for number in range(65)), "line 1 has 65 phrases, more than 64"),
    ('couch, "sofa', "line 1 cannot be read (unexpected end of data)"),
    ("couch, sofa\nlamp, light\nSofas, divan", "'Sofas' stands in two groups, line 1 and line 3"),
    ("red => blue\nblue => red", "circle, 'red' => 'blue' => 'red' (line 1, line 2)"),
    (
        "red => blue, pink\nblue => teal\nteal => reds, grey",
        "circle, 'red' => 'blue' => 'teal' => 'red' (line 1, line 2, line 3)",
    ),
    ("", "has no rule"),
    ("# nothing yet\n", "has no rule"),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_are_read_in_each_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "s.csv").write_text(LINES, encoding=encoding)
    assert set(read_synonyms(tmp_path / "s.csv").rules) == RULES


def test_toml_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(TOML)
    assert set(read_synonyms(tmp_path / "s.toml").rules) == RULES


def test_rules_of_one_word_are_united(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("couch, sofa\ncouches => bench\nbench => stool\n")
    assert set(read_synonyms(tmp_path / "s.csv").rules) == {
        Rule("couch", ("sofa", "bench")),
        Rule("sofa", ("couch",)),
        Rule("bench", ("stool",)),
    }


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(SynonymsError) as raised:
        read_synonyms(tmp_path / "s.csv")
    assert reason in str(raised.value)
    assert str(tmp_path / "s.csv") in str(raised.value)


def test_several_errors_are_named_at_once_and_many_are_counted(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("\n".join(["couch, sofa", *["alone"] * 9]))
    with pytest.raises(SynonymsError) as raised:
        read_synonyms(tmp_path / "s.csv")
    message = str(raised.value)
    assert [f"line {number} " in message for number in range(2, 8)] == [*[True] * 5, False]
    assert "; and 4 more. " in message


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("s.csv", b"couch, sofa\ncaf\xe9, bistro", "line 2 is no text in UTF-8"),
        ("s.toml", b"groups = [", "is no TOML"),
        ("s.toml", b"group = [['a']]", "has group. Write 'groups'"),
        ("s.toml", b"groups = [['couch', 'sofa'], 'lamp']", "group 2 is no list of words"),
        ("s.toml", b"[one_way]\nsneaker = 'shoe'", "one_way.sneaker is no list of words"),
        ("s.toml", b"groups = [['couch', 7]]", "group 1 is no list of words"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SynonymsError) as raised:
        read_synonyms(tmp_path / name)
    assert reason in str(raised.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "no such file"), (tmp_path, "no regular file")):
        with pytest.raises(SynonymsError) as raised:
            read_synonyms(path)
        assert reason in str(raised.value)
