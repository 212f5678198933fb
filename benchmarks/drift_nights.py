"""Ordinary nights of a shop, and harms to one product in a hundred, for `drift.py`.

Real products are added, titles edited, pictures cropped and relit, and all are encoded by
the model.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from PIL import Image, ImageEnhance, ImageFilter

from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.morning.snapshot import ProductVectors, Snapshot, make_snapshot
from prodmatch.storage.vectors import Rows, Vectors, join_parts

LABELS = ("category", "type", "colour", "gender", "brand")
GERMAN = dict(
    pair.split("=")
    for pair in """
    men=Herren men's=Herren women=Damen women's=Damen black=schwarz white=weiß blue=blau red=rot
    green=grün grey=grau brown=braun pink=rosa shirt=Hemd t-shirt=T-Shirt tshirt=Hemdchen
    top=Oberteil shoes=Schuhe shoe=Schuh casual=Freizeit sports=Sport watch=Armbanduhr
    bag=Tasche handbag=Handtasche jeans=Jeanshose with=mit and=und for=für the=die sleeve=Ärmel
    long=lang short=kurz chair=Stuhl table=Tisch lamp=Leuchte storage=Speicher dress=Kleid
    kurta=Kurta sandals=Sandalen boys=Jungen girls=Mädchen printed=bedruckt navy=marineblau
    silver=silbern gold=golden size=Größe large=groß small=klein medium=mittel cotton=Baumwolle
    leather=Leder running=Lauf formal=elegant trousers=Hose shorts=kurze-Hose
    """.split()  # noqa: SIM905
)


@dataclass
class Night:
    """Tonight's products, as lists that harms change, and what was done to them."""

    columns: dict[str, list[object]]
    rows: list[int]  # of the index
    texts: dict[int, str] = field(default_factory=dict)  # titles to encode again
    images: dict[int, Vectors] = field(default_factory=dict)  # image parts
    faulty: set[str] = field(default_factory=set)  # ids

    def ids(self) -> list[str]:
        return [str(name) for name in self.columns["product_id"]]

    def title(self, row: int, text: str | None) -> None:
        """Gives a product another title, in the searched text too."""
        old, searched = self.columns["title"][row], str(self.columns["text"][row] or "")
        new = searched.replace(str(old), text or "", 1).strip() if old else text
        self.columns["title"][row], self.columns["text"][row] = text, new or None
        self.columns["has_text"][row] = bool(new)
        self.texts[row] = new or ""

    def keep(self, rows: list[int]) -> None:
        """Leaves the other products out."""
        self.columns = {name: [each[row] for row in rows] for name, each in self.columns.items()}
        position = {row: number for number, row in enumerate(rows)}
        self.rows = [self.rows[row] for row in rows]
        self.texts = {position[row]: each for row, each in self.texts.items() if row in position}
        self.images = {position[row]: each for row, each in self.images.items() if row in position}

    def add(self, rows: list[int], names: list[str]) -> list[int]:
        """Products again, under other ids."""
        first = len(self.rows)
        for name, values in self.columns.items():
            values += names if name == "product_id" else [values[row] for row in rows]
        self.rows += [self.rows[row] for row in rows]
        for number, row in enumerate(rows):
            if row in self.texts:
                self.texts[first + number] = self.texts[row]
            if row in self.images:
                self.images[first + number] = self.images[row]
        return list(range(first, first + len(rows)))


@dataclass
class World:
    """The products of the store, the encoders, and their pictures."""

    snapshot: Snapshot
    encoders: QueryEncoders
    pictures: dict[str, bytes]

    def picture(self, product_id: str) -> Image.Image:
        return Image.open(io.BytesIO(self.pictures[product_id])).convert("RGB")

    def encode(self, pictures: list[Image.Image]) -> Vectors:
        pixels = [self.encoders.preprocess(picture) for picture in pictures]
        return self.encoders.pictures(np.stack(pixels))

    def first_night(self, rows: Rows) -> Snapshot:
        return self.snapshot.select(rows)

    def night(self, rows: list[int]) -> Night:
        table = self.snapshot.products.take(pa.array(rows))
        return Night({name: table[name].to_pylist() for name in table.column_names}, list(rows))

    def finish(self, night: Night) -> Snapshot:
        schema = self.snapshot.products.schema
        table = pa.table(
            {name: pa.array(night.columns[name], schema.field(name).type) for name in schema.names}
        )
        rows = np.array(night.rows, np.int64)
        changed = np.array(sorted({*night.texts, *night.images}), np.int64)
        vectors = ProductVectors(self.snapshot.vectors.ann, rows)
        text, image = (part.copy() for part in vectors.parts(changed))
        at = {row: number for number, row in enumerate(changed.tolist())}
        filled = [row for row, words in night.texts.items() if words]
        if filled:
            text[[at[row] for row in filled]] = self.encoders.texts(
                [night.texts[row] for row in filled], passage=True
            )
        for row, words in night.texts.items():
            if not words:
                text[at[row]] = 0
        for row, vector in night.images.items():
            image[at[row]] = vector
        vectors = ProductVectors(vectors.ann, rows, changed, join_parts(text, image))
        return make_snapshot(2, self.snapshot.model, table, vectors)


