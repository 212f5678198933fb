"""What is wrong with an SQL condition over the catalogue's columns, said before SQLite is silent.

SQLite compares text with a number without a word, takes an unknown name in double quotes for a
text, and holds `colour = 'red' OR 'blue'` for half of what it says. Pure: knows no file.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from prodmatch.lexical.prices.column_names import is_product_price
from prodmatch.products.column_storage import KEYWORDS, needs_quotes, write_cast

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\])
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<variable>[$:@?\#]\w*)
    |(?P<sign><=|>=|<>|!=|==|\|\||&&|.)""",
    re.VERBOSE | re.DOTALL,
)
COMPARISONS = frozenset(["=", "==", "!=", "<>", "<", "<=", ">", ">=", "is"])
ARITHMETIC = frozenset(["+", "-", "*", "/", "%", "||", "."])
CONSTANTS = frozenset(["true", "false"])
ORDERED = frozenset(["<", "<=", ">", ">=", "between"])
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T].*)?")
DATE_START = re.compile(r"\d{4}(?:-\d\d?(?:-\d\d?(?:[ T].*)?)?)?")
AMOUNT = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
REMEDIES = (  # what is written in conditions of other languages, and what to write instead
    (re.compile("[\u2018\u2019\u201c\u201d]"), "Write straight quotes, 'red'"),
    (re.compile("&&"), "Write AND"),
    (re.compile(r"=\s*[<>]|[≤≥]"), "Write <= or >="),
    (re.compile("≠"), "Write <>"),
    (re.compile(r"\d,\d{1,2}\b"), "Write a point before decimals: 20.50"),
    (
        re.compile(r"\b(?:contains|regexp|match|startswith|endswith|ilike)\b|~", re.IGNORECASE),
        "Write LIKE '%word%'",
    ),
    (
        re.compile(r"[$€£]\s*\d|\d\s*(?:[$€£]|(?:eur|euros?|usd|dollars?|gbp)\b)", re.IGNORECASE),
        "Write a number alone",
    ),
)
MOST_HINTS = 3
IN_BRACKETS = "IN takes round brackets: IN ('red', 'blue')"


@dataclass(frozen=True)
class Column:
    """A column of the catalogue, as a condition may use it."""

    name: str
    kind: str  # `text`, `number` or `boolean`
    sample: str = ""  # a value that stands in it
    declared: str = ""  # its type in SQLite


HIDDEN = frozenset(["row", "rowid", "oid", "_rowid_", "has_text", "has_image"])  # SQLite's, ours


@dataclass(frozen=True)
class Token:
    """A piece of a condition; `value` is a word in small letters, a name or text unquoted."""

    kind: str  # as in `TOKEN`; `column` for a name of one
    value: str
    shown: str
    start: int  # in the condition


@dataclass(frozen=True)
class TextComparison:
    """A text column that a condition compares with a text."""

    column: str
    value: str


def split_condition(condition: str, columns: Mapping[str, Column]) -> list[Token]:
    """The pieces of a condition in order.

    Args:
        columns: by their names in small letters.
    """
    tokens = []
    for found in TOKEN.finditer(condition):
        kind, shown = str(found.lastgroup), found.group()
        value = shown
        if kind == "text":
            value = shown[1:-1].replace("''", "'")
        elif kind == "name":
            value = shown[1:-1].replace('""', '"')
            kind = "column" if value.lower() in columns else kind
            value = columns[value.lower()].name if kind == "column" else value
        elif kind == "word":
            value = shown.lower()
            if value in columns and value not in KEYWORDS:
                kind, value = "column", columns[value].name
        if kind != "space":
            tokens.append(Token(kind, value, shown, found.start()))
    return tokens


def find_mistake(condition: str, columns: Mapping[str, Column]) -> str | None:
    """What is wrong with a condition that SQLite would take without a word; None if nothing is."""
    tokens = split_condition(condition, columns)
    if not tokens:
        return "is empty"
    if mistake := _bare_name(condition, columns) or _wrong_brackets(tokens):
        return mistake
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        mistake = (
            _unknown_name(token, before, columns)
            or _quoted_column(token, before, after, columns)
            or _filled_by_number(tokens, index, columns)
            or _wrong_operator(tokens, index)
        )
        if mistake:
            return mistake
    for token in tokens:
        if token.kind == "number" and token.value.isdigit() and int(token.value) >= 2**63:
            return (
                f"{token.shown} is beyond {2**63 - 1}, up to which numbers are compared exactly. "
                "Keep such numbers as text, or compare with a smaller one"
            )
    for column, operator, literal in find_comparisons(tokens):
        mistake = _wrong_type(columns[column.value.lower()], operator, literal)
        if mistake:
            return mistake
    return None


