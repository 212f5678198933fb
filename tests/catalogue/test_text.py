"""Texts lose their markup, their scripts and styles, and nothing else."""

import pytest
from conftest import Counting

from prodmatch.catalogue.text import clean_text

CLEANED = {
    "5 < 6": "5 < 6",
    "a<b": "a<b",
    "a<b and c>d": "a<b and c>d",
    "w<5kg & h>3cm": "w<5kg & h>3cm",
    "I <3 you": "I <3 you",
    "5 &lt; 6 &gt; 4": "5 < 6 > 4",
    "size <large>": "size <large>",
    "<p>Red <b>shirt</b></p>": "Red shirt",
    "5 < 6 <b>bold</b>": "5 < 6 bold",
    "Red<br>shirt<br/>new": "Red shirt new",
    "<DIV CLASS=x>Red</DIV>": "Red",
    '<a href="x>y">link</a>': "link",
    "<style>p { color: red }</style>Shirt": "Shirt",
    "<script>if (a<b) x('</b>')</script>Shirt": "Shirt",
    "<SCRIPT TYPE='x'>var a = 1;</SCRIPT>Shirt": "Shirt",
    "Shirt<script>cut off > here <b": "Shirt",
    "Red <!-- a > b --> shirt": "Red shirt",
    "<![CDATA[Red]]> shirt": "Red shirt",
    "<![if x]>Red<![endif]>": "Red",
    "<!DOCTYPE html><?xml version='1'?>Red": "Red",
    "<o:p>Red</o:p>": "Red",
    "&lt;p&gt;Red&lt;/p&gt;": "Red",
    "&amp;lt;p&amp;gt;Tom &amp;amp; Jerry&amp;lt;/p&amp;gt;": "Tom & Jerry",
    "15&amp;amp;quot; AT&T": '15" AT&T',
    f"Red<img src='data:image/png;base64,{'iVB+/' * 9000}=='>shirt": "Red shirt",
    f'<i style="x:url(DATA:font/woff2;base64,{"d09G" * 9000})">Red</i> shirt': "Red shirt",
    "AT&amp;T <b>R&D</b>": "AT&T R&D",
    "<p": "<p",
    "<b>a</b><b": "a <b",
    "Red<p>cotton</p>shirt": "Red cotton shirt",
    "<>": "<>",
    "a > b": "a > b",
    "caf&eacute; <i>cr\u00e8me</i>": "café crème",
    "<svg><path d='M0'/></svg>Red": "Red",
}


@pytest.mark.parametrize("text", CLEANED)
def test_markup_goes_and_comparisons_stay(text: str, count_cases: Counting) -> None:
    assert clean_text(text) == CLEANED[text]
    count_cases("texts with markup", 1)


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<a =", "<a\n=", "<!--", "<![", "</", "<?", "<a b='"]
)
@pytest.mark.parametrize("end", [">", "'>", ""])
def test_no_markup_makes_a_text_longer(piece: str, end: str) -> None:
    text = piece * (20_000 // len(piece)) + end
    assert len(clean_text(text)) <= len(text)


def test_control_characters_are_spaces() -> None:
    codes = [*range(32), *range(127, 160)]
    assert clean_text("".join(f"a{chr(code)}" for code in codes)) == " ".join("a" * len(codes))
