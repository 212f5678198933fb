"""Words that name the value of an attribute, each in all the ways that it is written."""

from collections.abc import Mapping

# By attribute: values parted by commas, the names of one by spaces, the first of them its own.
_WRITTEN = {
    "colour": """aqua, beige, black blk schwarz schwarze noir noire negro negra nero nera,
        blue blau blaue bleu bleue azul blu, bronze, brown braun braune brun brune, burgundy, camel,
        charcoal, chrome, copper, coral, cream, cyan, gold golden dorado oro dore, graphite,
        green grun grune gruen vert verte verde, grey gray grau graue gris grise, indigo, ivory,
        khaki, lavender, lilac, lime, magenta, maroon, marron, mauve, melange, mint,
        multi multicolor multicolour multicoloured, mustard, navy, nude, off-white, olive,
        orange naranja arancione, peach, pink rosa, platinum, purple lila morado viola,
        red rot rote rouge rojo roja rosso rossa, rose, rust, sand, silver silber plata, skin,
        tan, taupe, teal, titanium, transparent, turquoise,
        violet, white wht weiss weisse blanc blanche blanco blanca bianco bianca,
        yellow gelb gelbe jaune amarillo amarilla giallo""",
    # What tells models of one name apart, and what software is sold as.
    "edition": """pro professional, max, plus, mini, lite, ultra, se, fe, prime, neo, elite,
        ii, iii, iv, premier, wifi, lte, cellular, basic, student, express, deluxe dlx,
        premium prem, standard std, upgrade upg upgrd""",
    "gender": """men man mens male males gents herren homme hommes hombre hombres,
        women woman womens female females damen femme femmes mujer mujeres, boys boy,
        girls girl, kids kid child children, infants infant baby babies newborn newborns
        toddler toddlers, teens teen teenager teenagers junior juniors""",
    "side": "left lefthand, right righthand, front, rear, upper, lower, inner, outer",
    "place": "indoor, outdoor",
    "condition": """refurbished refurb renewed reconditioned recertified remanufactured preowned
        secondhand""",
    "format": "paperback softcover, hardcover hardback, audiobook, dvd, bluray, vhs, vinyl",
    "platform": """windows win pc, mac macintosh macos, linux, xbox,
        playstation ps2 ps3 ps4 ps5, wii""",
    "cord": "wired corded, wireless cordless",
    "size": "single, double dual, triple, twin, queen, king, aa, aaa",
    "fragrance": "toilette, parfum, cologne",
    "bundle": "bundle combo",
    "extras": "without excluding non",
}
# What a listing is that names none.
DEFAULTS = {"edition": "plain", "condition": "new", "bundle": "alone", "extras": "with"}


def read_names(written: str) -> dict[str, str]:
    """Each of several names with the first of those that it stands with, between commas."""
    values = [value.split() for value in written.split(",")]
    return {name: names[0] for names in values for name in names}


VALUES: Mapping[str, Mapping[str, str]] = {k: read_names(each) for k, each in _WRITTEN.items()}
KIND_OF = {name: kind for kind, values in VALUES.items() for name in values}
COLOURS = VALUES["colour"]


def add_value(named: dict[str, dict[str, None]], word: str) -> None:
    """Adds the value that a word names to those of its attribute."""
    if kind := KIND_OF.get(word):
        named.setdefault(kind, {})[VALUES[kind][word]] = None


def close_audience(named: dict[str, dict[str, None]]) -> None:
    """What is for men and women is for all, and what is for boys or girls is for kids."""
    audience = named.get("gender", {})
    if {"men", "women"} <= audience.keys():
        del named["gender"]
    elif audience.keys() & {"boys", "girls"}:
        audience["kids"] = None