def explain_error(condition: str, message: str, columns: Mapping[str, Column]) -> str:
    """What SQLite says of a condition that it refuses, and what to do about it.

    Args:
        columns: by their names in small letters.
    """
    tokens = split_condition(condition, columns)
    if re.search(r"\w'\w", condition) and (
        condition.count("'") % 2 or "syntax" in message or "unrecognized" in message
    ):
        return f"{message}. Write an apostrophe inside a text twice: '%men''s%'"
    for column in filter(lambda each: each.name.strip(), columns.values()):
        if (quoted := needs_quotes(column.name)) and _stands_bare(column.name, condition):
            return f"{message}. {_hint_quotes(column.name, quoted)}"
    if number := re.search(r"\d+(?:,\d{3})+\b", condition):
        return f"{message}. Write {number[0].replace(',', '')}, without commas"
    for token in tokens:
        if token.kind == "variable":
            return f"{token.shown!r} is no value. Write a number alone, or text in single quotes"
    outside = _outside_quotes(condition)
    for pattern, remedy in REMEDIES:
        if pattern.search(outside):
            return f"{message}. {remedy}"
    unknown = re.fullmatch(r"no such column: (.+)", message)
    if unknown:
        return f"{message}. {_hint_unknown(unknown[1], tokens, columns)}".rstrip(". ")
    return message


def compared_texts(condition: str, columns: Mapping[str, Column]) -> list[TextComparison]:
    """The texts that a condition wants text columns to be equal to."""
    return [
        TextComparison(column.value, literal.value)
        for column, operator, literal in find_comparisons(split_condition(condition, columns))
        if operator in ("=", "==", "is", "in", "like")
        and literal.kind in ("text", "name")
        and columns[column.value.lower()].kind == "text"
        and "%" not in literal.value
    ]


def nearest_values(value: str, known: Sequence[str]) -> list[str]:
    """Known values that may be meant: equal but for case and spaces, else nearly equal."""
    plain = _plain(value)
    same = [each for each in known if _plain(each) == plain]
    if same or not plain:
        return same[:MOST_HINTS]
    by_plain = {_plain(each): each for each in reversed(known)}
    near = difflib.get_close_matches(plain, list(by_plain), MOST_HINTS, 0.75)
    return [by_plain[each] for each in near]


def _plain(value: str) -> str:
    return " ".join(value.casefold().split())


def find_comparisons(tokens: Sequence[Token]) -> list[tuple[Token, str, Token]]:
    """Each column that is compared with a literal: the column, the operator, the literal."""
    found = []
    for index, token in enumerate(tokens):
        if token.kind != "column" or (index and tokens[index - 1].value in ARITHMETIC):
            continue
        if index > 1 and tokens[index - 1].value in COMPARISONS and _is_literal(tokens[index - 2]):
            found.append((token, tokens[index - 1].value, tokens[index - 2]))
        rest = [each for each in tokens[index + 1 : index + 3] if each.value != "not"]
        operator = rest[0].value if rest else ""
        start = index + 1 + tokens[index + 1 : index + 3].index(rest[0]) + 1 if rest else 0
        if start < len(tokens) and tokens[start].value == "not":  # IS NOT
            start += 1
        literals = _literals_after(tokens, start, operator)
        found += [(token, operator, literal) for literal in literals]
    return found


def _literals_after(tokens: Sequence[Token], start: int, operator: str) -> list[Token]:
    """The literals that an operator compares with; `start` is the position behind it."""
    rest = (tokens[at] for at in range(start, len(tokens)) if tokens[at].value not in ("+", "-"))
    if operator in COMPARISONS or operator == "like":
        return [token for token in islice(rest, 1) if _is_literal(token)]
    if operator == "between":
        return [token for token in [*islice(rest, 3)][::2] if _is_literal(token)]
    if operator == "in" and [token.value for token in islice(rest, 1)] == ["("]:
        listed = takewhile(lambda each: each.value != ")", rest)
        return [token for token in listed if _is_literal(token)]
    return []


def _is_literal(token: Token) -> bool:
    is_word = token.kind == "word" and token.value in CONSTANTS
    return token.kind in ("text", "number", "name") or is_word


def _wrong_type(column: Column, operator: str, literal: Token) -> str | None:
    name = column.name
    is_text = literal.kind in ("text", "name")
    if column.kind == "text":
        return _wrong_text(column, operator, literal.value, is_text=is_text)
    if not is_text or operator == "like":
        return None
    if column.kind == "boolean":
        return f"{name} is true or false; write {name} = true, without quotes"
    is_number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", literal.value.strip().lower())
    bare = literal.value if is_number else "50"
    sign = operator if operator in COMPARISONS else "="
    return (
        f"{name} is a number, {literal.shown} is text; write {name} {sign.upper()} {bare}, "
        "without quotes"
    )


def _wrong_text(column: Column, operator: str, value: str, *, is_text: bool) -> str | None:
    """What is wrong with a comparison of text: dates in another form, amounts by their letters."""
    name, sample, is_ordered = column.name, column.sample, operator in ORDERED
    if DATE.fullmatch(sample) and (not is_text or (is_ordered and not DATE_START.fullmatch(value))):
        return f"{name} is a date ({sample!r}); write dates like that, in quotes"
    is_amount = is_product_price(name) or any(sign in sample for sign in ".,")
    if is_ordered and is_amount and AMOUNT.fullmatch(sample) and AMOUNT.fullmatch(value.strip()):
        number = write_cast(name, sample)
        return f"{name} is text ({sample!r}); convert the column, or write {number} for it"
    if not is_text:
        return f"{name} is text ({sample!r}); compare with quotes or convert the column"
    return None


