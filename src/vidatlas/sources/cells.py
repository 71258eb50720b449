"""Cells that hold several texts, joined by a separator or as a list written as text."""

from __future__ import annotations

import ast
import re
from typing import Any

import orjson

MAX_LIST_CHARS = 100_000
MAX_NESTING = 8
"""Brackets that may be open at once in a list written as text."""
_QUOTED = ("['", '["', "[{")
"""How a list written as text starts, and almost nothing else."""
_BRACKETS = re.compile(r"[\[\]{}()]")


def list_in(cell: str) -> list[Any] | None:
    """Return the list that a cell holds, written as JSON or Python text; None if it holds other text."""
    bare = cell.strip()
    found = read_literal(bare) if bare.startswith("[") and bare.endswith("]") else None
    return found if isinstance(found, list) else None


def is_cut(cell: Any) -> bool:
    """Tell whether a cell is text that starts as a list does and is none, such as a list that was cut off."""
    bare = cell.strip() if isinstance(cell, str) else ""
    return (bare.startswith(_QUOTED) or bare[:1] + bare[-1:] == "[]") and list_in(bare) is None


def split_texts(cell: str, separator: str) -> list[str]:
    """Return the stripped, non-empty texts of a cell; quotes around texts, as in ``a|"b"|"c"``, go."""
    texts = [text for part in cell.split(separator) if (text := part.strip())]
    if '"' not in cell or not any(_is_quoted(text) for text in texts[1:] or texts):
        return texts
    return [text for part in texts if (text := part[1:-1].strip() if _is_quoted(part) else part)]


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def holds_objects(cell: Any) -> bool:
    """Tell whether a cell holds an object, a list of objects or of lists, or one of them written as text."""
    if type(cell) is str and cell[:1].isalnum():
        return False  # asked of cells of every row, and most are names
    if isinstance(cell, str) and cell.lstrip().startswith(("{", "[{")):
        cell = read_literal(cell.strip())
    return isinstance(cell, dict) or (isinstance(cell, list) and any(isinstance(item, dict | list) for item in cell))


def read_literal(text: str) -> Any:
    """Return the value of JSON or a Python literal; None if it is neither, too long or nested too deeply."""
    if len(text) > MAX_LIST_CHARS or _depth(text) > MAX_NESTING:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return _mended(found) if "\\u" in text or "\\U" in text else found


def _mended(value: Any) -> Any:
    """Return a value whose texts hold no half of a surrogate pair, as no UTF-8 can: pairs joined, halves replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return type(value)(map(_mended, value)) if isinstance(value, list | tuple | set) else value


def _depth(text: str) -> int:
    """Return the deepest nesting of brackets, counting those within quotes too: an upper bound."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[{(" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest
