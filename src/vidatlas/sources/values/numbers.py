"""Numbers and booleans that are written in several ways: 24.0 and "24" are one value, and so are False and "false"."""

from __future__ import annotations

import re
from collections.abc import Hashable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from vidatlas.sources.cells import list_in

_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
"""No leading zeros: "007" is a code."""

SCIENTIFIC = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+")
"""How spreadsheets write a long number, and so ruin it where it is an id."""
EXACT = 1 << 53
"""From here on a floating-point number, and so JavaScript, cannot hold every integer."""


def whole(value: Any) -> Any:
    """Return a whole number without its fraction, as text: "24" for 24.0 and "24.0"; every other value as it is."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    found = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) and ".0" in value else None
    return found[1] if found else value


def matches(value: Any, wanted: str | tuple[str, ...]) -> bool:
    """Tell whether a cell is one of the wanted values; of a list, also one written as text, whether an item is."""
    texts = (wanted,) if isinstance(wanted, str) else wanted
    items = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        items = [value, *(list_in(value) or ())]
    return any(str(item) in texts or _key(item) in _keys(texts) for item in items)


@lru_cache(maxsize=64)
def _keys(texts: tuple[str, ...]) -> frozenset[Hashable]:
    return frozenset(map(_key, texts))


def _key(value: Any) -> Hashable:
    """Return what equal values have in common, however they are written."""
    text = "null" if value is None else str(value).strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true", "boolean"  # a pair: True equals 1
    return Decimal(text).normalize() if _NUMBER.fullmatch(text) else text
