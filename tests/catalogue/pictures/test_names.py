"""One text may name several pictures; a name with a comma in it stays one."""

import json

import pytest
from conftest import Counting

from prodmatch.catalogue.pictures.names import names_none, split_names

PAIRS = [
    ("a.jpg", "b.png"),
    ("front 1.JPG", "back (2).jpeg"),
    ("/cat/1/a.webp", "/cat/1/b.webp"),
    ("C:\\pics\\a.jpg", "C:\\pics\\b.jpg"),
    ("file:///srv/a.gif", "file:///srv/b.gif"),
    ("https://shop.example/a.jpg?v=1", "https://shop.example/b.jpg?v=2"),
    ("//cdn.shop.example/a", "//cdn.shop.example/b"),
    ("m\u00fcsli.jpg", "\u9774.jpg"),
]
FORMS = {
    "comma": "{},{}",
    "comma and space": "{}, {}",
    "semicolon": "{};{}",
    "pipe": "{}|{}",
    "tilde": "{}~{}",
    "breaks": "{}<br>{}",
    "closed breaks": "{}<br/>{}",
    "caret": "{}^{}",
    "ampersands": "{} && {}",
    "lines": "{}\n{}",
    "lines of Windows": "{}\r\n{}\r\n",
    "tab": "{}\t{}",
    "last comma": "{},{},",
    "empty between": "{}||{}",
    "quotes": '"{}","{}"',
    "Python": "['{}', '{}']",
    "NumPy": "['{}'\n '{}']",
    "PostgreSQL": "{{{},{}}}",
    "brackets": "[{}, {}]",
}
ALONE = [
    "mug, red.jpg", "a b.jpg", "photo (1).jpg", "[1] photo.jpg", "shoe;left.png", "nan", "a.jpg, b",
    "https://cdn.example/a.jpg,b.jpg", "https://cdn.example/w_200,h_300/a.jpg",
    "https://shop.example/?id=1;size=2", "x.jpg?v=1,2",
    "(a).jpg", "PROGRA~1.jpg", "a~b", "x&y.jpg", "a^2.png", "a,b", "one|two",
    "data:image/png;base64,iVBORw0KGgo=",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_text_is_split_at_any_mark_between_pictures(form: str, count_cases: Counting) -> None:
    for pair in PAIRS:
        assert split_names(FORMS[form].format(*pair)) == [*pair]
    count_cases("cells of text", len(PAIRS))


def test_a_list_of_json_gives_its_names() -> None:
    for pair in PAIRS:
        objects = [{"id": 7, "src": pair[0]}, {"url": pair[1], "alt": "x"}]
        for found in (pair, [pair[0], None, "", pair[1]], objects):
            assert split_names(json.dumps(found)) == [*pair]
        assert split_names(json.dumps([[pair[0]], [pair[1]]])) == [*pair]
        assert split_names(json.dumps([pair[0]])) == [pair[0]]
        for one in (
            {"main": pair[0], "id": 7},
            {pair[0]: [500, 400]},
            {"thumb": "x", "large": pair[0]},
        ):
            assert split_names(json.dumps(one)) == [pair[0]]
        assert split_names(json.dumps(pair[0])) == [pair[0]]


def test_data_uris_are_split_between_each_other() -> None:
    one, two = "data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,/9j/4AAQ"
    for mark in (",", ", ", "|", "\n"):
        assert split_names(one + mark + two) == [one, two]
    assert split_names(json.dumps([one, two])) == [one, two]


@pytest.mark.parametrize("text", ALONE)
def test_a_name_with_marks_in_it_stays_one(text: str) -> None:
    assert split_names(text) == [text]


def test_brackets_without_a_name_name_none() -> None:
    assert all(map(names_none, ["[]", "{}", " [ ] ", '[""]', "[null]", "[None]"]))
    assert not any(map(names_none, ["", "[a.jpg]", "[0]", "a.jpg"]))


def test_deep_brackets_are_no_list() -> None:
    text = "[" * 100_000 + "]" * 100_000
    assert split_names(text) == [text]
