"""Listing: all videos of a category or subcategory, sorted, a page at a time or as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.search import Filter, Search
from vidatlas.pipeline.explore.videos import Positions
from vidatlas.sources.values.links import link_of
from vidatlas.types import Json

_AT_ONCE = 5_000
_FORMULA = re.compile(r"[=+\-@\t\r]")
_PLAIN = re.compile(r"[-+]?[\w.,-]*")


@dataclass(frozen=True)
class Listing:
    """Hold the positions of videos in their order, and read their rows as they are needed."""

    search: Search
    positions: Positions
    group: str
    home: tuple[str, int] | None = None
    """Of a subcategory: the category it was clustered in, and its number."""

    def __len__(self) -> int:
        return len(self.positions)

    def rows(self) -> Iterator[Json]:
        """Yield id, title, group, subcategory, name, distance, part, typed columns and url of each, in order."""
        for at in range(0, len(self), _AT_ONCE):
            yield from shown_rows(self.search, self.positions[at : at + _AT_ONCE])


def listing(search: Search, group: str | None, subcategory: int | str | None, sort: str) -> Listing:
    """Return the videos of a category or a subcategory, sorted.

    Raises:
        UsageError: there is no such category or subcategory, or several, or they cannot be sorted so.
    """
    if subcategory is None:
        if group is None:
            raise UsageError("name a category, a subcategory, or both.")
        named = search.group_named(group)
        return Listing(search, search.videos.sorted(named, None, sort), named)
    homes = search.homes(Filter(group, subcategory))
    if len(homes) > 1:
        places = ", ".join(repr(home[0]) for home in homes)
        raise UsageError(f"subcategory {subcategory!r} is in several categories. Choose one of them: {places}")
    found = search.videos.sorted(*homes[0], sort)
    if group is not None:
        # Where clusters are made over all categories, a subcategory has videos of several.
        found = found[search.videos.of_group(search.group_named(group))[found]]
    return Listing(search, found, group or homes[0][0], homes[0])


def subcategory_rows(search: Search) -> Iterator[Json]:
    """Yield category, levels, number, name, size and peripheral videos of every subcategory, largest first."""
    for sub in search.subcategories:
        row = {**sub, "levels": " › ".join(sub["levels"])}
        yield {name: row[name] for name in ("group", "levels", "subcategory", "name", "size", "peripheral")}


def shown_rows(search: Search, positions: Sequence[int] | Positions) -> Iterator[Json]:
    """Yield what a list of videos says of each at some positions; its part: core or peripheral."""
    several = ["id", "title", "group", "subcategory", "in_group", "distance", *search.videos.typed]
    for row in search.videos.take(positions, several).to_pylist():
        row["name"], row["part"] = search.name_of(row), search.part_of(row)
        row["url"] = link_of(search.recipe.record.url, row)
        first = ("id", "title", "group", "subcategory", "name", "distance", "part")
        url = ["url"] if search.recipe.record.url else []
        yield {name: row[name] for name in (*first, *search.videos.typed, *url)}


def csv_lines(rows: Iterable[Json]) -> Iterator[str]:
    """Yield rows as lines of CSV under their names: times as ISO 8601, and no cell that a spreadsheet would compute.

    A text that starts like a formula, and is neither a number nor an id, gets an apostrophe in front.
    """
    for number, row in enumerate(rows):
        if not number:
            yield _line(list(row))
        yield _line(list(row.values()))


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(cell: Any) -> Any:
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    if isinstance(cell, str) and _FORMULA.match(cell) and not _PLAIN.fullmatch(cell):
        return f"'{cell}"
    return cell
