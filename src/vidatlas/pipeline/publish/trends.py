"""Trends of subcategories: views and dates of their videos, counted shard by shard into ``trends.parquet``.

A median of views is exact below 100 and else within 0.5 %: views are counted in bins that are 1 % wide. Videos without
a date or views are counted, and left out of what needs one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.pipeline.embed.rows import titles_of
from vidatlas.pipeline.publish.map import HOME, codes_of, order_of, subcategory_rows
from vidatlas.pipeline.reduce.assignments import read_assignments
from vidatlas.recipe import Recipe
from vidatlas.sources.values.scripts import count_scripts
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import SealedShard, blocks_of, read_embeddings
from vidatlas.types import Mapper
from vidatlas.views.page import Trend

Ints = NDArray[np.int64]
DATES, VIEWS = "published", "views"
"""The typed columns that are read, where the recipe has them."""
LINE = 60
"""Most months of a line."""
LEAST_MONTHS = 3
"""Fewest months to compare with as many before."""
LEAST_BEFORE = 10
"""Fewest videos in the earlier months for a growth: of fewer, it says nothing."""
_EARLY, _RARE = 0.15, 0.001
"""Share of the videos that lies before the first month of a line, and a share that its last month exceeds: old videos
are few, and dates in the future are wrong. Where no month exceeds it, the last lies before that share of the videos."""
_RATIO = np.log(1.01)
_PLACES = 1 << 20
"""Bins and months of one subcategory in a key; months since 1970 are shifted by half of it."""
_UNDATED = -(_PLACES >> 1)
_KEPT = 1 << 21
"""Keys to collect before they are summed."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Sums:
    """Sum videos and views by key: a bounded table, however many rows are added."""

    keys: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    totals: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    _pending: list[tuple[Ints, NDArray[np.float64]]] = field(default_factory=list)

    def add(self, keys: Ints, values: NDArray[np.float64]) -> None:
        """Add videos and views [n, 2] to the sums of keys [n]."""
        self._pending.append((keys, values))
        if sum(len(found) for found, _ in self._pending) > max(_KEPT, len(self.keys)):
            self.settle()

    def settle(self) -> Sums:
        """Sum what was added; keys are ascending and distinct afterwards."""
        keys = np.concatenate([self.keys, *(found for found, _ in self._pending)])
        values = np.concatenate([self.totals, *(found for _, found in self._pending)])
        self.keys, at = np.unique(keys, return_inverse=True)
        sums = [np.bincount(at, column, len(self.keys)) for column in values.T]
        self.totals, self._pending = np.stack(sums, axis=1), []
        return self

    def of(self, code: int) -> tuple[Ints, NDArray[np.float64]]:
        """Return the places of a subcategory, ascending, and their sums; after ``settle``."""
        low, high = np.searchsorted(self.keys, [code * _PLACES, (code + 1) * _PLACES])
        return self.keys[low:high] - code * _PLACES, self.totals[low:high]


@dataclass(frozen=True)
class Trends:
    """Hold the trends of an atlas.

    Attributes:
        files: ``trends.parquet``, where videos have dates.
        of: the trend of each (group, subcategory); empty where videos have neither dates nor views.
        scripts: number of titles by script.
        span: first and last month of the lines, such as 2019-01.
        window: months that a growth compares with as many before; 0 where the span is too short.
        years: number of dated videos by year.
    """

    files: Files
    of: dict[tuple[str, int], Trend]
    scripts: Counter[str]
    span: tuple[str, str] | None = None
    window: int = 0
    years: Counter[int] = field(default_factory=Counter)


def make_trends(recipe: Recipe, store: Store, shards: list[SealedShard], runner: Mapper) -> Trends:
    """Count views and dates of every subcategory; write them by month where there are dates."""
    views, months, scripts = Sums(), Sums(), Counter[str]()
    for by_bin, by_month, inside in runner.map(partial(_count_block, store, recipe), blocks_of(shards)):
        views.add(by_bin.keys, by_bin.totals)
        months.add(by_month.keys, by_month.totals)
        scripts.update(inside)
    # A column may be there and empty in every row.
    viewed, dated = len(views.settle().keys) > 0, bool((months.settle().keys % _PLACES != 0).any())
    if not (viewed or dated):
        return Trends({}, {}, scripts)
    rows, span = subcategory_rows(store), _span(months) if dated else None
    of = {(row["group"], row["subcategory"]): _trend(views, months, code, span) for code, row in enumerate(rows)}
    files = store.put_table(layout.TRENDS, _table(months, rows, viewed)) if dated else {}
    named = (_name(span[0]), _name(span[1])) if span else None
    return Trends(files, of, scripts, named, _window(span) if span else 0, _years(months))


def _count_block(store: Store, recipe: Recipe, block: list[SealedShard]) -> tuple[Sums, Sums, Counter[str]]:
    """Count the rows of some shards: by bin of views videos and views, by month the same, and titles by script."""
    order, reduced, title = order_of(subcategory_rows(store)), store.stage("reduce"), recipe.record.title
    kinds = store.stage("plan").get("columns", {})
    dates = DATES if kinds.get(DATES) in ("date", "time") else None
    views = VIEWS if kinds.get(VIEWS) in ("integer", "number") else None
    by_bin, by_month, scripts = Sums(), Sums(), Counter[str]()
    for shard, facts in block:
        names = list(dict.fromkeys(filter(None, (title, dates, views))))
        table = read_embeddings(store, shard, facts, names)
        codes = codes_of(read_assignments(store, shard, reduced, HOME), order)
        seen = _views(table[views]) if views else np.full(len(codes), np.nan)
        if views:
            known = ~np.isnan(seen)
            bins = np.round(np.log1p(seen[known]) / _RATIO).astype(np.int64)
            by_bin.add(codes[known] * _PLACES + bins, np.stack([np.ones(len(bins)), seen[known]], axis=1))
        if dates:
            months = _months(table[dates]) - _UNDATED
            by_month.add(codes * _PLACES + months, np.stack([np.ones(len(codes)), np.nan_to_num(seen)], axis=1))
        scripts.update(count_scripts(titles_of(table, title, np.arange(len(codes)))))
    return by_bin.settle(), by_month.settle(), scripts


