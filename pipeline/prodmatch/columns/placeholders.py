"""Texts and pictures that stand for none: literal nan, and one thing under many products."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

PLACEHOLDER = re.compile(
    r"\W*(nan|none|null|nil|n/?a|#n/a|\\n|tbd|tba|tbc|undefined|"
    r"to be (defined|determined|confirmed)|unknown|untitled|no (title|name|description)|"
    r"placeholder|dummy|x{3,}|todo|"
    r"\[?object object\]?|#(ref|value|name|div/0|null|num|nv|wert|bezug|zahl)[!?]?|lorem ipsum.*)"
    r"\W*|[-_.?\s\u2013\u2014/]+",
    re.IGNORECASE,
)
FEWEST = 5  # products, for one thing under many
LARGE_SHARE = 0.05  # of the products, for a text
PICTURE_SHARE = 0.01  # of the products, for a picture under different texts
MANY_TEXTS = 50  # under which a picture is no one product's, whatever the share
EXAMPLES = 5


def is_placeholder(text: str) -> bool:
    """Whether a text stands for none, as programs write a missing value."""
    return PLACEHOLDER.fullmatch(text) is not None


@dataclass
class Placeholders:
    """What has been found of them so far."""

    values: dict[str, Counter[str]] = field(default_factory=dict)  # by column
    examples: dict[str, list[str]] = field(default_factory=dict)
    titles: Counter[str] = field(default_factory=Counter)
    picture_texts: dict[bytes, set[bytes]] = field(default_factory=dict)
    picture_counts: Counter[bytes] = field(default_factory=Counter)
    picture_examples: dict[bytes, str] = field(default_factory=dict)

    def add_text(self, column: str, text: str, product_id: str) -> None:
        """Adds a cell of a text column."""
        if is_placeholder(text):
            self.values.setdefault(column, Counter())[text.strip() or text] += 1
            shown = self.examples.setdefault(column, [])
            if len(shown) < EXAMPLES:
                shown.append(product_id)

    def add_texts(self, column: str, texts: pa.Array, product_ids: Sequence[str]) -> None:
        """Adds cells of a column that is not searched."""
        values = [text for text in texts.unique().to_pylist() if text and is_placeholder(text)]
        if not values:
            return
        rows = pc.indices_nonzero(pc.is_in(texts, pa.array(values, texts.type))).to_pylist()
        for text, row in zip(texts.take(pa.array(rows)).to_pylist(), rows, strict=True):
            self.add_text(column, text, product_ids[row])

    def add_picture(self, key: bytes, text: bytes, product_id: str) -> None:
        """Adds a product's picture, and the key of the text of its product."""
        self.picture_counts[key] += 1
        self.picture_examples.setdefault(key, product_id)
        texts = self.picture_texts.setdefault(key, set())
        if len(texts) < MANY_TEXTS:
            texts.add(text)

    def frequent_titles(self, products: int) -> dict[str, int]:
        """Titles that a large share of the products has."""
        least = max(FEWEST, LARGE_SHARE * products)
        return {title: count for title, count in self.titles.most_common(10) if count >= least}

    def frequent_pictures(self, products: int) -> dict[str, int]:
        """Pictures under many products of different texts, by the first of these products."""
        least = max(FEWEST, PICTURE_SHARE * products)
        return {
            self.picture_examples[key]: count
            for key, count in self.picture_counts.most_common(10)
            if len(self.picture_texts[key]) >= min(MANY_TEXTS, least)
        }
