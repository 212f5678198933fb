"""The type of every column, inferred from all of its cells; what is not plain stays text."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.schema import DEFAULT_TEXTS
from prodmatch.columns.amounts import (
    NO_VALUE,
    AmountStyle,
    is_measure,
    is_price,
    may_be_list,
    read_amount,
)
from prodmatch.columns.several_pictures import PictureMarks
from prodmatch.feeds.rows import Cell, Number
from prodmatch.names import name_words

ID = re.compile(
    r"ids?|skus?|gtins?\d*|ean\d*|upca?|mpn|asin|isbn\d*|barcodes?|plu|u?uid|guid|zip|zipcode|plz|"
    r"postcode|postal|phone|tel|model|modelnumber|part|partn(o|umber)|article|articleno|artnr|"
    r"versions?|firmware|revision|itemno|ref|reference|codes?|number|no|nr|serial|handle|"
    r"\w*nummer|\w+nr|tuotenumero|r[\u00e9e]f[\u00e9e]rence|c[\u00f3o]digo|codice|kod|indeks|pzn|itf|oem|"
    r"telefon|taric|unspsc|eclass|imei|ndc|nsn|iban|\u0430\u0440\u0442\u0438\u043a\u0443\u043b|\u043a\u043e\u0434|"
    r"\u0448\u0442\u0440\u0438\u0445\u043a\u043e\u0434|.*(\u30b3\u30fc\u30c9|\u756a\u53f7|\u7f16\u53f7|\u7f16\u7801|\u6761\u7801)|"
    r".*(id|sku|gtin|upc|mpn|asin|isbn|barcode)"
)
NO_ID = re.compile(
    "(pre|un)?paid|(in)?valid|a?void|solid|liquid|fluid|grid|bid|kid|lid|rapid|hybrid|acid|arid|aid"
)
IMAGE = re.compile("images?|pictures?|photos?")
PATTERNS = {
    "boolean": r"^(?i:true|false)$",
    "integer": r"^(0|-?[1-9]\d{0,18})$",
    # 1E5 may be a part number: what programs write has a sign or a fraction too.
    "decimal": r"^-?((0|[1-9]\d*)?\.\d+|0|[1-9]\d*)$"
    r"|^-?\d(\.\d+[eE][+-]?|[eE][+-])\d{1,3}$",
    "date": r"^\d{4}-\d\d-\d\d$",
    "time": r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?$",
}
TYPES = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "decimal": pa.float64(),
    "date": pa.date32(),
    "time": pa.timestamp("us"),
    "amount": pa.float64(),
    "list": pa.list_(pa.string()),
}
ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d\d")  # a long number as a spreadsheet writes it
THOUSANDS = r"^-?[1-9]\d{0,2}(\.\d{3})+$"  # or a fraction of three digits
EXACT_DIGITS = 15  # that a float64 always keeps
SEPARATORS = (", ", "; ", " | ")
ARTEFACTS = {  # what programs add to every identifier, and the identifier in it
    "ends with .0, as a program writes integers among which one is missing": re.compile(
        r"\s*(\d+)\.0\s*"
    ),
    "begins with an apostrophe, as of text in a spreadsheet": re.compile(r"'([^']+)"),
}
QUOTED_DIGITS = re.compile(r"^'(\d+)$")  # as shops write those alone that are all digits


def is_id_name(name: str) -> bool:
    """Whether a column of this name holds identifiers, which are never numbers."""
    return any(ID.fullmatch(word) and not NO_ID.fullmatch(word) for word in name_words(name))


def is_image_name(name: str) -> bool:
    """Whether a column of this name holds pictures, of which there may be several."""
    return any(map(IMAGE.fullmatch, name_words(name)))


@dataclass(frozen=True)
class ColumnType:
    """How a column is written."""

    name: str
    kind: str  # a key of TYPES, "joined" or "text"
    style: AmountStyle = AmountStyle.POINT
    has_currency: bool = False  # a column of currencies goes with it
    separator: str | None = None  # of a list as text; None is JSON
    artefact: re.Pattern[str] | None = None  # what is taken from every value
    note: str | None = None  # for the user, where it is not plain
    is_blank: bool = False  # no row names a picture in it

    @property
    def type(self) -> pa.DataType:
        """The type in Parquet."""
        return TYPES.get(self.kind, pa.string())


@dataclass
class ColumnProfile:
    """What has been found in a column's cells so far.

    In a file with types of its own (JSON) a text stays a text, except in a column of prices.
    """

    name: str
    typed: bool = False
    delimiter: str | None = None
    candidates: set[str] = field(init=False)
    styles: set[AmountStyle] = field(default_factory=lambda: set(AmountStyle))
    rows: int = 0
    values: int = 0
    lists: int = 0
    texts: int = 0  # texts of a typed file
    numbers: int = 0  # values that are plain numbers, until one is not
    currencies: int = 0
    separated: bool = False  # some number has a mark that the styles read differently
    separators: list[str] = field(default_factory=lambda: list(SEPARATORS))
    no_values: Counter[str] = field(default_factory=Counter)
    rounded: list[str] = field(default_factory=list)  # identifiers that have lost digits
    odd: tuple[int, str] | None = None  # row and text of the first value that is no number
    marks: PictureMarks = field(default_factory=PictureMarks)  # of a column of pictures
    pictures: int = 0  # cells that name some
    powers: int = 0  # numbers that may have lost digits
    power: str = ""  # the first of them
    artefacts: Counter[str] = field(default_factory=Counter)  # of the values of an identifier
    quoted: str = ""  # the first of digits behind an apostrophe

    def __post_init__(self) -> None:
        is_kept = is_id_name(self.name) or is_image_name(self.name) or self.name in DEFAULT_TEXTS
        self.candidates = set() if is_kept else set(TYPES) - {"list"}

    def add(self, cells: Sequence[Cell]) -> None:
        """Adds the column's next cells."""
        values: list[str] = []
        rows: list[int] = []
        if not self.candidates:
            self._add_texts([cell for cell in cells if isinstance(cell, str) and cell.strip()])
        for row, cell in enumerate(cells, self.rows + 1):
            if isinstance(cell, list):
                self._add_list(cell)
            elif isinstance(cell, bool):
                values.append(str(cell).lower())
                rows.append(row)
            elif cell and not self.typed and ROUNDED.fullmatch(cell) and is_id_name(self.name):
                self.rounded.append(cell)
            elif self.candidates and cell and (text := cell.strip()):
                if text.lower() in NO_VALUE:
                    self.no_values[text] += 1
                    continue
                values.append(text)
                rows.append(row)
                self.texts += self.typed and not isinstance(cell, Number)
        self.rows += len(cells)
        self.values += len(values)
        if self.texts and not is_price(self.name):
            self.candidates &= {"date", "time"}
        if values and self.candidates:
            self._test(values, rows)

    def _add_texts(self, texts: Sequence[str]) -> None:
        """Adds cells of a column of pictures or of identifiers."""
        if is_image_name(self.name):
            self.marks.add(texts)
            self.pictures += len(texts)
        elif is_id_name(self.name):
            self.artefacts["all"] += len(texts)
            numbers = [text for text in texts if not self.typed or isinstance(text, Number)]
            for name, pattern in ARTEFACTS.items():
                self.artefacts[name] += sum(map(bool, map(pattern.fullmatch, numbers)))
            quoted = [text for text in numbers if QUOTED_DIGITS.match(text)]
            self.artefacts["quoted"] += len(quoted)
            self.quoted = self.quoted or next(iter(quoted), "")

    def _add_list(self, cell: list[str]) -> None:
        self.lists += 1
        self.pictures += any(map(str.strip, cell))
        self.candidates.clear()
        self.separators = [
            mark for mark in self.separators if not any(mark.strip() in part for part in cell)
        ]

    def _test(self, values: list[str], rows: list[int]) -> None:
        """Drops the types that do not fit these values."""
        powers = [text for text in values if "E+" in text and ROUNDED.fullmatch(text)]
        if powers and not self.typed:
            self.powers, self.power = self.powers + len(powers), self.power or powers[0]
        array = pa.array(values, pa.string())
        for kind in sorted(self.candidates - {"amount"}):
            fits = pc.match_substring_regex(array, PATTERNS[kind])
            count = pc.sum(fits).as_py()
            if kind == "decimal":
                self._find_styles(array.filter(fits))
                self.numbers += count
                if count < len(values):
                    first = pc.index(fits, False).as_py()
                    self.odd = (rows[first], values[first])
            if count < len(values) or not _keeps(kind, array):
                self.candidates.discard(kind)
        if "amount" in self.candidates and "decimal" not in self.candidates:
            self._test_amounts(values, rows)

    def _find_styles(self, numbers: pa.Array) -> None:
        """Tells whether the fractions of plain numbers may be thousands, as in 1.299."""
        with_point = numbers.filter(pc.match_substring(numbers, "."))
        self.separated = self.separated or len(with_point) > 0
        if not pc.all(pc.match_substring_regex(with_point, THOUSANDS), min_count=0).as_py():
            self.styles.discard(AmountStyle.COMMA)

    def _test_amounts(self, values: list[str], rows: list[int]) -> None:
        for row, value in zip(rows, values, strict=True):
            amount = read_amount(value)
            if amount is None:
                self.odd = (row, value)
            else:
                self.styles &= set(amount.values)
                self.currencies += amount.currency is not None
                self.separated = self.separated or amount.separated
            if amount is None or not self.styles or not all(map(_is_exact, amount.values.values())):
                self.candidates.discard("amount")
                return

    def decide(self) -> ColumnType:
        """The column's type, once all cells are added."""
        if self.lists:
            return self._decide_list()
        if (mark := self.marks.find()) is not False:
            how = "as JSON" if mark is None else f"apart by {mark!r}"
            note = f"several pictures in a cell, {how} (such as {self.marks.example[:60]!r})"
            return ColumnType(self.name, "list", separator=str(mark) if mark else None, note=note)
        if (identifier := self._decide_identifier()) is not None:
            return identifier
        plain = [kind for kind in TYPES if kind in self.candidates and kind != "amount"]
        ambiguous = self.separated and len(self.styles) == 2
        # A file with semicolons comes from where 1.299 is more than a thousand.
        doubtful = is_price(self.name) or (is_measure(self.name) and self.delimiter == ";")
        if not self.values or (plain == [] and "amount" not in self.candidates):
            is_blank = is_image_name(self.name) and not self.pictures
            return ColumnType(self.name, "text", note=self._explain_text(), is_blank=is_blank)
        if plain and not (plain[0] == "decimal" and ambiguous and doubtful):
            notes = [self._explain_no_values(plain[0]), self._explain_powers()]
            return ColumnType(self.name, plain[0], note="; ".join(filter(None, notes)) or None)
        example = f"such as {self.odd[1]!r}" if self.odd else "such as 1.299"
        if ambiguous:
            note = f"text, as its numbers ({example}) may have a decimal point or comma"
            return ColumnType(self.name, "text", note=note)
        (style, *_) = sorted(self.styles, key=lambda style: style.name, reverse=True)
        if not (self.currencies or is_measure(self.name)) and (
            self.delimiter == "," or may_be_list(self.name) or style is AmountStyle.POINT
        ):
            note = f"text, as its values ({example}) may be numbers or lists"
            return ColumnType(self.name, "text", note=note)
        note = f"numbers with a {style.value} ({example})"
        if self.currencies:
            note += f", the currency in column '{self.name}_currency'"
        no_values = self._explain_no_values("amount")
        note = f"{note}; {no_values}" if no_values else note
        return ColumnType(self.name, "amount", style, self.currencies > 0, note=note)

    def _decide_identifier(self) -> ColumnType | None:
        """The type of identifiers that a program has added something to."""
        for name, pattern in ARTEFACTS.items():
            if 0 < self.artefacts[name] == self.artefacts["all"]:
                note = f"every value {name}; read without it"
                return ColumnType(self.name, "text", artefact=pattern, note=note)
        if not self.quoted:
            return None
        count = self.artefacts["quoted"]
        note = f"{count} x digits behind an apostrophe, such as {self.quoted}; read without it"
        return ColumnType(self.name, "text", artefact=QUOTED_DIGITS, note=note)

    def _decide_list(self) -> ColumnType:
        if is_image_name(self.name):
            return ColumnType(self.name, "list", is_blank=not self.pictures)
        separator = self.separators[0] if self.separators else None
        how = f"joined by {separator!r}" if separator else "as JSON"
        return ColumnType(self.name, "joined", separator=separator, note=f"lists, {how}")

    def _explain_text(self) -> str | None:
        """Why a column of mostly numbers is text, or what is wrong with its identifiers."""
        if self.rounded:
            count, first = len(self.rounded), self.rounded[0]
            return (
                f"{count} x an identifier that a spreadsheet has rounded, such as {first!r}; "
                "export the column as text"
            )
        if self.texts and self.numbers:
            return "text, as some values are numbers and some are texts"
        if self.odd is not None and (2 * self.numbers >= self.values > 1 or is_price(self.name)):
            row, value = self.odd
            return f"text, as {value[:40]!r} in row {row} is no plain number"
        if self.numbers and self.numbers == self.values:
            return "text, as its numbers have more digits than a number column keeps"
        return None

    def _explain_powers(self) -> str | None:
        if not self.powers:
            return None
        shown = f"{self.powers} x a number such as {self.power!r}"
        return f"{shown}, which a spreadsheet may have rounded; export the column as text"

    def _explain_no_values(self, kind: str) -> str | None:
        if not self.no_values:
            return None
        shown = ", ".join(f"{count} x {text!r}" for text, count in self.no_values.most_common(3))
        what = "amounts" if kind == "amount" else f"{kind} values"
        return f"{what}; {shown} read as no value"


def _keeps(kind: str, array: pa.Array) -> bool:
    """Whether every value comes back from the type as it went in."""
    if kind == "decimal":
        long = array.filter(pc.greater(pc.binary_length(array), EXACT_DIGITS))
        return all(map(_is_exact, long.to_pylist()))
    try:
        array.cast(TYPES[kind])
    except pa.ArrowInvalid:
        return False
    return True


def _is_exact(digits: str) -> bool:
    if len(digits) <= EXACT_DIGITS:
        return True
    number = float(digits)
    return math.isfinite(number) and Decimal(repr(number)) == Decimal(digits)
