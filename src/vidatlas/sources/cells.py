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


def read_list(cell: Any, separator: str, key: str) -> tuple[str, ...] | None:
    """Return the stripped, non-empty texts of a cell; None if it holds anything else, such as a truncated list.

    Args:
        cell: a list, a list written as JSON or as Python text (``['a', 'b']``, ``[{'word': 'a'}]``), or texts joined by
            the separator; None, empty cells and empty items of a list hold no text.
        separator: what splits a cell that is not a list.
        key: for a list of objects, the key whose values are the texts; some objects may lack it, but not all.
    """
    if cell is None:
        return ()
    if isinstance(cell, str):
        bare = cell.strip()
        if not (bare.startswith("[") and bare.endswith("]")) and not bare.startswith(_QUOTED):
            return tuple(split_texts(bare, separator))
        cell = read_literal(bare)
    if not isinstance(cell, list):
        return None
    objects = [item for item in cell if isinstance(item, dict)]
    if objects and not any(key in item for item in objects):
        return None
    items = [item.get(key) if isinstance(item, dict) else item for item in cell]
    items = [item for item in items if item is not None]
    if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        return None
    return tuple(text for item in items if (text := str(item).strip()))


def list_in(cell: str) -> list[Any] | None:
    """Return the list that a cell holds, written as JSON or Python text; None if it holds other text."""
    bare = cell.strip()
    found = read_literal(bare) if bare.startswith("[") and bare.endswith("]") else None
    return found if isinstance(found, list) else None


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
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _depth(text: str) -> int:
    """Return the deepest nesting of brackets, counting those within quotes too: an upper bound."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[{(" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest
