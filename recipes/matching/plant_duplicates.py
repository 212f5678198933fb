"""Writes a catalogue with planted duplicates and variants, and the pairs that are known of it.

Duplicates are re-titled and have their picture scaled, cropped and encoded anew; variants say
another colour, size, capacity or pack, with the same picture or one of another hue, or have the
same title and a picture of another hue. With `--words`, more say another word or number in one
place, as "single" and "dual" or "105" and "106". Products of one title are taken together or not
at all.
"""

import argparse
import io
import itertools
import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COLOURS = "black blue red green white grey pink purple yellow brown".split()  # noqa: SIM905
COLOUR = re.compile(rf"\b({'|'.join(COLOURS)})\b", re.IGNORECASE)
CAPACITY = re.compile(r"\b(\d+)\s?(GB|TB|L|ml|W|mAh|Inch|MP)\b", re.IGNORECASE)
SIZES = [*map(str, range(36, 46, 2)), "S", "M", "L", "XL", "Small", "Medium", "X-Large", "XX-Large"]
LEAST_CHANGE = 12.0  # of 255, by another hue
ONE_IN = 3  # bases, of a title that several products have
SUFFIXES = ["II", "2", "3", "S", "X", "U", "Plus", "Mini", "Pro", "R", "E", "XL", "Neo", "Ultra"]
NOTE = re.compile(r"(,? ?(?:\(Pack of \d+\)|Size \S+|\[\S+\]))?$")  # what `vary` adds
NUMBER = re.compile(r"\d\W*$")
LETTERS = {"small": "s", "medium": "m", "x-large": "xl", "xx-large": "xxl"}  # of sizes
LEAST_HUES = 40  # steps between the hues of two variants of a product
COLUMNS = ["product_id", "title", "image"]
PAIR_COLUMNS = ["left", "right", "match", "differs"]
NOISE = ["", "", " - Buy Online", " | New", " (Original)", " with Free Shipping", " Best Price"]
WORDS = {
    "men": "Mens", "women": "Womens", "women's": "Ladies", "t-shirt": "Tee", "tshirt": "T-Shirt",
    "with": "w/", "and": "&", "for": "", "shoes": "Shoe", "inch": "Zoll", "pack": "Pk",
    "black": "Blk", "white": "Wht", "wireless": "Wirelss", "bluetooth": "BT",
}  # fmt: skip
UNITS = {"inch": (2.54, "cm"), "l": (1000, "ml"), "tb": (1000, "GB"), "w": (1, "Watt")}


def retitle(title: str, chance: random.Random) -> str:
    """The title as another shop may write it; what tells variants apart stays."""
    if chance.random() < 0.5:
        title = CAPACITY.sub(lambda found: _rewrite_quantity(found, chance), title)
    note = NOTE.search(title)[0]
    words = title.removesuffix(note).split()
    plain = [position for position in range(1, len(words)) if _is_plain(words, position)]
    for position, word in enumerate(words):
        other = WORDS.get(word.lower())
        if other is not None and chance.random() < 0.4:
            words[position] = other
    for position in chance.sample(plain, min(len(plain), chance.choice([0, 1, 1, 2]))):
        if len(plain) > 3:
            words[position] = ""
    words = [word for word in words if word]
    if len(words) > 3 and chance.random() < 0.4:
        position = chance.randrange(1, len(words) - 1)
        if not NUMBER.search(words[position]):  # its unit is behind it
            words[position : position + 2] = words[position : position + 2][::-1]
    changed = " ".join(words) + note + chance.choice(NOISE)
    return chance.choice([str, str, str.lower, str.upper])(changed)


def _is_plain(words: list[str], position: int) -> bool:
    """Whether a word tells no variants apart: no colour, and no unit of the number before it."""
    word = words[position]
    return word.isalpha() and not COLOUR.search(word) and not NUMBER.search(words[position - 1])


def _rewrite_quantity(found: re.Match[str], chance: random.Random) -> str:
    number, unit = found.groups()
    if unit.lower() in UNITS and chance.random() < 0.5:
        factor, other = UNITS[unit.lower()]
        return f"{float(number) * factor:g} {other}"
    return f"{number} {unit}" if " " not in found[0] else f"{number}{unit}"