def ordinary(world: World, night: Night, reserve: list[int], rng: np.random.Generator) -> Night:
    """A night as shops have them: quiet, usual, busy, or the first of a sale."""
    mood = float(rng.choice([0.3, 1.0, 1.0, 2.0]))
    count = len(night.rows)

    def draw(share: float) -> list[int]:
        return rng.choice(count, int(rng.poisson(share * mood * count)), replace=False).tolist()

    for row in draw(0.05):
        night.columns["price"][row] = reprice(night.columns["price"][row], rng.lognormal(0, 0.15))
    if rng.random() < 0.15:
        for row in rng.choice(count, int(0.3 * count), replace=False).tolist():
            night.columns["price"][row] = reprice(
                night.columns["price"][row], rng.choice([0.8, 0.7, 0.5])
            )
    stock = night.columns["stock"]
    night.columns["stock"] = [max(0, int(n) - int(rng.poisson(1))) if n else 20 for n in stock]
    for row in draw(0.015):
        if night.columns["title"][row]:
            night.title(row, edit(str(night.columns["title"][row]), rng))
    photographed = draw(0.008)
    pictures = [retake(world.picture(night.ids()[row]), rng) for row in photographed]
    if pictures:
        night.images |= dict(zip(photographed, world.encode(pictures), strict=True))
    relabel(night, draw, rng)
    gone = set(draw(0.01))
    night.keep([row for row in range(count) if row not in gone])
    new = rng.choice(reserve, min(len(reserve), rng.poisson(0.01 * mood * count)), replace=False)
    added = world.night(new.tolist())
    for name, values in night.columns.items():
        values += added.columns[name]
    night.rows += added.rows
    return night


def relabel(night: Night, draw: Callable[[float], list[int]], rng: np.random.Generator) -> None:
    """Labels of other products, types of those in the same department; some are forgotten."""
    count = len(night.rows)
    departments: dict[str, list[int]] = {}
    for row, name in enumerate(night.columns["category"]):
        departments.setdefault(" > ".join(str(name).split(" > ")[:2]), []).append(row)
    same = {row: rows for rows in departments.values() for row in rows}
    for name in LABELS:
        for row in draw(0.003):
            among = same[row] if name in ("type", "category") else range(count)
            other = night.columns[name][among[int(rng.integers(len(among)))]]
            if night.columns[name][row] is not None and other is not None:
                night.columns[name][row] = other
        for row in draw(0.0004):
            night.columns[name][row] = None


def reprice(price: object, factor: float) -> float:
    return max(0.99, round(float(str(price)) * float(factor)) - 0.01)


def edit(title: str, rng: np.random.Generator) -> str:
    words = title.split()
    ways: list[Callable[[], str]] = [
        lambda: " ".join(words[:-1]) or title,
        lambda: f"{title} {rng.choice(['New', 'Sale', '2024', 'Pack of 2', '(Refurbished)'])}",
        lambda: title.upper(),
        lambda: title.replace("-", " "),
        lambda: " ".join([*words[1:], words[0]]),
    ]
    return ways[int(rng.integers(len(ways)))]()