def _bare_name(condition: str, columns: Mapping[str, Column]) -> str | None:
    """A column with a space in its name, which is another column's name to SQLite."""
    for column in columns.values():
        if " " in column.name.strip() and _stands_bare(column.name, condition):
            return _hint_quotes(column.name, needs_quotes(column.name))
    return None


def _hint_quotes(name: str, reason: str) -> str:
    return f'The column {name!r} is {reason}: write it in double quotes, "{name}"'


def _wrong_brackets(tokens: Sequence[Token]) -> str | None:
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.shown, 0)
        if depth < 0:
            return "a bracket is closed that was not opened"
    return None


def _quoted_column(
    token: Token, before: Token | None, after: Token | None, columns: Mapping[str, Column]
) -> str | None:
    """A column's name in single quotes: a text to SQLite, which no value is compared with."""
    is_first = before is None or before.value in ("and", "or", "not", "(")
    is_compared = after is not None and after.value in (*COMPARISONS, "like", "in", "between")
    if token.kind != "text" or not is_first or not is_compared:
        return None
    column = columns.get(token.value.lower())
    return None if column is None else f'{token.shown} is a text; write "{column.name}"'


def _unknown_name(token: Token, before: Token | None, columns: Mapping[str, Column]) -> str | None:
    """A name in double quotes that is no column: SQLite takes it for a text."""
    is_value = before is not None and (
        before.value in COMPARISONS or before.value in ("like", "(", ",", "glob", "and", "between")
    )
    is_hidden = token.kind == "word" and token.value in HIDDEN
    if not is_hidden and (token.kind != "name" or is_value):
        return None
    if token.shown.startswith("[") and before is not None and before.value == "in":
        return IN_BRACKETS
    hint = _nearest_columns(token.value, columns)
    return f"there is no column {token.value!r}" + (f"; there is {hint}" if hint else "")


def _filled_by_number(
    tokens: Sequence[Token], index: int, columns: Mapping[str, Column]
) -> str | None:
    """Text with a number in place of null: of no type to SQLite, and above every number."""
    call = [token.value for token in tokens[max(0, index - 2) : index]]
    rest = [*tokens[index + 1 : index + 3]]
    if len(call) < 2 or call[0] not in ("coalesce", "ifnull", "nullif") or len(rest) < 2:
        return None
    column = columns.get(tokens[index].value.lower()) if tokens[index].kind == "column" else None
    if column is None or column.kind != "text" or rest[1].kind != "number":
        return None
    return f"{column.name} is text ({column.sample!r}); compare with quotes or convert the column"


def _wrong_operator(tokens: Sequence[Token], index: int) -> str | None:
    """Signs that stand for AND and OR elsewhere."""
    around = [
        tokens[at] if 0 <= at < len(tokens) else Token("", "", "", 0)
        for at in range(index - 2, index + 3)
    ]
    earlier, before, sign, after, later = (
        "'" if token.kind == "text" else token.value for token in around
    )
    kinds = around[1].kind, around[3].kind
    begins_another = kinds[1] == "column" and later in COMPARISONS
    ends_one = earlier in COMPARISONS and kinds[0] in ("text", "number")
    if sign == "||" and before and after:
        joins = "text" in kinds or before == ")"
        if not joins or (ends_one and (begins_another or kinds[1] == "text")):
            return "|| joins texts; write OR"
    if sign == "in" and kinds[1] in ("text", "number"):
        return IN_BRACKETS
    if sign in ("&", "|") and (ends_one or begins_another):
        return f"{sign} joins bits; write {'AND' if sign == '&' else 'OR'}"
    return None


def _stands_bare(name: str, condition: str) -> bool:
    """Whether a name stands in a condition outside quotes."""
    outside = _outside_quotes(condition)
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", outside, re.IGNORECASE) is not None


def _outside_quotes(condition: str) -> str:
    return re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]", " ", condition)


def _hint_unknown(name: str, tokens: Sequence[Token], columns: Mapping[str, Column]) -> str:
    shown = [token.value for token in tokens]
    at = shown.index(name.lower()) if name.lower() in shown else 0
    if at and (shown[at - 1] in COMPARISONS or shown[at - 1] in ("like", "(", ",")):
        return f"Text stands in single quotes: '{name}'"
    hint = _nearest_columns(name, columns)
    return f"There is {hint}" if hint else ""


def _nearest_columns(name: str, columns: Mapping[str, Column]) -> str:
    near = difflib.get_close_matches(name.lower(), list(columns), MOST_HINTS, 0.6)
    return ", ".join(columns[each].name for each in near)
