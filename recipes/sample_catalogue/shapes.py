"""The outlines of the drawn products, on a canvas of 100 by 100 with y pointing down."""

from collections.abc import Callable
from dataclasses import dataclass, field

Point = tuple[float, float]
Outline = list[Point]


@dataclass(frozen=True)
class Shape:
    """One product: filled parts, holes in them, darker parts on top, and lines."""

    parts: list[Outline]
    ovals: list[tuple[float, float, float, float]] = field(default_factory=list)
    holes: list[tuple[float, float, float, float]] = field(default_factory=list)
    dark: list[Outline] = field(default_factory=list)
    lines: list[tuple[Outline, float]] = field(default_factory=list)  # path, width
    rims: list[tuple[float, float, float, float, float]] = field(default_factory=list)  # + width


@dataclass(frozen=True)
class Kind:
    """A kind of product: its words, what it is made of, its usual price, and how it looks."""

    name: str
    words: tuple[str, ...]  # how a title may name it
    category: str
    materials: tuple[str, ...]
    price: float
    draw: Callable[[float, float], Shape]  # of a width and a length about 1


def _mirror(left: Outline) -> Outline:
    return left + [(100 - x, y) for x, y in reversed(left)]


def _box(left: float, top: float, right: float, bottom: float) -> Outline:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _top(sleeve: float, w: float, h: float) -> Outline:
    body, end = 22 * w, 18 + 64 * h
    return _mirror(
        [
            (43, 20),
            (34, 16),
            (50 - body - 6, 22),
            (50 - body - 6 - 10 * min(sleeve, 1), 22 + 26 * sleeve),
            (50 - body + 2 - 10 * min(sleeve, 1), 27 + 26 * sleeve),
            (50 - body, 40),
            (50 - body, end),
        ]
    )


def _neck() -> tuple[float, float, float, float]:
    return (40, 10, 60, 26)


def t_shirt(w: float, h: float) -> Shape:
    return Shape([_top(0.65, w, h)], holes=[_neck()])


def long_sleeve_shirt(w: float, h: float) -> Shape:
    collar = [[(40, 14), (50, 24), (44, 28)], [(60, 14), (50, 24), (56, 28)]]
    return Shape([_top(1.9, w, h)], dark=collar, lines=[([(50, 24), (50, 18 + 64 * h)], 1.2)])


def hoodie(w: float, h: float) -> Shape:
    hood = _mirror([(36, 22), (36, 8), (44, 3)])
    pocket = _mirror([(40, 72), (36, 58), (42, 52)])
    return Shape([_top(1.9, w, h), hood], holes=[(43, 9, 57, 22)], dark=[pocket])


def jacket(w: float, h: float) -> Shape:
    zip_line = ([(50, 16), (50, 18 + 64 * h)], 2.0)
    pockets = [([(36, 62), (42, 56)], 1.6), ([(64, 62), (58, 56)], 1.6)]
    collar = _mirror([(38, 20), (40, 11), (50, 13)])
    return Shape([_top(1.9, w * 1.12, h)], dark=[collar], lines=[zip_line, *pockets])


def dress(w: float, h: float) -> Shape:
    left_side = [(44, 18), (40, 8), (36, 8), (36, 24), (40, 42), (50 - 26 * w, 30 + 58 * h)]
    return Shape([_mirror(left_side)], lines=[([(40, 42), (60, 42)], 1.6)])


def skirt(w: float, h: float) -> Shape:
    left_side = [(38, 24), (50 - 30 * w, 30 + 44 * h)]
    pleats = [([(50 + x / 2, 32), (50 + x * w, 30 + 44 * h)], 1.0) for x in (-16, 0, 16)]
    return Shape([_mirror(left_side)], dark=[_box(38, 22, 62, 27)], lines=pleats)