def vary(title: str, chance: random.Random) -> tuple[str, str]:
    """The title of a variant, and what differs, such as "size:42": colour, capacity or pack."""
    kinds = ["pack", "size"]
    if COLOUR.search(title):
        kinds += ["colour"] * 4
    if CAPACITY.search(title):
        kinds += ["capacity"] * 4
    kind = chance.choice(kinds)
    if kind == "colour":
        own = COLOUR.search(title)[1].lower()
        other = chance.choice([each for each in COLOURS if each != own]).title()
        return COLOUR.sub(other, title), f"{kind}:{other}"
    if kind == "capacity":
        found = CAPACITY.search(title)
        number = found[1]
        other = int(number) * 2 if chance.random() < 0.5 or int(number) < 4 else int(number) // 2
        return f"{title[: found.start(1)]}{other}{title[found.end(1) :]}", f"{kind}:{other}"
    if kind == "size":
        size = chance.choice(SIZES)
        note = chance.choice([f", Size {size}", f" [{size}]"])
        return title + note, f"{kind}:{LETTERS.get(size.lower(), size.lower())}"
    count = chance.choice([2, 3, 4, 6])
    return f"{title} (Pack of {count})", f"{kind}:{count}"


def has_hue(data: bytes) -> bool:
    """Whether a picture is another one in another hue."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    change = np.abs(np.float32(picture) - np.float32(shift_hue(picture, 85)))
    return float(change.mean(axis=2).mean()) >= LEAST_CHANGE


def shift_hue(picture: Image.Image, steps: int) -> Image.Image:
    """The picture with its hues shifted by steps of 256."""
    pixels = np.array(picture.convert("HSV"))
    pixels[..., 0] += np.uint8(steps)
    return Image.fromarray(pixels, "HSV").convert("RGB")


def change_picture(data: bytes, chance: random.Random, hue: int = 0) -> bytes:
    """The picture scaled, cropped and encoded anew; for a variant of another hue too."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    if hue:
        picture = shift_hue(picture, hue)
    width, height = picture.size
    cut = [chance.uniform(0, 0.06) for _ in range(4)]
    box = (cut[0] * width, cut[1] * height, (1 - cut[2]) * width, (1 - cut[3]) * height)
    picture = picture.crop(tuple(map(int, box)))
    scale = chance.uniform(0.75, 1.0)
    picture = picture.resize([max(16, int(side * scale)) for side in picture.size])
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=chance.randrange(50, 90))
    return out.getvalue()


