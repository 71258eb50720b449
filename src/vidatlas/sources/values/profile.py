"""Profile of a column: its values in the first rows of an input, and what they are like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidatlas.sources.cells import holds_objects, list_in, read_literal
from vidatlas.sources.paths import EACH, compile_paths, nested_names, with_nested
from vidatlas.sources.values.columns import kind_of
from vidatlas.sources.values.missing import MISSING
from vidatlas.sources.values.texts import texts_in
from vidatlas.types import Json

ADDRESS = re.compile(r"https?://", re.IGNORECASE)
NUMBERS = {"integer", "number", "epoch", "day"}
_SEPARATORS = ("|", ";", ",")
_NAMED_AFTER = 200
"""Rows from which the names of columns are collected."""


@dataclass(slots=True)
class Column:
    """Hold the values of a column, and what they are like."""

    name: str
    values: list[Any]
    """Those that stand for something."""
    rows: int
    kinds: Counter[str] = field(default_factory=Counter)
    distinct: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    """Placeholders in it."""

    @property
    def steps(self) -> list[str]:
        """Return the steps of its name, without capitals and signs."""
        return steps_of(self.name)

    @property
    def example(self) -> Any:
        """Return its first value."""
        return self.values[0]

    def share(self, test: Callable[[Any], Any]) -> float:
        """Return the share of its values that pass a test."""
        return sum(bool(test(value)) for value in self.values) / len(self.values)

    @property
    def unique(self) -> float:
        """Return the share of its values that are distinct."""
        return self.distinct / len(self.values)

    def only(self, kinds: set[str], share: float = 0.9) -> bool:
        """Tell whether most values are of these kinds."""
        return sum(self.kinds[kind] for kind in kinds) >= share * len(self.values)

    @property
    def words(self) -> float:
        """Return the mean number of words."""
        return sum(len(str(value).split()) for value in self.values) / len(self.values)

    def share_with(self, sign: str) -> float:
        """Return the share of its values whose text holds a sign."""
        return self.share(lambda value: sign in str(value))

    def may_identify(self) -> bool:
        """Tell whether almost every row has a value, a text or an integer, and not all have the same few."""
        filled = len(self.values) >= 0.9 * self.rows
        return filled and self.only({"text", "duration", *NUMBERS}) and (self.rows < 50 or self.unique >= 0.02)

    def is_text(self) -> bool:
        """Tell whether it holds texts that differ, no addresses."""
        differs = self.distinct >= min(2, len(self.values)) and (self.unique >= 0.1 or self.distinct > 50)
        filled = len(self.values) >= 0.5 * self.rows
        plain = self.share(lambda value: ADDRESS.match(str(value))) < 0.5
        return filled and differs and plain and self.only({"text"}, 0.5)

    def has_few_words(self) -> bool:
        """Tell whether it holds the same few short texts again and again, as a column of categories does."""
        few = 2 <= self.distinct <= max(2, min(50, 0.3 * len(self.values)))
        plain = self.share(lambda value: ADDRESS.match(str(value))) == 0
        return few and plain and self.only({"text"}) and self.words <= 4

    def holds_bare_objects(self) -> bool:
        """Tell whether it holds objects that have no name, or lists of lists."""
        return self.share(_is_bare) > 0

    def is_list_of_words(self) -> bool:
        """Tell whether it holds lists of short texts, no numbers and no addresses."""
        return self.only({"list"}) and self.share(_are_words) > 0.9

    def is_joined(self) -> bool:
        """Tell whether it holds short texts with a vertical bar between them."""
        short = self.share(lambda value: all(len(text.split()) < 4 for text in str(value).split("|")))
        return self.only({"text"}) and self.share_with("|") > 0.2 and short > 0.9

    def separation(self) -> Json:
        """Return how the texts in a value are separated, as a text field of a recipe says it."""
        if self.only({"list"}, 0.2):
            return {"separator": ","}
        if self.share(lambda value: str(value).lstrip().startswith("#")) > 0.5:
            return {"separator": "#"}
        shares = {sign: self.share_with(sign) for sign in _SEPARATORS}
        best = max(shares.values())
        return {"separator": next(sign for sign in _SEPARATORS if shares[sign] >= best / 2) if best else ","}


def steps_of(name: str) -> list[str]:
    """Return the steps of a column's name, without capitals and signs."""
    return [re.sub(r"[^0-9a-z]", "", step.casefold()) for step in name.replace(EACH, "").split(".")]


def columns_of(rows: Sequence[Json]) -> list[Column]:
    """Return the columns of rows that hold anything, those of nested values by their paths."""
    names: dict[str, None] = {}
    for row in rows[:_NAMED_AFTER]:
        opened = {key: _opened(value) for key, value in row.items()}
        names.update(dict.fromkeys(nested_names(opened)))
    paths = compile_paths(names)
    found = {name: Column(name, [], len(rows)) for name in names}
    for row in rows:
        whole_row = with_nested(row, paths)
        for name, column in found.items():
            value = whole_row.get(name)
            if isinstance(value, str) and value.strip() in MISSING:
                column.missing[value.strip()] += 1
            elif value is not None and value != [] and str(value).strip() not in ("", "[]"):
                column.values.append(value)
    kept = [column for column in found.values() if column.values]
    for column in kept:
        column.kinds = Counter(map(_kind, column.values))
        column.distinct = len(set(map(str, column.values)))
    return kept


def _opened(value: Any) -> Any:
    """Return what a text writes of an object or a list of them; every other value as it is."""
    found = read_literal(value) if isinstance(value, str) and value.lstrip()[:1] in "{[" and value.strip() else None
    return found if holds_objects(found) else value


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list) or (isinstance(value, str) and list_in(value) is not None):
        return "list"
    return kind_of(value)


def _is_bare(value: Any) -> bool:
    found = _opened(value)
    items = found if isinstance(found, list) else [found]
    return any(isinstance(item, list) or (isinstance(item, dict) and "name" not in item) for item in items)


def _are_words(value: Any) -> bool:
    items = texts_in(value, ",") or ()
    return bool(items) and all(
        len(item) <= 50 and not ADDRESS.match(item) and kind_of(item) == "text" for item in items
    )