def trousers(w: float, h: float) -> Shape:
    trouser, end = 18 * w, 22 + 68 * h
    outline = [
        (50 - trouser, 10),
        (50 + trouser, 10),
        (52 + trouser, end),
        (54, end),
        (50, 36),
        (46, end),
        (48 - trouser, end),
    ]
    return Shape([outline], dark=[_box(50 - trouser, 9, 50 + trouser, 13)])


def shorts(w: float, h: float) -> Shape:
    trouser, end = 22 * w, 34 + 34 * h
    outline = [
        (50 - trouser, 26),
        (50 + trouser, 26),
        (56 + trouser, end),
        (53, end),
        (50, 46),
        (47, end),
        (44 - trouser, end),
    ]
    return Shape([outline], dark=[_box(50 - trouser, 25, 50 + trouser, 30)])


def sneakers(w: float, h: float) -> Shape:
    upper = [(10, 66), (12, 40), (30, 40), (38, 50), (64, 56), (86, 62), (90, 70), (10, 70)]
    laces = [([(34 + 7 * n, 47 + 2.6 * n), (30 + 7 * n, 56 + 2 * n)], 1.4) for n in range(4)]
    return Shape([upper], dark=[_box(9, 70, 91, 70 + 7 * h)], lines=laces)


def boots(w: float, h: float) -> Shape:
    top = 44 - 26 * h
    upper = [(26, top), (52, top), (53, 56), (78, 64), (84, 78), (26, 78)]
    sole = [(26, 78), (84, 78), (84, 84), (46, 84), (44, 81), (40, 88), (26, 88)]
    return Shape([upper], dark=[sole], lines=[([(26, top + 7), (52, top + 7)], 1.4)])


def sandals(w: float, h: float) -> Shape:
    sole = [(8, 64), (40, 60), (92, 64), (92, 70), (8, 70)]
    straps = [
        [(62, 63), (70, 44), (82, 46), (88, 64), (82, 64), (78, 51), (73, 50), (69, 63)],
        [(16, 63), (20, 34), (27, 34), (24, 62)],
        [(20, 40), (27, 36), (48, 62), (41, 62)],
    ]
    return Shape(straps, dark=[sole])


def high_heels(w: float, h: float) -> Shape:
    tall = 22 * h
    upper = [
        (16, 70 - tall),
        (30, 66 - tall),
        (46, 66),
        (74, 64),
        (92, 76),
        (62, 77),
        (40, 74),
        (26, 82 - tall),
    ]
    heel = [(17, 72 - tall), (27, 80 - tall), (21, 80), (16, 80)]
    return Shape([upper], dark=[heel])


def cap(w: float, h: float) -> Shape:
    crown = [(22, 62), (24, 44), (34, 33), (50, 29), (64, 34), (74, 46), (76, 60)]
    brim = [(52, 60), (76, 58), (94, 66), (92, 70), (50, 66)]
    return Shape([crown], dark=[brim], lines=[([(50, 29), (46, 62)], 1.0)])


def hat(w: float, h: float) -> Shape:
    crown = [(32, 62), (35, 62 - 34 * h), (48, 66 - 34 * h), (64, 62 - 34 * h), (68, 62)]
    return Shape([crown], ovals=[(8, 54, 92, 72)], dark=[_box(32, 54, 68, 60)])


def scarf(w: float, h: float) -> Shape:
    loop = [(28, 16), (72, 16), (76, 34), (24, 34)]
    tails = [[(34, 32), (50, 32), (47, 88), (30, 88)], [(52, 30), (66, 32), (72, 76), (56, 78)]]
    fringe = [([(31 + 4 * n, 88), (31 + 4 * n, 93)], 1.2) for n in range(5)]
    return Shape([loop, *tails], lines=[*fringe, ([(28, 25), (72, 25)], 1.0)])