def plant(products: pd.DataFrame, count: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The products with planted ones among them, and the pairs that are known."""
    chance = random.Random(seed)
    usable = products[products.image.notna() & (products.title.str.split().str.len() >= 4)]
    repeated = usable.title.str.lower().duplicated(keep=False)
    parts = [usable[repeated], usable[~repeated]]
    counts = [count // ONE_IN, count - count // ONE_IN]
    bases = pd.concat(
        part.sample(min(wanted, len(part)), random_state=seed)
        for part, wanted in zip(parts, counts, strict=True)
    )
    rows, pairs = [], []
    for base in bases.itertuples():
        family = [(base.product_id, "", True)]
        hues = chance.sample(range(50, 201, LEAST_HUES), 2)
        for number in range(chance.choice([1, 1, 2])):
            name = f"{base.product_id}-dup{number}"
            picture = change_picture(base.image, chance) if chance.random() < 0.9 else None
            rows.append((name, retitle(base.title, chance), picture))
            family.append((name, "", picture is not None))
        for number in range(chance.choice([0, 1, 2])):
            name = f"{base.product_id}-var{number}"
            title, kind = vary(base.title, chance)
            hue = kind.startswith("colour") and chance.random() < 0.7
            if chance.random() < 0.25 and has_hue(base.image):
                title, kind, hue = base.title, f"picture:{number}", True
            written = retitle(title, chance) if chance.random() < 0.5 else title
            rows.append((name, written, change_picture(base.image, chance, hues[number] * hue)))
            family.append((name, kind, True))
        for (one, kind, pictured), (other, its, has_picture) in itertools.combinations(family, 2):
            differs = _differs(kind, its)
            visible = (pictured and has_picture) or differs != "picture"
            if visible and (kind == its or _size_of(kind) == _size_of(its)):
                pairs.append((one, other, kind == its, differs))
    planted = pd.DataFrame(rows, columns=COLUMNS)
    together = pd.concat([products[COLUMNS], planted])
    known = pd.DataFrame(pairs, columns=PAIR_COLUMNS)
    return together.sort_values("product_id"), known


class Neighbours:
    """Words by the word before and the word after them: what may stand in the place of another."""

    def __init__(self, titles: pd.Series) -> None:
        self._found: dict[tuple[str, int], set[str]] = {}
        for title in titles:
            words = title.split()
            for one, other in itertools.pairwise(words):
                self._found.setdefault((one.lower(), 1), set()).add(other)
                self._found.setdefault((other.lower(), -1), set()).add(one)

    def find(self, words: list[str], position: int) -> list[str]:
        """Other words that follow or precede a neighbour of the word in a place."""
        found = set[str]()
        if position:
            found |= self._found[words[position - 1].lower(), 1]
        if position + 1 < len(words):
            found |= self._found[words[position + 1].lower(), -1]
        stem = _stem(words[position])
        return sorted(each for each in found if _stem(each) not in (stem, ""))


def change_word(title: str, neighbours: Neighbours, chance: random.Random) -> str:
    """The title with another word or number in one place, or with a short one more."""
    words = title.split()
    numbered = [p for p, word in enumerate(words) if any(map(str.isdigit, word))]
    kind = chance.random()
    if numbered and kind < 0.35:
        position = chance.choice(numbered)
        digit = chance.choice([p for p, sign in enumerate(words[position]) if sign.isdigit()])
        other = chance.choice([each for each in "123456789" if each != words[position][digit]])
        words[position] = words[position][:digit] + other + words[position][digit + 1 :]
    elif kind < 0.45:
        words.insert(chance.randrange(1, min(5, len(words))), chance.choice(SUFFIXES))
    else:
        position = chance.randrange(1, len(words))
        words[position] = chance.choice(
            neighbours.find(words, position) or [chance.choice(SUFFIXES)]
        )
    return " ".join(words)


def plant_words(products: pd.DataFrame, count: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Listings that differ in a word from a product, with its picture; no pair is a match."""
    chance = random.Random(seed)
    usable = products[products.image.notna() & (products.title.str.split().str.len() >= 4)]
    neighbours = Neighbours(usable.title)
    rows, pairs = [], []
    for base in usable.sample(min(count, len(usable)), random_state=seed + 1).itertuples():
        name = f"{base.product_id}-word"
        picture = base.image if chance.random() < 0.6 else change_picture(base.image, chance)
        title = change_word(base.title, neighbours, chance)
        rows.append((name, retitle(title, chance) if chance.random() < 0.2 else title, picture))
        pairs.append((base.product_id, name, False, "word"))
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(pairs, columns=PAIR_COLUMNS)


def _stem(word: str) -> str:
    """The letters and digits of a word in lower case, without a plural's ending."""
    plain = "".join(filter(str.isalnum, WORDS.get(word.lower(), word).lower()))
    return plain.rstrip("s") or plain


def _size_of(kind: str) -> str:
    """How a variant says a size; of "42" and "M", or of none, nobody knows whether it is one."""
    name, _, value = kind.partition(":")
    return f"digits {value.isdigit()}" if name == "size" else ""


def _differs(*variants: str) -> str:
    """The kinds of difference of two variants of a product."""
    return "|".join(sorted({each.split(":")[0] for each in variants if each}))


def sample_titles(products: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """About so many products, all of those titles that are drawn."""
    titles = products.title.fillna("").str.lower()
    drawn = pd.Series(titles.unique()).sample(frac=min(1.0, count / len(titles)), random_state=seed)
    return products[titles.isin(set(drawn))]


def main() -> None:
    """Reads the arguments and writes the two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", type=Path, nargs="+")
    parser.add_argument("--splits", default="train")
    parser.add_argument("--products", type=int, default=3000)
    parser.add_argument("--planted", type=int, default=1000)
    parser.add_argument("--words", type=int, default=0, help="products with a word exchanged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    parts = []
    for path in options.catalogue:
        part = pq.read_table(path, columns=["product_id", "title", "image", "split"]).to_pandas()
        part = part[part.split.isin(options.splits.split(","))]
        parts.append(sample_titles(part, options.products, options.seed))
    own = pd.concat(parts)
    products, pairs = plant(own, options.planted, options.seed)
    more, known = plant_words(own, options.words, options.seed)
    products = pd.concat([products, more]).sort_values("product_id")
    pairs = pd.concat([pairs, known])
    options.out.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(products, preserve_index=False)
    pq.write_table(table, options.out / "catalogue.parquet")
    pairs.to_csv(options.out / "pairs.csv", index=False)


if __name__ == "__main__":
    main()
