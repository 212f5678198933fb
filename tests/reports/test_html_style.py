"""The style of all pages: contrast in both schemes, and screens of 390 pixels."""

import re

import numpy as np
from pages import Tags, contrast, evaluation, luminance, schemes, style_of
from small import draw

from prodmatch import Query
from prodmatch.reports.html import answers_page, evaluation_page, explanation_page
from prodmatch.search.answers.explanation import Explanation, HeatMap, WordShare
from prodmatch.search.answers.hits import Answer, Hit


def hit(product_id: str) -> Hit:
    return Hit("q", 1, product_id, 0.9, 0.8, 0.5, 0.3, 0.1, 4, {"title": "Mug"})


def some_pages() -> list[str]:
    answers = [
        Answer("a", [hit("p1"), hit("p2")]),
        Answer("b", [hit("p1")], "mug", "price < 5", ("why",)),
    ]
    pictures = {"p1": draw((200, 10, 20), 1), "p2": draw((20, 10, 200), 1)}
    both = [Query("a", "mug"), Query("b", image=draw((1, 2, 3), 4))]
    return [
        answers_page(both, answers, pictures, facts={"generation": 4}),
        evaluation_page(evaluation({"other": 0.01}), "sample", pictures=pictures),
        explanation_page(explanation()),
    ]


def explanation() -> Explanation:
    heat = HeatMap(np.full((8, 8, 3), 250, np.uint8), np.ones((8, 8), np.float32), 0.5)
    words = [WordShare("red", 0.3, 1.0), WordShare("mug", -0.1, 0.0)]
    return Explanation(Query(text="red mug"), hit("p1"), 0.5, 0.4, 2.0, words, words, None, heat)


def test_text_has_contrast_in_both_schemes() -> None:
    page, *others = some_pages()
    found = list(schemes(page))
    assert all(list(schemes(other)) == found for other in others)
    assert [scheme for scheme, _ in found] == ["light", "dark"]
    assert luminance(found[0][1]["paper"]) > 0.5 > 0.1 > luminance(found[1][1]["paper"])
    for scheme, colours in found:
        for text in ("ink", "muted", "link"):
            for ground in ("paper", "sunk"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (scheme, text, ground)
        for signal in ("lexical", "text", "image", "boost"):
            assert contrast(colours[signal], colours["sunk"]) >= 3, (scheme, signal)
        for tint in ("for", "against"):  # words of an explanation, at their strongest
            mixed = tuple(
                0.6 * over + 0.4 * under
                for over, under in zip(colours[tint], colours["paper"], strict=True)
            )
            assert contrast(colours["ink"], mixed) >= 4.5, (scheme, tint)
    rules = "".join(map(style_of, (page, *others)))
    named = set(re.findall(r"(?<![\w-])color: (var\(--\w+\)|\w+)", rules))
    assert named <= {"var(--ink)", "var(--muted)", "var(--link)", "inherit"}


def test_pages_are_well_formed_and_their_pictures_have_texts() -> None:
    for page in some_pages():
        tags = Tags(page)
        assert tags.pictures
        assert not tags.without_text
        assert tags.tags.count("main") == tags.tags.count("h1") == 1
        assert not {"script", "link", "iframe", "object"} & set(tags.tags)
        assert all(source.startswith("data:image/webp;base64,") for source in tags.sources)


def test_pages_fit_a_phone() -> None:
    for page in some_pages():
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
        rules = style_of(page)
        assert "img { max-width: 100% }" in rules
        assert "overflow-wrap: anywhere" in rules
        for number, unit in re.findall(r"[^-\w]width: ?([\d.]+)(px|em|rem)", rules):
            assert float(number) * (1 if unit == "px" else 16) <= 358
        assert not re.findall(r'style="[^"]*width:[\d.]+(?!%|[\d.])', page)
        assert page.count("<table") == page.count('<div class="wide"><table')