def _views(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return views, NaN where there are none; a negative number is none."""
    found = np.asarray(pc.cast(column, pa.float64(), safe=False).fill_null(float("nan")).to_numpy(), np.float64)
    return np.where(found >= 0, found, np.nan)


def _months(column: pa.ChunkedArray) -> Ints:
    """Return months since 1970, ``_UNDATED`` where there is no date."""
    found = pc.cast(column, pa.timestamp("ms")).to_numpy()
    return np.where(np.isnat(found), _UNDATED, found.astype("datetime64[M]").astype(np.int64))


def _span(months: Sums) -> tuple[int, int]:
    """Return first and last month of the lines: the latest with most of the videos, five years at most."""
    at = months.keys % _PLACES + _UNDATED
    dated = at != _UNDATED
    found, places = np.unique(at[dated], return_inverse=True)
    videos = np.bincount(places, months.totals[dated, 0])
    often, upto = found[videos > _RARE * videos.sum()], np.cumsum(videos)
    first, last = (int(found[np.searchsorted(upto, share * videos.sum())]) for share in (_EARLY, 1 - _RARE))
    last = max(first, int(often[-1])) if len(often) else last
    return max(first, last - LINE + 1), last


def _trend(views: Sums, by_month: Sums, code: int, span: tuple[int, int] | None) -> Trend:
    """Return the trend of one subcategory."""
    bins, seen = views.of(code)
    places, sums = by_month.of(code)
    months, videos = (places + _UNDATED)[places > 0], sums[places > 0, 0]
    line = _line(months, videos, span) if span else np.empty(0)
    middle = _median(months, videos)
    return Trend(
        median_views=round(np.expm1(_median(bins, seen[:, 0]) * _RATIO)) if len(bins) else None,
        total_views=int(seen[:, 1].sum()) if len(bins) else None,
        viewed=int(seen[:, 0].sum()),
        dated=int(videos.sum()),
        median_month=_name(middle) if len(months) else None,
        first_month=_name(int(months[0])) if len(months) else None,
        last_month=_name(int(months[-1])) if len(months) else None,
        growth=_growth(months, videos, span) if span else None,
        line="".join(_DIGITS[round(35 * share)] for share in line / max(line.max(), 1)) if len(line) else "",
        peak=int(line.max()) if len(line) else 0,
    )


def _years(months: Sums) -> Counter[int]:
    at = months.keys % _PLACES + _UNDATED
    years = Counter[int]()
    for month, videos in zip(at.tolist(), months.totals[:, 0].tolist(), strict=True):
        if month != _UNDATED:
            years[1970 + month // 12] += int(videos)
    return years


def _median(values: Ints, counts: NDArray[np.float64]) -> int:
    """Return the median of values that occur so often, the lower of two; 0 of none."""
    if not len(values):
        return 0
    return int(values[np.searchsorted(np.cumsum(counts), (counts.sum() + 1) // 2)])


def _line(months: Ints, videos: NDArray[np.float64], span: tuple[int, int]) -> NDArray[np.float64]:
    """Return the videos of each month of the span."""
    inside = (months >= span[0]) & (months <= span[1])
    counts = np.bincount(months[inside] - span[0], videos[inside], span[1] - span[0] + 1)
    return np.asarray(counts, np.float64)


def _window(span: tuple[int, int]) -> int:
    """Return how many months are compared with as many before: a year, or half of a shorter span; 0 of too short."""
    half = (span[1] - span[0] + 1) // 2
    return min(12, half) if half >= LEAST_MONTHS else 0


def _growth(months: Ints, videos: NDArray[np.float64], span: tuple[int, int]) -> float | None:
    """Return how many more videos the last months have than as many before, as a share of these."""
    age, window = span[1] - months, _window(span)
    before = float(videos[(age >= window) & (age < 2 * window)].sum())
    return float(videos[(age >= 0) & (age < window)].sum()) / before - 1 if before >= LEAST_BEFORE else None


def _name(month: int) -> str:
    return f"{1970 + month // 12:04d}-{month % 12 + 1:02d}"


_SCHEMA = pa.schema(
    [
        ("group", pa.string()),
        ("subcategory", pa.int32()),
        ("month", pa.date32()),  # its first day; null: videos without a date
        ("videos", pa.int64()),
        ("views", pa.int64()),  # null where the input has none
    ]
)


def _table(months: Sums, rows: list[dict[str, Any]], viewed: bool) -> pa.Table:
    """Return videos and views of every subcategory by month, those without a date last."""
    return pa.Table.from_pylist(list(_rows(months, rows, viewed)), schema=_SCHEMA)


def _rows(months: Sums, rows: list[dict[str, Any]], viewed: bool) -> Iterator[dict[str, Any]]:
    for code, row in enumerate(rows):
        places, sums = months.of(code)
        found = zip(places.tolist(), sums.tolist(), strict=True)
        # Place 0 is that of no date.
        for place, (videos, views) in sorted(found, key=lambda at: at[0] or _PLACES):
            month = np.datetime64(place + _UNDATED, "M").astype("datetime64[D]").item() if place else None
            yield {
                "group": row["group"],
                "subcategory": row["subcategory"],
                "month": month,
                "videos": int(videos),
                "views": int(min(views, 2.0**62)) if viewed else None,
            }
