"""The table of subcategories: its columns, its rows, and what a row opens to, as compressed data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Generic, NamedTuple, Protocol, TypeGuard, TypeVar

from vidatlas.views.colours import colours_of
from vidatlas.views.map_data import LONGEST_TITLE, Drawing, packed_json
from vidatlas.views.page import Category, Report, Subcategory, Trend
from vidatlas.views.text import shown
from vidatlas.views.videos import Videos

SILHOUETTE_BANDS = (  # from this value on, plain words
    (0.5, "very clear"),
    (0.25, "clear"),
    (0.1, "loose"),
    (0.0, "overlapping"),
    (-math.inf, "unclear"),
)
NOT_MEASURED = "not measured"
SHOWN_TERMS = 5
"""Terms of a row, besides those in its name."""
MOST_MEMBERS = 60_000
"""Most records to list in all subcategories together, where they are named after records."""
MEMBERS_OPEN = 12
"""Fewest records of a subcategory to list."""
_LONGEST_TERM = 80


@dataclass(frozen=True)
class Column:
    """A column: its key in the page's address, its heading, and its width on wide and on medium screens."""

    key: str
    label: str
    about: str
    wide: str
    medium: str
    """Empty: only wide screens show it."""


@dataclass(frozen=True)
class Row:
    """One subcategory, with the rank of its category by size, from 1."""

    rank: int
    category: Category
    sub: Subcategory

    @property
    def key(self) -> str:
        """Return the key of the subcategory in the page's address, such as 3-5."""
        return f"{self.rank}-{self.sub.number}"

    @property
    def trend(self) -> Trend:
        """Return views and dates, without any where there are none."""
        return self.sub.trend or Trend()

    @property
    def above(self) -> str:
        """Return what it stands under: its nodes, or else its category."""
        return " › ".join(self.sub.levels) or self.category.name


def is_known(value: float | None) -> TypeGuard[float]:
    """Tell whether a figure was measured and is a number."""
    return value is not None and math.isfinite(value)


def band(silhouette: float | None) -> str:
    """Return plain words for a silhouette."""
    if not is_known(silhouette):
        return NOT_MEASURED
    return next(words for floor, words in SILHOUETTE_BANDS if silhouette >= floor)


def band_words() -> str:
    """Return the words for silhouettes with their bounds."""
    return ", ".join(f"from {floor:g} {words}" if floor > -1 else f"else {words}" for floor, words in SILHOUETTE_BANDS)


class Leveled(Protocol):
    """Say of a subcategory what an outline needs."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def size(self) -> int:
        """Return its number of videos."""

    @property
    def levels(self) -> tuple[str, ...]:
        """Return the names of the nodes that it is in, the broadest first."""


Sub = TypeVar("Sub", bound=Leveled)


class Line(NamedTuple, Generic[Sub]):
    """Hold a line of an outline: a subcategory, or the node that the deeper lines behind it are in."""

    path: tuple[str, ...]
    """Names of the nodes around it; of a node, its own name too."""
    size: int
    sub: Sub | None
    """None for a node."""
    below: int
    """Subcategories of a node."""


def outline(subs: Sequence[Sub]) -> Iterator[Line[Sub]]:
    """Yield the lines of one category's outline."""
    sizes, counts = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for sub in subs:
        for depth in range(1, len(sub.levels) + 1):
            sizes[sub.levels[:depth]] += sub.size
            counts[sub.levels[:depth]] += 1

    def place(sub: Sub) -> tuple[tuple[int, str], ...]:
        above = (sub.levels[: depth + 1] for depth in range(len(sub.levels)))
        return (*((-sizes[path], path[-1]) for path in above), (-sub.size, sub.name))

    before: tuple[str, ...] = ()
    for sub in sorted(subs, key=place):
        for depth in range(1, len(sub.levels) + 1):
            path = sub.levels[:depth]
            if before[:depth] != path:
                yield Line(path, sizes[path], None, counts[path])
        before = sub.levels
        yield Line(before, sub.size, sub, 0)


def rows_of(categories: Sequence[Category]) -> list[Row]:
    """Return the rows: by category and level where there are levels, else the largest first; categories by rank."""
    lines = [(rank, category, outline(category.subcategories)) for rank, category in enumerate(categories, 1)]
    found = [Row(rank, category, line.sub) for rank, category, inside in lines for line in inside if line.sub]
    return found if has_levels(found) else sorted(found, key=lambda row: (-row.sub.size, row.rank, row.sub.number))


def has_levels(rows: Sequence[Row]) -> bool:
    """Tell whether any subcategory is in a node below its category."""
    return any(row.sub.levels for row in rows)


def columns_of(report: Report, rows: Sequence[Row]) -> tuple[Column, ...]:
    """Return the columns that have something to show."""
    trends = [row.sub.trend for row in rows if row.sub.trend]
    return tuple(_columns(report, any(trend.viewed for trend in trends), any(trend.dated for trend in trends)))