def socks(w: float, h: float) -> Shape:
    def sock(x: float, y: float) -> Outline:
        points = [(0, 0), (16, 0), (16, 36 * h), (36, 46 * h), (36, 56 * h), (8, 56 * h), (0, 40)]
        return [(x + a, y + b) for a, b in points]

    return Shape([sock(14, 18), sock(48, 26)], dark=[_box(14, 18, 30, 23), _box(48, 26, 64, 31)])


def tie(w: float, h: float) -> Shape:
    knot = [(42, 8), (58, 8), (54, 20), (46, 20)]
    blade = [(46, 20), (54, 20), (50 + 11 * w, 78), (50, 92), (50 - 11 * w, 78)]
    return Shape([knot, blade], lines=[([(46, 20), (54, 20)], 1.2)])


def belt(w: float, h: float) -> Shape:
    strap = _box(6, 45, 94, 45 + 9 * h)
    holes = [(70 + 5 * n, 48, 72 + 5 * n, 50.5) for n in range(4)]
    return Shape([strap], holes=holes, rims=[(6, 40, 24, 50 + 9 * h, 2.6)])


def glove(w: float, h: float) -> Shape:
    fingers = [
        (30, 88), (30, 46), (30, 26), (37, 26), (38, 44), (39, 16), (46, 15), (47, 42),
        (49, 13), (56, 14), (56, 43), (59, 20), (65, 22), (64, 52), (74, 40), (80, 44),
        (66, 70), (64, 88),
    ]  # fmt: skip
    return Shape([fingers], dark=[_box(30, 80, 64, 88)])


def handbag(w: float, h: float) -> Shape:
    body = [(50 - 30 * w, 44), (50 + 30 * w, 44), (50 + 34 * w, 84), (50 - 34 * w, 84)]
    flap = [(50 - 30 * w, 44), (50 + 30 * w, 44), (50 + 24 * w, 58), (50 - 24 * w, 58)]
    return Shape([body], dark=[flap], rims=[(32, 16, 68, 66, 3.4)])


def backpack(w: float, h: float) -> Shape:
    body = _mirror([(40, 14), (32, 20), (50 - 24 * w, 34), (50 - 26 * w, 86)])
    pocket = _mirror([(36, 56), (34, 80)])
    return Shape([body], dark=[pocket], rims=[(42, 6, 58, 22, 2.6)])


def tote_bag(w: float, h: float) -> Shape:
    body = [(50 - 28 * w, 38), (50 + 28 * w, 38), (50 + 26 * w, 90), (50 - 26 * w, 90)]
    handles = [([(38, 38), (40, 12), (60, 12), (62, 38)], 2.4)]
    return Shape([body], lines=handles)


def wallet(w: float, h: float) -> Shape:
    body = _box(16, 34, 84, 34 + 38 * h)
    return Shape([body], dark=[_box(66, 48, 84, 58)], lines=[([(16, 42), (84, 42)], 1.2)])


def umbrella(w: float, h: float) -> Shape:
    left_side = [(50, 10), (34, 14), (18, 28), (8, 48), (20, 44), (30, 50), (40, 45)]
    canopy = [*left_side, (50, 50), *[(100 - x, y) for x, y in reversed(left_side)]]
    shaft = ([(50, 48), (50, 86), (54, 91), (60, 88), (60, 84)], 2.2)
    return Shape([canopy], lines=[shaft, ([(50, 10), (30, 50)], 0.8), ([(50, 10), (70, 50)], 0.8)])


def mug(w: float, h: float) -> Shape:
    body = _box(50 - 24 * w, 28, 50 + 18 * w, 36 + 44 * h)
    right = 50 + 18 * w
    handle = (right - 8, 38, right + 16, 38 + 28 * h, 4.0)
    return Shape(
        [body], ovals=[(50 - 24 * w, 22, 50 + 18 * w, 34)], rims=[handle],
        lines=[([(50 - 24 * w, 28), (50 + 18 * w, 28)], 1.0)],
    )  # fmt: skip


