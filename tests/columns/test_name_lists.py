"""Lists of names, of which one may have a comma."""

import pytest

from prodmatch.columns.name_lists import quote_name, split_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("brand,colour", ["brand", "colour"]),
        (" brand , colour,,", ["brand", "colour"]),
        ("", []),
        ('"Size, EU",colour', ["Size, EU", "colour"]),
        ('colour, "Size, EU" ', ["colour", "Size, EU"]),
        ('"Size, EU"=.5,price=-.1', ["Size, EU=.5", "price=-.1"]),
        ('"a ""b"", c"', ['a "b", c']),
        ('size 5",colour', ['size 5"', "colour"]),
        ('"open,colour', ['"open', "colour"]),
        ("first\nline,second", ["first\nline", "second"]),
    ],
)
def test_names_are_separated_by_commas_outside_quotes(text: str, names: list[str]) -> None:
    assert list(split_names(text)) == names


@pytest.mark.parametrize("name", ["brand", "Size, EU", 'size 5"', '"a", b', '"quoted"'])
def test_a_name_that_is_quoted_for_a_list_is_read_from_it(name: str) -> None:
    assert split_names(f"{quote_name(name)},colour") == (name, "colour")
