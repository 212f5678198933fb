"""The page of an evaluation: its verdict in sentences, and queries that are answered badly."""

import pytest
from pages import Tags, evaluation
from small import draw

from prodmatch.reports.html import evaluation_page, say_verdict, shown_products


@pytest.mark.parametrize(
    ("gain", "p", "sentence"),
    [
        (0.02, 0.001, "It is better than the best single signal, text, by 0.020, more than chance"),
        (0.02, 0.3, "by 0.020, which may be chance (p 0.3000)."),
        (-0.5, 0.0, "It is worse than the best single signal, text, by 0.500, more than chance"),
        (0.0001, 0.9, "It is as good as the best single signal, text."),
    ],
)
def test_the_verdict_is_a_sentence(gain: float, p: float, sentence: str) -> None:
    first, second = say_verdict(evaluation(gain=gain, p=p))
    assert first == (
        "The hybrid finds a relevant product among the first ten for 50.0 % of 2 queries "
        "(nDCG@10 0.500)."
    )
    assert sentence in second


def test_other_systems_are_in_the_verdict_and_have_their_losses() -> None:
    found = evaluation({"<i>": 0.1, "old": -0.2})
    page = evaluation_page(found, "sample", names={"p1": "Blue <u>Mug</u>"})
    assert "It is better than “&lt;i&gt;” by 0.100, more than chance (p 0.0010)." in page
    assert "It is worse than “old” by 0.200, more than chance (p 0.0010)." in page
    assert page.count("<td>nDCG@10</td><td>\u22120.200</td><td>0.0010</td>") == 1
    for part in ("answers better", "nDCG@10 0.200, old 0.900", "Blue &lt;u&gt;Mug&lt;/u&gt;"):
        assert part in page
    assert "<i>" not in page
    assert "u" not in Tags(page).tags
    assert "no picture" not in page  # where there are none at all


def test_the_worst_queries_are_shown_with_pictures() -> None:
    pictures = {"p1": draw((200, 10, 20), 1), "p2": draw((20, 10, 200), 1)}
    found = evaluation({"old": 0.1})
    assert shown_products(found) == ["p1", "gone", "p2", "p1", "p2", "p1"]
    page = evaluation_page(found, "sample", pictures=pictures, names={"p1": "Mug"})
    worst = page[page.index("<h2>Worst queries</h2>") :]
    assert "<b>&lt;b&gt;cup&lt;/b&gt;</b> <small>q1</small><br>nDCG@10 0.100" in worst
    order = [
        "found first",
        'aria-label="Mug"',
        "no picture",
        "not among the first ten",
        "p2</small>",
    ]
    positions = [worst.index(part) for part in order]
    assert positions == sorted(positions)
    assert page.count("data:image/webp") == 2
    assert not Tags(page).without_text
