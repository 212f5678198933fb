"""Cells of exports that list pictures."""

from prodmatch.feeds.parents import SEPARATOR


def test_lists_of_pictures_are_split_in_linear_time() -> None:
    parts = ["a.jpg", "b.jpg", "https://x/d.jpg", "https://y/e.jpg"]
    assert SEPARATOR.split("a.jpg, b.jpg ;https://x/d.jpg  https://y/e.jpg") == parts
    blanks = " " * 400_000 + "x"  # a quarter of an hour if every blank looked on to the end
    assert SEPARATOR.split(blanks)