def retake(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The product on another photograph: nearer, mirrored perhaps, in another light."""
    width, height = picture.size
    left, top = (int(rng.uniform(0, 0.08) * side) for side in (width, height))
    found = picture.crop((left, top, width - left, height - top))
    if rng.random() < 0.5:
        found = found.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return ImageEnhance.Brightness(found).enhance(float(rng.uniform(0.85, 1.15)))


Harm = Callable[[World, Night, list[int], np.random.Generator], list[int] | None]


def set_column(name: str, value: Callable[[object], object]) -> Harm:
    def harm(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
        for row in rows:
            night.columns[name][row] = value(night.columns[name][row])

    return harm


def set_titles(value: Callable[[str], str | None]) -> Harm:
    def harm(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
        for row in rows:
            night.title(row, value(str(night.columns["title"][row])))

    return harm


def translate(title: str) -> str:
    words = [GERMAN.get(word.lower().strip(",()"), word) for word in title.split()]
    return " ".join([*words, "für", "Damen", "und", "Herren"])


def shift_titles(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    titles = [night.columns["title"][row] for row in rows]
    for row, title in zip(rows, titles[-1:] + titles[:-1], strict=True):
        night.title(row, str(title))


def shift_pictures(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    parts = parts_of(world, night, rows)
    night.images |= dict(zip(rows, np.roll(parts, 1, axis=0), strict=True))


def parts_of(world: World, night: Night, rows: list[int]) -> Vectors:
    found = world.snapshot.vectors.parts(np.array([night.rows[row] for row in rows], np.int64))[1]
    for number, row in enumerate(rows):
        found[number] = night.images.get(row, found[number])
    return found


def placeholder(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    picture = Image.new("RGB", (96, 96), (225, 225, 225))
    picture.paste((120, 120, 120), (24, 40, 72, 56))
    night.images |= dict.fromkeys(rows, world.encode([picture])[0])


def blank(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    pixels = [255 - rng.integers(0, 4, (80, 60, 3)) for _ in rows]
    pictures = [Image.fromarray(each.astype(np.uint8)) for each in pixels]
    night.images |= dict(zip(rows, world.encode(pictures), strict=True))


def lose_pictures(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    for row in rows:
        night.columns["has_image"][row] = False
        night.images[row] = np.zeros(world.encoders.dim, np.float32)


def list_twice(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> list[int]:
    return night.add(rows, [f"again-{night.ids()[row]}" for row in rows])


def rename(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    for row in rows:
        night.columns["product_id"][row] = f"new-{night.ids()[row]}"


def scramble(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    for row in rows:
        others = [
            each for each in night.columns["type"] if each not in (None, night.columns["type"][row])
        ]
        night.columns["type"][row] = others[int(rng.integers(len(others)))]


def swap(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    one, other = night.columns["type"], night.columns["colour"]
    for row in rows:
        one[row], other[row] = other[row], one[row]


def of_one_type(night: Night, count: int, rng: np.random.Generator) -> list[int]:
    """All products of a type that has about as many."""
    rows: dict[object, list[int]] = {}
    for row, name in enumerate(night.columns["type"]):
        if name is not None:
            rows.setdefault(name, []).append(row)
    near = [each for each in rows.values() if count / 2 <= len(each) <= 2 * count]
    return near[int(rng.integers(len(near)))]


def blur(world: World, night: Night, rows: list[int], rng: np.random.Generator) -> None:
    pictures = [world.picture(night.ids()[row]) for row in rows]
    blurred = [
        each.rotate(90, expand=True).filter(ImageFilter.GaussianBlur(2)) for each in pictures
    ]
    night.images |= dict(zip(rows, world.encode(blurred), strict=True))


HARMS: dict[str, Harm] = {
    "prices in cents": set_column("price", lambda value: round(float(str(value)) * 100, 2)),
    "prices of 0": set_column("price", lambda value: 0.0),
    "prices lost": set_column("price", lambda value: None),
    "one price for all": set_column("price", lambda value: 19.99),
    "stock in thousands": set_column("stock", lambda value: 1000 * int(str(value))),
    "stock of 0": set_column("stock", lambda value: 0),
    "titles shifted by a row": shift_titles,
    "titles lost": set_titles(lambda title: None),
    "titles cut": set_titles(lambda title: title[: max(3, len(title) // 3)]),
    "titles in another language": set_titles(translate),
    "titles with markup": set_titles(lambda title: f"<b>{title}</b>&nbsp;"),
    "one title for all": set_titles(lambda title: "Great product, free delivery"),
    "pictures shifted by a row": shift_pictures,
    "a placeholder picture": placeholder,
    "blank pictures": blank,
    "pictures lost": lose_pictures,
    "pictures of a type turned and blurred": blur,
    "products listed twice": list_twice,
    "products under other ids": rename,
    "types of other products": scramble,
    "types and colours swapped": swap,
    "colours as codes": set_column(
        "colour", lambda value: f"C{zlib.crc32(str(value).encode()) % 900:03d}"
    ),
    "one colour for all": set_column("colour", lambda value: "Black"),
    "a type that vanished": lambda world, night, rows, rng: None,
}
NEEDS = {"type": ("types", "type and"), "colour": ("colour",), "title": ("title",)}


def harm(world: World, night: Night, kind: str, rng: np.random.Generator) -> Night:
    """Does one kind of harm to one product in a hundred, and notes which."""
    count = round(0.01 * len(night.rows))
    needed = [column for column, words in NEEDS.items() if any(word in kind for word in words)]
    free = [
        row
        for row in range(len(night.rows))
        if all(night.columns[name][row] is not None for name in needed)
    ]
    rows = sorted(rng.choice(free, count, replace=False).tolist())
    if kind in ("pictures of a type turned and blurred", "a type that vanished"):
        rows = of_one_type(night, count, rng)
    ids = night.ids()
    night.faulty = {ids[row] for row in rows}
    new = HARMS[kind](world, night, rows, rng)
    if kind == "a type that vanished":
        night.keep([row for row in range(len(ids)) if row not in {*rows}])
    if new is not None or kind == "products under other ids":
        ids = night.ids()
        night.faulty = {ids[row] for row in (new or rows)}
    return night
