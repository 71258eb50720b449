"""Texts of a cell: of a field, a label, an id."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from vidatlas.sources.cells import list_in, split_texts
from vidatlas.sources.values.markup import MAX_TEXT_CHARS, plain_text
from vidatlas.types import Reason

MAX_ID_CHARS = 512
_SLASH = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def row_hash(row: dict[str, Any]) -> str | Reason:
    """Return a hash of a row, 32 hexadecimal digits, whatever the order of its keys; or why there is none."""
    try:
        data = orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # it reads more levels than it writes
        return Reason.INVALID_JSON
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def identifier(values: list[Any]) -> str | Reason:
    """Return the id made from one or more columns, or why there is none.

    Of several columns a slash or backslash in a value gets a backslash in front: no two rows of other values share one.
    """
    if len(values) > 1:
        parts = [identifier([value]) for value in values]
        reasons = [part for part in parts if isinstance(part, Reason)]
        return reasons[0] if reasons else identifier(["/".join(_SLASH.sub(r"\\\g<0>", part) for part in parts)])
    (value,) = values
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return Reason.MISSING_ID
    if not isinstance(value, str) or len(value) > MAX_ID_CHARS or _CONTROL.search(value):
        return Reason.INVALID_ID
    return value


def label(value: Any) -> str:
    """Return a group's or an author's name; empty if there is none."""
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value is None else plain_text(str(value)).strip()[:MAX_ID_CHARS]


def texts_in(value: Any, separator: str | None, key: str = "name") -> tuple[str, ...] | None:
    """Return the non-empty texts of a cell, or None if it holds something other than text.

    Args:
        value: a text or number; with a separator also a list, or one written as JSON or Python text.
        separator: what splits a text that is no list; None: the cell holds one text.
        key: for a list of objects, the key whose values are the texts; some objects may lack it, but not all.
    """
    if value is None:
        return ()
    if isinstance(value, str) and separator is not None:
        value = value if (found := list_in(value)) is None else found
    if isinstance(value, str):
        value = plain_text(value)
        if separator is None:
            return (value[:MAX_TEXT_CHARS],) if value.strip() else ()
        parts = split_texts(value, separator)
        return tuple(parts) if len(value) <= MAX_TEXT_CHARS else tuple(part[:MAX_TEXT_CHARS] for part in parts)
    if isinstance(value, list) and separator is not None:
        texts = [texts_in(item, None) for item in _by_key(value, key)]
        return None if None in texts else tuple(text.strip() for found in texts if found for text in found)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    return None


def _by_key(items: list[Any], key: str) -> list[Any]:
    objects = [item for item in items if isinstance(item, dict)]
    if not any(key in item for item in objects):
        return items
    return [item.get(key) if isinstance(item, dict) else item for item in items]
