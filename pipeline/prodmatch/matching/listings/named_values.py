"""Words that name the value of an attribute, each in all the ways that it is written."""

from collections.abc import Mapping

# By attribute: values parted by commas, the names of one by spaces, the first of them its own.
_WRITTEN = {
    # Those that are colours, too, are colours.
    "flavour": """vanilla vanille vainilla vaniglia, chocolate choco schoko schokolade chocolat
        cioccolato, strawberry strawberries erdbeere fraise fresa fragola, raspberry raspberries
        himbeere framboise frambuesa lampone, blueberry blueberries heidelbeere myrtille arandano
        mirtillo, cherry cherries kirsche cerise cereza ciliegia, banana banane platano, coconut
        kokos kokosnuss coco cocco, lemon zitrone citron limon limone, mango, pineapple ananas,
        caramel karamell caramelo caramello, hazelnut haselnuss noisette avellana nocciola,
        peanut peanuts erdnuss cacahuete arachide, almond almonds mandel amande almendra mandorla,
        pistachio pistazie pistache pistacho pistacchio, cinnamon zimt cannelle canela cannella,
        ginger ingwer gingembre jengibre zenzero, honey honig miel miele, garlic knoblauch ajo
        aglio, paprika, peppermint pfefferminze menthe, eucalyptus eukalyptus, jasmine jasmin,
        sandalwood sandelholz santal, rosemary rosmarin romarin, chicken huhn poulet pollo, beef
        rindfleisch boeuf, salmon lachs saumon salmone, tuna thunfisch thon atun tonno, lamb lamm
        agneau cordero agnello, duck canard, cheese kase fromage queso formaggio, peach pfirsich
        peche melocoton pesca, orange arancia, lavender lavendel lavande, rose rosen, mint minze""",
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
    "side": """left lefthand links linker linke linkes gauche izquierdo izquierda sinistro sinistra,
        right righthand rechts rechter rechte rechtes droit droite derecho derecha destro destra,
        front vorne vorderachse delantero delantera, rear hinten hinterachse arriere trasero
        trasera, upper, lower, inner, outer""",
    "place": "indoor, outdoor",
    "condition": """refurbished refurb renewed reconditioned recertified remanufactured preowned
        secondhand openbox gebraucht generaluberholt generalueberholt reconditionne
        reacondicionado usado ricondizionato usato""",
    "format": """paperback softcover taschenbuch, hardcover hardback gebunden, audiobook horbuch,
        ebook, dvd, bluray, vhs, vinyl""",
    "language": """english englisch anglais ingles inglese, french franzosisch francais frances
        francese, german deutsch allemand aleman tedesco, spanish spanisch espagnol espanol
        spagnolo, italian italienisch italiano, portuguese portugiesisch portugais, dutch, russian,
        japanese, chinese""",
    "animal": "dog dogs hund hunde perro perros, cat cats katze katzen gato gatos",
    "tone": "warm, cool cold, daylight",
    "cut": "long lang, short kurz",
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
