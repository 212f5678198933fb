"""Pages taken apart: tags, sources, alternative texts, colours."""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

from prodmatch.evaluation.comparison import (
    Comparison,
    Cut,
    Difference,
    Evaluation,
    Figure,
    Gain,
    Loss,
    QueryFigure,
)

VOID = {"meta", "img", "br", "line", "polyline"}


class Tags(HTMLParser):
    """Collects tags, their attributes and sources, and what a page says; counts what is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.said = ""
        self.attributes: set[str] = set()
        self.pictures = 0
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
            self.pictures += 1
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


def evaluation(
    others: Mapping[str, float] | None = None, gain: float = 0.02, p: float = 0.001
) -> Evaluation:
    """An evaluation of two queries; the hybrid differs from others by what is given."""
    figure = Figure(0.5, 0.4, 0.6)
    names = ("nDCG@10", "Success@10")
    cut = Cut(0.5, 0.4, 0.6, 0.5)
    loss = Loss("q2", "mug", 0.2, 0.9, ["p1"], ["p2", "p1"])
    return Evaluation(
        queries=2,
        judged=7,
        relevant=4,
        judged_at_10=0.5,
        figures={name: dict.fromkeys(names, figure) for name in ("text", "hybrid")},
        gains=dict.fromkeys(names, Gain("text", gain, p)),
        at_threshold=cut,
        brier=0.1,
        ece=0.2,
        cuts=[cut],
        comparisons={
            name: Comparison({"nDCG@10": Difference(difference, p)}, [loss])
            for name, difference in (others or {}).items()
        },
        worst=[QueryFigure("q1", "<b>cup</b>", 0.1, ["p1", "gone"], ["p2"])],
    )
