"""Answers as JSON: what JSON has no type or no word for is written all the same."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal

# What ends a line for some readers, and what JSON leaves as it is.
LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}


def to_json(content: object) -> str:
    """JSON in one line: decimals as numbers where these keep all digits, NaN as null."""
    try:
        text = json.dumps(content, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:  # NaN is no JSON
        text = json.dumps(_finite(content), ensure_ascii=False, default=_plain)
    return text.translate(LINE_ENDS)


def _plain(value: object) -> object:
    """A value that JSON has no type for: a decimal as a number, if that keeps all its digits."""
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return str(value)


def _finite(content: object) -> object:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
