"""The page of a map: every product as a point, pictures near by, and the outliers to go to."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prodmatch.maps.pictures import ACROSS, SIDE
from prodmatch.maps.product_map import ProductMap
from prodmatch.reports.rendering import read_script, render

LISTED = 60  # outliers of a kind
MOST_COLOURS = 11  # and one of all others
SEPARATOR = " > "
FULL = 32_767 / 1.06  # of a position
KINDS = {
    "wrong_picture": "Picture and text disagree",
    "wrong_category": "Category unlike the neighbours'",
    "near_duplicate": "Nearly the same products",
    "empty_picture": "Pictures that show nothing",
    "blurred_picture": "Blurred pictures",
}


def map_page(found: ProductMap) -> str:
    """The page, with all data in it."""
    names, codes = colour_groups(found.categories, found.codes)
    positions = np.clip(np.rint(found.positions * FULL), -32_767, 32_767).astype("<i2")
    facts = {
        "groups": names,
        "clusters": [
            [round(each.x * FULL), round(each.y * FULL), each.name, each.level]
            for each in found.clusters
        ],
        "across": ACROSS,
        "side": SIDE,
        "sheets": len(found.pictures.sheets),
    }
    outliers = {
        KINDS[kind]: [(each, found.titles[each.position]) for each in listed[:LISTED]]
        for kind, listed in found.outliers.items()
        if listed
    }
    return render(
        "map.html",
        report=found.report,
        counts={KINDS[kind]: len(listed) for kind, listed in found.outliers.items()},
        outliers=outliers,
        ids=found.product_ids,
        data={
            "facts": _packed(json.dumps(facts).encode()),
            "texts": _packed(_texts(found)),
            "positions": base64.b64encode(positions.tobytes()).decode(),
            "codes": base64.b64encode(codes.astype(np.uint8).tobytes()).decode(),
            "there": base64.b64encode(np.packbits(found.pictures.there).tobytes()).decode(),
        },
        sheets=[base64.b64encode(sheet).decode() for sheet in found.pictures.sheets],
        script=read_script("map.js"),
    )


def colour_groups(
    categories: Sequence[str], codes: npt.NDArray[np.int64]
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """A dozen groups of categories at most, the largest first, and the group of each product.

    Of categories such as "Shoes > Sandals" the deepest level that is not too fine makes the groups;
    what is left over, and products without a category, are "others", the last group.
    """
    depth = max((name.count(SEPARATOR) + 1 for name in categories), default=1)
    shortened = [list(categories)]
    shortened += [[_cut(name, level) for name in categories] for level in range(depth - 1, 0, -1)]
    chosen = next((each for each in shortened if len(set(each)) <= MOST_COLOURS), shortened[-1])
    sizes = np.bincount(codes[codes >= 0], minlength=len(categories))
    totals: Counter[str] = Counter()
    for name, size in zip(chosen, sizes.tolist(), strict=True):
        totals[name] += size
    names = [name for name, _ in sorted(totals.items(), key=lambda each: (-each[1], each[0]))]
    names = names[:MOST_COLOURS]
    numbers = {name: number for number, name in enumerate(names)}
    others = len(names)
    table = np.array([*(numbers.get(name, others) for name in chosen), others], np.int64)
    return [*names, "others"], table[codes]


def _cut(name: str, level: int) -> str:
    return SEPARATOR.join(name.split(SEPARATOR)[:level])


def _texts(found: ProductMap) -> bytes:
    lines = zip(found.product_ids, found.titles, strict=True)
    return "\n".join(f"{_line(name)}\t{_line(title)}" for name, title in lines).encode()


def _line(text: str) -> str:
    return " ".join(text.split())


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()
