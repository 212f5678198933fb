"""Pages taken apart: tags, sources, alternative texts, colours."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "line", "polyline"}


class Tags(HTMLParser):
    """Collects tags, their attributes and sources, and what a page says; counts what is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.said = ""
        self.attributes: set[str] = set()
        self.without_text: list[str] = []  # pictures that have no alternative text
        self.open: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(values)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "img" or values.get("role") == "img":
            text = values.get("alt" if tag == "img" else "aria-label")
            self.without_text += [] if text else [str(attrs)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def style_of(page: str) -> str:
    return "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of sRGB, as WCAG 2 defines it."""
    parts = [each / 255 for each in colour]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def schemes(page: str) -> Iterator[tuple[str, dict[str, tuple[float, ...]]]]:
    """The colours of the light and the dark scheme by name."""
    light, dark = re.findall(r":root \{(.*?)\}", style_of(page), re.DOTALL)
    colours: dict[str, tuple[float, ...]] = {}
    for scheme, rules in (("light", light), ("dark", dark)):
        for name, value in re.findall(r"--([\w-]+): ([^;}]+)", rules):
            digits = value.strip().lstrip("#")
            colours[name] = (
                tuple(map(float, digits.split(",")))
                if "," in digits
                else tuple(int(digits[at : at + 2], 16) for at in (0, 2, 4))
            )
        yield scheme, dict(colours)
