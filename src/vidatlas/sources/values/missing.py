"""Placeholders: what stands for nothing in a cell, and the names of a column's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vidatlas.sources.cells import list_in
from vidatlas.sources.values.numbers import whole

MISSING = (
    "[none]",
    "\\N",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NULL",
    "null",
    "None",
    "NaN",
    "nan",
    "-",
    "(no genres listed)",
)
"""What exports of databases, spreadsheets, pandas, R, JavaScript and MovieLens write for nothing."""


def unmistakable(missing: tuple[str, ...]) -> frozenset[str]:
    """Return the placeholders that nobody would call a video: those that are neither a word nor a dash."""
    return frozenset(text for text in missing if not text.isalnum() and text.strip("-"))


def is_missing(value: Any, missing: frozenset[str]) -> bool:
    """Tell whether a cell is a placeholder."""
    return isinstance(value, str) and value.strip() in missing


@dataclass(frozen=True, slots=True)
class Cell:
    """Say what a column's cells may hold in place of a value."""

    column: str
    missing: frozenset[str]
    names: Mapping[str, str] | None = None
    """The names of its values, by value."""
    separator: str | None = None
    """What splits a cell with several values."""

    def clean(self, value: Any) -> Any:
        """Return a cell without placeholders, its values named; the same object where nothing changes."""
        if isinstance(value, str) and value.strip() in self.missing:
            return None
        value = self._listed(value)
        if isinstance(value, list) and any(is_missing(item, self.missing) for item in value):
            value = [item for item in value if not is_missing(item, self.missing)]
        if self.names is None:
            return value
        named = [self.names.get(_key(item), item) for item in self._items(value)]
        return named if isinstance(value, list) or len(named) > 1 else named[0] if named else value

    def unnamed(self, value: Any) -> Iterator[str]:
        """Yield the values of a cell that have no name and are none."""
        names = self.names or {}
        for item in self._items(self._listed(value)):
            if item is not None and item != "" and _key(item) not in names and item not in names.values():
                yield str(item)

    def _listed(self, value: Any) -> Any:
        """Return a cell that holds values to name as a list where it is one, written as text."""
        if self.names is None or not isinstance(value, str):
            return value
        return value if (found := list_in(value)) is None else found

    def _items(self, value: Any) -> list[Any]:
        if isinstance(value, list):
            items = [self._plain(item) for item in value]
            return [item for item in items if isinstance(item, str | int | float)]
        if isinstance(value, str) and self.separator:
            return [text for part in value.split(self.separator) if (text := part.strip()) not in self.missing]
        return [value] if isinstance(value, str | int | float) else []

    def _plain(self, item: Any) -> Any:
        """Return an item, of an object its name or id: whichever has a name here, or the first."""
        if not isinstance(item, dict):
            return item
        found = [item[key] for key in ("name", "id") if isinstance(item.get(key), str | int | float)]
        return next((one for one in found if _key(one) in (self.names or {})), next(iter(found), None))


def _key(value: Any) -> str:
    return str(whole(value)).strip()