def plate(w: float, h: float) -> Shape:
    return Shape([], ovals=[(10, 14, 90, 90)], rims=[(24, 28, 76, 76, 1.6)])


def bowl(w: float, h: float) -> Shape:
    body = _mirror([(12, 42), (18, 42 + 24 * h), (34, 44 + 36 * h)])
    return Shape([body], ovals=[(12, 34, 88, 50)], rims=[(14, 36, 86, 48, 1.2)])


def bottle(w: float, h: float) -> Shape:
    body = _mirror([(44, 18), (44, 28), (50 - 16 * w, 42), (50 - 16 * w, 92)])
    return Shape([body], dark=[_box(43, 8, 57, 18)])


def vase(w: float, h: float) -> Shape:
    left_side = [(42, 10), (44, 24), (50 - 26 * w, 48), (50 - 24 * w, 70), (40, 90)]
    return Shape([_mirror(left_side)], lines=[([(44, 24), (56, 24)], 1.2)])


def lamp(w: float, h: float) -> Shape:
    shade = _mirror([(38, 12), (50 - 28 * w, 48)])
    return Shape([shade], dark=[_box(48, 48, 52, 84), _mirror([(46, 82), (34, 90)])])


def chair(w: float, h: float) -> Shape:
    back = _box(30, 12, 68, 46)
    seat = [(26, 52), (72, 52), (78, 62), (22, 62)]
    feet = [_box(24, 62, 28, 92), _box(72, 62, 76, 92), _box(32, 46, 35, 54), _box(63, 46, 66, 54)]
    return Shape([back, seat], dark=feet)


def stool(w: float, h: float) -> Shape:
    feet = [[(34, 44), (39, 44), (30, 92), (25, 92)], [(61, 44), (66, 44), (75, 92), (70, 92)]]
    return Shape([], ovals=[(22, 32, 78, 50)], dark=feet, lines=[([(31, 72), (69, 72)], 2.4)])


def sofa(w: float, h: float) -> Shape:
    parts = [_box(16, 32, 84, 60), _box(8, 44, 20, 76), _box(80, 44, 92, 76), _box(18, 58, 82, 76)]
    seams = [([(50, 34), (50, 74)], 1.2), ([(20, 60), (80, 60)], 1.4)]
    return Shape(parts, dark=[_box(14, 76, 18, 82), _box(82, 76, 86, 82)], lines=seams)


def table(w: float, h: float) -> Shape:
    board = [(16, 36), (84, 36), (94, 50), (6, 50)]
    feet = [_box(9, 50, 14, 88), _box(86, 50, 91, 88), _box(22, 50, 26, 78), _box(74, 50, 78, 78)]
    return Shape([board], dark=feet)


def cushion(w: float, h: float) -> Shape:
    left_side = [(50, 20), (32, 19), (14, 14), (20, 36), (20, 62), (14, 86), (32, 80), (50, 79)]
    return Shape([[*left_side, *[(100 - x, y) for x, y in reversed(left_side)]]])


def watch(w: float, h: float) -> Shape:
    strap = [_box(40, 4, 60, 34), _box(40, 66, 60, 96)]
    hands = [([(50, 50), (50, 38)], 1.4), ([(50, 50), (58, 54)], 1.4)]
    return Shape(strap, ovals=[(30, 30, 70, 70)], holes=[(35, 35, 65, 65)], lines=hands)


WEAR = ("cotton", "linen", "a cotton blend", "recycled polyester")
LEATHER = ("leather", "suede", "canvas")
CLAY = ("stoneware", "porcelain", "enamel")
WOOD = ("beech wood", "moulded plastic", "oak", "steel")
CLOTHING, SHOES, BAGS = "clothing", "shoes", "bags"
ACCESSORIES, HOME, FURNITURE = "accessories", "home", "furniture"

