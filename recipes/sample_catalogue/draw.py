"""Draws a catalogue: products in colours and patterns, half of whose titles do not name the colour.

    python recipes/sample_catalogue/draw.py --seed 7 --count 616 --out sample_data/catalogue.parquet

Next to the catalogue it writes queries.jsonl and qrels.parquet: "red t-shirt" and the like, with
every product that matches. Relevance comes from the drawing, not from the title.
"""

import argparse
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFilter
from shapes import KINDS, Kind, Outline, Shape

Colour = tuple[int, int, int]

SAMPLE = Path(__file__).parents[2] / "sample_data/catalogue.parquet"
SIDE, SCALE = 96, 3  # pixels of a picture; drawn larger and reduced, which smooths the edges
COLOURS: dict[str, Colour] = {
    "red": (200, 28, 36),
    "blue": (34, 92, 200),
    "navy blue": (24, 32, 84),
    "green": (38, 140, 62),
    "yellow": (244, 206, 40),
    "orange": (240, 126, 28),
    "purple": (116, 52, 150),
    "pink": (244, 150, 182),
    "brown": (116, 72, 42),
    "black": (28, 28, 30),
    "white": (244, 244, 242),
    "grey": (138, 140, 144),
    "beige": (222, 204, 170),
    "turquoise": (54, 186, 180),
}
PATTERNS = ("solid", "solid", "solid", "striped", "checked", "polka dot", "star print")
BRANDS = ("Alder", "Brightside", "Corvo", "Dunmore", "Elmwood", "Fenn", "Harbour", "Juniper")
# Some kinds come more than once in every colour, so that a query has several answers.
POPULAR = {"t-shirt": 4, "mug": 2, "sneakers": 2, "chair": 2, "handbag": 2, "dress": 2}
RANGE = [kind for kind in KINDS for _ in range(POPULAR.get(kind.name, 1))]
GENDERS = {"clothing": ("Men", "Women", "Unisex"), "shoes": ("Men", "Women", "Unisex")}
OCCASIONS = ("every day", "the weekend", "travelling", "work", "a gift", "long evenings")


@dataclass(frozen=True)
class Design:
    """What is drawn, before it is described."""

    kind: Kind
    colour: str
    pattern: str
    brand: str
    gender: str | None
    names_colour: bool


def main() -> None:
    """Draws the catalogue and writes it with its queries and qrels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=616)
    parser.add_argument("--out", type=Path, default=SAMPLE)
    options = parser.parse_args()
    rows = draw_catalogue(options.seed, options.count)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, options.out, row_group_size=200)
    queries, qrels = _judge(rows)
    lines = [json.dumps(query) + "\n" for query in queries]
    (options.out.parent / "queries.jsonl").write_text("".join(lines))
    pq.write_table(pa.Table.from_pylist(qrels), options.out.parent / "qrels.parquet")
    sys.stderr.write(f"{len(rows)} products, {len(queries)} queries -> {options.out}\n")


def draw_catalogue(seed: int, count: int) -> list[dict[str, object]]:
    """Rows of drawn products; the same seed and count give the same rows."""
    rng = np.random.default_rng(seed)
    designs = [_draw_design(row, rng) for row in range(count)]
    return [_describe(row, design, rng) for row, design in enumerate(designs)]


SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("brand", pa.string()),
        ("category", pa.string()),
        ("type", pa.string()),
        ("colour", pa.string()),
        ("pattern", pa.string()),
        ("gender", pa.string()),
        ("price", pa.float64()),
        ("image", pa.binary()),
    ]
)


def _draw_design(row: int, rng: np.random.Generator) -> Design:
    """The design of a row: every kind in every colour before one comes again."""
    colours = list(COLOURS)
    cycle, position = divmod(row, len(RANGE))
    kind = RANGE[position]
    copy = RANGE[:position].count(kind)
    colour = colours[(cycle + position - copy) % len(colours)]
    names_colour = (cycle + position) % 2 == 0  # every other title does not name it
    gender = rng.choice(GENDERS[kind.category]) if kind.category in GENDERS else None
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    brand = BRANDS[rng.integers(len(BRANDS))]
    return Design(kind, colour, pattern, brand, str(gender) if gender else None, names_colour)


def _describe(row: int, design: Design, rng: np.random.Generator) -> dict[str, object]:
    kind = design.kind
    words = [design.brand]
    if design.gender and rng.random() < 0.6:
        words.append(f"{design.gender}'s" if design.gender != "Unisex" else "Unisex")
    if design.names_colour:
        words.append(design.colour.title())
    if design.pattern != "solid" and rng.random() < 0.5:
        words.append(design.pattern.title())
    words.append(kind.words[rng.integers(len(kind.words))])
    material = kind.materials[rng.integers(len(kind.materials))]
    occasion = OCCASIONS[rng.integers(len(OCCASIONS))]
    return {
        "product_id": f"P{row:04d}",
        "title": " ".join(words),
        "description": f"Made of {material}, good for {occasion}.",
        "brand": design.brand,
        "category": kind.category,
        "type": kind.name,
        "colour": design.colour,
        "pattern": design.pattern,
        "gender": design.gender,
        "price": round(float(kind.price * rng.uniform(0.7, 1.5)), 2),
        "image": _draw(design, rng),
    }


def _draw(design: Design, rng: np.random.Generator) -> bytes:
    size = SIDE * SCALE
    shape = design.kind.draw(*rng.uniform(0.9, 1.1, 2))
    jitter = rng.integers(-10, 11, 3)
    base = np.clip(np.array(COLOURS[design.colour]) + jitter, 0, 255)
    cloth = _weave(design.pattern, base, size, rng)
    shade = _shade(size, rng)
    picture = Image.fromarray(np.clip(cloth * shade[:, :, None], 0, 255).astype(np.uint8))
    mask = _mask(shape, size)
    dark = tuple(int(value) for value in _darker(base))
    _draw_details(picture, shape, dark, size)
    light = int(rng.integers(236, 256))
    scene = Image.new("RGB", (size, size), (light, light, light))
    shadow = mask.filter(ImageFilter.GaussianBlur(SCALE * 2)).point(lambda value: value // 4)
    scene.paste((90, 90, 96), (SCALE, SCALE * 2), shadow)
    scene.paste(picture, (0, 0), mask)
    turned = scene.rotate(
        float(rng.uniform(-6, 6)),
        Image.Resampling.BICUBIC,
        translate=tuple(rng.uniform(-3, 3, 2) * SCALE),
        fillcolor=(light, light, light),
    )
    if rng.random() < 0.5:
        turned = turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    out = io.BytesIO()
    turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(out, "JPEG", quality=88)
    return out.getvalue()


def _weave(pattern: str, base: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """The cloth, `(size, size, 3)` in 0..255: the colour, crossed by a lighter or darker one."""
    other = _darker(base) if base.mean() > 150 else base * 0.35 + 255 * 0.65
    y, x = np.mgrid[0:size, 0:size] / size * 100
    period = rng.uniform(8, 13)
    if pattern == "striped":
        along = x if rng.random() < 0.4 else y
        drawn = (along % period) < period * 0.35
    elif pattern == "checked":
        drawn = ((x % period) < period * 0.3) | ((y % period) < period * 0.3)
    elif pattern == "polka dot":
        drawn = np.hypot(x % period - period / 2, y % period - period / 2) < period * 0.25
    elif pattern == "star print":
        angle, radius = np.arctan2(y - 52, x - 50), np.hypot(x - 50, y - 52)
        drawn = radius < 8 + 4 * np.cos(5 * (angle + np.pi / 2))
    else:
        drawn = np.zeros((size, size), dtype=bool)
    return np.where(drawn[:, :, None], other, base).astype(np.float64)


def _darker(colour: np.ndarray) -> np.ndarray:
    return colour * 0.62 if colour.mean() > 60 else colour + 46


def _shade(size: int, rng: np.random.Generator) -> np.ndarray:
    """Light from one side, `(size, size)` about 1."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return 1 + 0.10 * (x * np.cos(angle) + y * np.sin(angle))