def _columns(report: Report, viewed: bool, dated: bool) -> Iterator[Column]:
    (_, many), (group, _) = report.nouns.record, report.nouns.group
    yield Column("name", "Subcategory", "Named automatically", "minmax(12rem, 1.35fr)", "minmax(9rem, 1fr)")
    if len(report.categories) > 1:
        yield Column("group", group.capitalize(), "", "9.5rem", "7rem")
    yield Column("size", many.capitalize(), f"Number of {many}", "4.5rem", "4.25rem")
    if any(sub.coverage is not None for category in report.categories for sub in category.subcategories):
        yield Column("fits", "Name fits", f"Share of its {many} that have a term of the name", "4.5rem", "")
    if viewed:
        yield Column("views", "Views", f"Median of the views of its {many}", "4.25rem", "4rem")
    if dated:
        yield Column("date", "Date", f"Month in which the middle one of its {many} was published", "4.75rem", "4.75rem")
        about = f"{many.capitalize()} of the last {report.window} months against as many before; the line: each month"
        yield Column("growth", "Growth" if report.window else "By month", about, "8.25rem", "7.25rem")
    if report.clustered:
        yield Column("quality", "Clarity", "How well it is separated from the others", "6rem", "5.75rem")
    label = f"Frequent {many}" if report.members else "Further terms"
    yield Column("terms", label, "", "minmax(8rem, 1fr)", "")


def table_data(report: Report, rows: Sequence[Row]) -> str:
    """Return the rows and what they open to, as base64 of compressed JSON."""
    ranked = dict(sorted((row.rank, row.category) for row in {row.rank: row for row in rows}.values()))
    colours = colours_of([category.name for category in ranked.values()])
    groups = [
        {"name": shown(category.name), "size": category.size, **asdict(colour)}
        for category, colour in zip(ranked.values(), colours, strict=True)
    ]
    titles, levelled = _titles_on_map(report.drawing), has_levels(rows)
    listed = sum(len(row.sub.terms) for row in rows)
    room = len(rows) and (MOST_MEMBERS if listed <= MOST_MEMBERS else max(MEMBERS_OPEN, MOST_MEMBERS // len(rows)))
    data = {
        "nouns": report.nouns.record,
        "group": report.nouns.group[0],
        "kept": report.counts["kept"],
        "members": report.members,
        "nearest": "nearest to its centre" if report.clustered else "with the largest values",
        "span": report.span,
        "window": report.window,
        "shown_terms": SHOWN_TERMS,
        "groups": groups,
        "subs": [
            {
                **_packed_row(row, report, room),
                **({"above": shown(row.above)} if levelled else {}),
                "examples": _examples(row.sub, titles),
            }
            for row in rows
        ],
    }
    return packed_json(data)


def _titles_on_map(drawing: Drawing | None) -> dict[str, tuple[int, str]]:
    """Return point and title of each record that the map lists, by id."""
    videos = drawing.listed if drawing else Videos()
    return {key: (at, title) for at, (key, title) in enumerate(zip(videos.ids, videos.titles, strict=True))}


def _examples(sub: Subcategory, titles: Mapping[str, tuple[int, str]]) -> list[int | tuple[str, str]]:
    """Return the point of each exemplar that the map lists by the same title; else its title and its link."""
    found: list[int | tuple[str, str]] = []
    for key, title, link in zip_longest(sub.ids, sub.exemplars, sub.links, fillvalue=""):
        at, same = titles.get(key, (0, None))
        found.append(at if same == title else (shown(title, LONGEST_TITLE), link))
    return found


def _packed_row(row: Row, report: Report, room: int) -> dict[str, Any]:
    """Return one subcategory without the values that it lacks."""
    sub = row.sub
    found: dict[str, Any] = {
        "key": row.key,
        "name": shown(sub.name),
        "size": sub.size,
        "quality": round(sub.silhouette, 4) if is_known(sub.silhouette) else None,
        "distance": round(sub.mean_distance, 4) if is_known(sub.mean_distance) else None,
        "peripheral": sub.peripheral,
        "fits": round(sub.coverage, 4) if is_known(sub.coverage) else None,
        "clarity": band(sub.silhouette) if report.clustered else None,
        "terms": [[shown(term, _LONGEST_TERM), round(score, 2)] for term, score in _terms(sub, report, room)],
        "unlisted": _unlisted(sub, report, room),
        "images": list(sub.images) if any(sub.images) else None,
    }
    if sub.trend:
        trend = sub.trend
        found |= {"views": trend.median_views, "total": trend.total_views, "viewed": trend.viewed}
        found |= {"dated": trend.dated, "date": trend.median_month, "from": trend.first_month, "to": trend.last_month}
        found |= {"growth": trend.growth if trend.growth is None else round(trend.growth, 4)}
        found |= {"line": trend.line, "peak": trend.peak}
    return {key: value for key, value in found.items() if value is not None and value != ""}


def _terms(sub: Subcategory, report: Report, room: int) -> tuple[tuple[str, float], ...]:
    return sub.terms[:room] if report.members else sub.terms


def _unlisted(sub: Subcategory, report: Report, room: int) -> int:
    """Return how many records are not listed, where a subcategory is named after its records."""
    if not report.members:
        return 0
    every = len(sub.terms) < report.members and len(sub.terms) <= room
    return 0 if every else max(0, sub.size - len(sub.terms[:room]))