KINDS = (
    Kind("t-shirt", ("T-Shirt", "Tee", "T-shirt", "Crew Neck Tee"), CLOTHING, WEAR, 18, t_shirt),
    Kind("shirt", ("Shirt", "Button Shirt"), CLOTHING, WEAR, 34, long_sleeve_shirt),
    Kind("hoodie", ("Hoodie", "Hooded Sweatshirt"), CLOTHING, WEAR, 44, hoodie),
    Kind("jacket", ("Jacket", "Zip Jacket"), CLOTHING, (*WEAR, "nylon"), 79, jacket),
    Kind("dress", ("Dress", "Summer Dress"), CLOTHING, WEAR, 52, dress),
    Kind("skirt", ("Skirt", "Pleated Skirt"), CLOTHING, WEAR, 33, skirt),
    Kind("trousers", ("Trousers", "Pants"), CLOTHING, WEAR, 46, trousers),
    Kind("shorts", ("Shorts",), CLOTHING, WEAR, 24, shorts),
    Kind("sneakers", ("Sneakers", "Trainers"), SHOES, LEATHER, 68, sneakers),
    Kind("boots", ("Boots", "Ankle Boots"), SHOES, LEATHER, 96, boots),
    Kind("sandals", ("Sandals",), SHOES, LEATHER, 39, sandals),
    Kind("high heels", ("High Heels", "Heels"), SHOES, LEATHER, 74, high_heels),
    Kind("cap", ("Cap", "Baseball Cap"), ACCESSORIES, WEAR, 19, cap),
    Kind("hat", ("Hat", "Brimmed Hat"), ACCESSORIES, ("felt", "straw"), 32, hat),
    Kind("scarf", ("Scarf",), ACCESSORIES, ("wool", "cashmere", "cotton"), 29, scarf),
    Kind("socks", ("Socks", "Pair of Socks"), CLOTHING, ("cotton", "wool"), 9, socks),
    Kind("tie", ("Tie", "Necktie"), ACCESSORIES, ("silk", "wool"), 27, tie),
    Kind("belt", ("Belt",), ACCESSORIES, LEATHER, 26, belt),
    Kind("gloves", ("Gloves",), ACCESSORIES, ("wool", "leather"), 23, glove),
    Kind("handbag", ("Handbag", "Shoulder Bag"), BAGS, LEATHER, 88, handbag),
    Kind("backpack", ("Backpack", "Rucksack"), BAGS, ("canvas", "nylon"), 59, backpack),
    Kind("tote bag", ("Tote Bag", "Shopper"), BAGS, ("canvas", "jute"), 22, tote_bag),
    Kind("wallet", ("Wallet",), BAGS, LEATHER, 35, wallet),
    Kind("umbrella", ("Umbrella",), ACCESSORIES, ("nylon", "polyester"), 21, umbrella),
    Kind("mug", ("Mug", "Coffee Mug"), HOME, CLAY, 12, mug),
    Kind("plate", ("Plate", "Dinner Plate"), HOME, CLAY, 14, plate),
    Kind("bowl", ("Bowl",), HOME, CLAY, 13, bowl),
    Kind("bottle", ("Bottle", "Water Bottle"), HOME, ("steel", "glass"), 20, bottle),
    Kind("vase", ("Vase",), HOME, CLAY, 28, vase),
    Kind("lamp", ("Lamp", "Table Lamp"), HOME, ("linen", "paper"), 49, lamp),
    Kind("chair", ("Chair",), FURNITURE, WOOD, 85, chair),
    Kind("stool", ("Stool", "Bar Stool"), FURNITURE, WOOD, 48, stool),
    Kind("sofa", ("Sofa", "Couch"), FURNITURE, ("velvet", "linen"), 540, sofa),
    Kind("table", ("Table",), FURNITURE, WOOD, 160, table),
    Kind("cushion", ("Cushion", "Pillow"), HOME, ("velvet", "linen"), 17, cushion),
    Kind("watch", ("Watch", "Wristwatch"), ACCESSORIES, ("steel", "leather"), 110, watch),
)