def _scaled(outline: Outline, size: int) -> Outline:
    return [(x * size / 100, y * size / 100) for x, y in outline]


def _mask(shape: Shape, size: int) -> Image.Image:
    mask = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(mask)
    for outline in (*shape.parts, *shape.dark):
        pen.polygon(_scaled(outline, size), fill=255)
    for left, top, right, bottom in shape.ovals:
        pen.ellipse(_scaled([(left, top), (right, bottom)], size), fill=255)
    for left, top, right, bottom, width in shape.rims:
        box = _scaled([(left, top), (right, bottom)], size)
        pen.ellipse(box, outline=255, width=round(width * size / 100))
    for left, top, right, bottom in shape.holes:
        pen.ellipse(_scaled([(left, top), (right, bottom)], size), fill=0)
    for path, width in shape.lines:
        pen.line(_scaled(path, size), fill=255, width=round(width * size / 100), joint="curve")
    return mask


def _draw_details(picture: Image.Image, shape: Shape, dark: tuple[int, ...], size: int) -> None:
    pen = ImageDraw.Draw(picture)
    for outline in shape.dark:
        pen.polygon(_scaled(outline, size), fill=dark)
    for left, top, right, bottom, width in shape.rims:
        box = _scaled([(left, top), (right, bottom)], size)
        pen.ellipse(box, outline=dark, width=round(width * size / 100))
    for path, width in shape.lines:
        pen.line(_scaled(path, size), fill=dark, width=round(width * size / 100))


def _judge(
    rows: list[dict[str, object]],
) -> tuple[list[dict[str, str]], list[dict[str, object]]]:
    """Queries by colour and type, and by pattern and type, with everything that fits."""
    wanted: dict[str, list[str]] = {}
    for row in rows:
        for trait in ("colour", "pattern"):
            if row[trait] != "solid":
                text = f"{row[trait]} {row['type']}"
                wanted.setdefault(text, []).append(str(row["product_id"]))
    texts = sorted(wanted)
    queries = [{"query_id": f"q{number:03d}", "text": text} for number, text in enumerate(texts)]
    qrels: list[dict[str, object]] = [
        {"query_id": query["query_id"], "product_id": product, "relevance": 1}
        for query in queries
        for product in wanted[query["text"]]
    ]
    return queries, qrels


if __name__ == "__main__":
    main()
