"""Text to its plainest form."""

import re
import unicodedata

from prodmatch.lexical.quantities import write_plainly

APOSTROPHES = re.compile("[\u2018\u2019\u201b\u02bc\u02b9\u00b4`\u2032]")
INCHES = re.compile("[\u201c\u201d\u2033\u3003]|''")
TRADE_MARKS = re.compile(
    "[\u2122\u2120\u00ae\u00a9]"
)  # compatibility forms would add "TM" to a name
# Accents, but for that of a letter of its own, the Cyrillic short i; points, vowels and the
# stretching sign of Hebrew and Arabic, which few people type.
MARKS = re.compile(
    "(?<![\u0438\u0418])\u0306|[\u0300-\u0305\u0307-\u036f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)
ZEROS = "\u0660\u06f0\u0966\u09e6\u0e50"  # of Arabic, Persian, Devanagari, Bengali and Thai
PLAIN_LETTERS = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
        "\u0649": "\u064a",  # letters of Arabic that are typed for one another
        "\u06cc": "\u064a",
        "\u0629": "\u0647",
        "\u06a9": "\u0643",
        "\u0671": "\u0627",
        "\u2044": "/",  # of "\u00bd"
        "\u066b": ".",
        "\u066c": ",",
        **{chr(ord(zero) + digit): str(digit) for zero in ZEROS for digit in range(10)},
    }
)
NUMBER_SIGN = re.compile(r"(?<![^\W_])n\s?[\u00b0\u00ba]\s?(?=\d)|\u2116", re.IGNORECASE)
# "C++", "F#": names of one letter and signs.
CPP = re.compile(r"(?<![^\W_])c\+\+(?![^\W_])")
SHARP = re.compile(r"(?<![^\W_])([cfj])#(?![^\W_])")
POSSESSIVE = re.compile(r"(?<=[^\W_])'s\b")
MIXED_NUMBER = re.compile("(?<![\\w.])(\\d{1,3})\\s?([\u00bc-\u00be\u2153-\u215e])")  # "2\u00bd"
FORMED = ("Ll", "Lu", "Nd")  # categories of letters and digits that have other forms


def write_letters_plainly(text: str) -> str:
    """The text with full-width, mathematical and joined letters and digits as usual ones.

    Encoders of texts have no tokens for them. Signs such as a trade mark or a square stay.
    """
    if text.isascii():
        return text
    return "".join(
        unicodedata.normalize("NFKC", each) if unicodedata.category(each) in FORMED else each
        for each in text
    )


def fold(text: str) -> str:
    """The text in lower case, without accents, trade marks, possessives and compatibility forms.

    "C#" becomes "csharp", "C++" "cpp", "N\u00b0 5" "no 5", and "1,5 l" "1.5 l".
    """
    if text.isascii():  # as below, in a tenth of the time
        text = text.replace("`", "'").replace("''", '"').lower()
    else:
        text = TRADE_MARKS.sub(" ", INCHES.sub('"', APOSTROPHES.sub("'", text)))
        text = MIXED_NUMBER.sub(_decimal, NUMBER_SIGN.sub("no ", text))
        text = unicodedata.normalize("NFKD", text)
        text = MARKS.sub("", text).casefold()
        text = unicodedata.normalize("NFC", text).translate(PLAIN_LETTERS)
    text = write_plainly(text)
    if "+" in text or "#" in text:
        text = SHARP.sub(r"\1sharp", CPP.sub("cpp", text))
    return POSSESSIVE.sub("", text) if "'s" in text else text


def _decimal(match: re.Match[str]) -> str:
    """A whole number and the sign of a fraction as a decimal: "2.5" of two and a half."""
    return f"{int(match[1]) + unicodedata.numeric(match[2]):.6g}"
