"""Questions: what an address of the app asks for, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from vidatlas.app.library import Library
from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.search import Filter, Range

STEP, MOST = 12, 240
"""Videos that a page shows at first, and that "12 more" leads to in the end."""
MOST_TEXT = 500


class Bound(NamedTuple):
    """Describe the two fields by which a typed column is filtered."""

    name: str
    input: str
    """The kind of field: date or number."""
    low: str
    high: str


def number(text: str | None, least: int, most: int, otherwise: int) -> int:
    """Return an integer of an address, held within bounds.

    Raises:
        UsageError: it is none.
    """
    if not text:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise UsageError(f"{text[:40]!r} in the address is not a number.")
    return min(max(int(text), least), most)


def bounds(library: Library, given: Mapping[str, str]) -> list[Bound]:
    """Return the fields of all columns that have an order, with what an address says of them."""
    found = []
    for name in library.search.videos.ranged:
        dated = library.search.kinds.get(name) in ("date", "time")
        low, high = given.get(f"{name}.from", ""), given.get(f"{name}.to", "")
        found.append(Bound(name, "date" if dated else "number", low, high))
    return found


def filtered(library: Library, given: Mapping[str, str]) -> Filter:
    """Return the filter of an address: category, subcategory, ranges.

    Raises:
        UsageError: a bound is no number or date.
    """
    ranges: list[Range] = [
        (bound.name, bound.low or None, bound.high or None)
        for bound in bounds(library, given)
        if bound.low or bound.high
    ]
    return Filter(given.get("group") or None, given.get("sub") or None, tuple(ranges))


def text_of(given: Mapping[str, str], name: str = "q") -> str:
    """Return a text of an address.

    Raises:
        UsageError: it is too long.
    """
    text = given.get(name, "").strip()
    if len(text) > MOST_TEXT:
        raise UsageError(f"the question has {len(text):,} characters. Ask in at most {MOST_TEXT}.")
    return text


def kept(given: Mapping[str, str], **changed: Any) -> dict[str, Any]:
    """Return the values of an address with some changed, to make another address of them."""
    return {**{name: value for name, value in given.items() if value}, **changed}
