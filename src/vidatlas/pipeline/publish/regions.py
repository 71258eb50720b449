"""Regions of the map: dense areas of the layout at three scales, named by the terms of their own videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vidatlas.clustering import peaks
from vidatlas.naming.names import Map, Member, Name, NamingSpec, Siblings, choose_names, name_by_members
from vidatlas.naming.sample import Drawn
from vidatlas.pipeline.publish.map import SAMPLE, sample_rates, subcategory_rows
from vidatlas.pipeline.reduce.subcategories import drawn_of, text_columns, text_names, title_of
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import SealedShard, blocks_of, read_embeddings
from vidatlas.storage.tensors import Tensors
from vidatlas.types import BETWEEN, Floats, Mapper
from vidatlas.views.map_data import group_sizes
from vidatlas.views.regions import Land, Polygon, Region

LEAST = 10
"""Fewest videos, and fewest of the sample, of a region."""
TERMS = 2
"""Terms of a name."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Set how many regions a level may have: so many, and no more than the sample has rows for."""

    most: int
    rows: int
    """Sampled videos per region, on average."""
    read: int
    """Sampled videos of a region whose texts are read for its name."""


SCALES = (_Scale(24, 100, 150), _Scale(80, 60, 100), _Scale(240, 40, 40))
"""The levels of the map, the coarsest first."""
_SAME = 0.6
"""Share of the videos of two regions of different levels that they have in common, above which they are one."""
AT_HOME = 2 / 3
"""Share of a region that a category holds, and of a category that a region holds, above which it has its name."""
OUTSIDE = (0.01, 0.12, 0.35, 0.6, 0.85)
"""Share of the points outside of each level of the land."""
CORNERS, MOST_OUTLINES = 1_800, 100
"""Most corners of the land, and most outlines of a level."""
_SHORE = 0.09
"""Smoothing width of the land, in units of the map, of one point; it shrinks with the sixth root of their number."""
_SPECK = 4e-4
"""Smallest area of an outline, in square units of the map."""
_ROUGH = 0.0015
_NARROWEST = 0.015
"""Smoothing width, in units of the map, that the search for regions begins with."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """Hold the sample of the layout: one row per video."""

    cells: NDArray[np.int64]
    weights: Floats
    """Videos of the atlas that each row stands for."""
    groups: NDArray[np.int64]
    """Number of each row's category, the largest first."""
    order: list[str]
    """The categories."""
    keys: NDArray[np.float64]
    """Random keys, by which the rows to read are chosen."""


@dataclass(frozen=True, slots=True)
class _Area:
    """Hold one dense area of the map before it has a name."""

    level: int
    peak: int
    rows: NDArray[np.int64]
    size: int
    group: int
    """Number of its largest category."""
    share: float


def regions_of(recipe: Recipe, store: Store, shards: list[SealedShard], runner: Mapper) -> list[Region]:
    """Return the named regions of a laid-out atlas, level by level, the largest first.

    Memory is bounded by the sample of the layout and by the texts that are read for names, at most 21,200.
    """
    arrays = store.tensors(SAMPLE)
    sample = _sample(recipe, store, arrays)
    areas = _areas(sample)
    chosen = [area.rows[np.argsort(sample.keys[area.rows])[: SCALES[area.level].read]] for area in areas]
    wanted = np.unique(np.concatenate([np.empty(0, np.int64), *chosen]))
    by_shard = {shard: _picked(arrays[f"rows/{shard}"], wanted) for shard, _ in shards}
    texts: dict[int, tuple[Drawn, Member]] = {}
    for found in runner.map(partial(_read_block, store, recipe, by_shard), blocks_of(shards)):
        texts |= found
    names = _names(areas, [[texts[int(row)] for row in rows] for rows in chosen], recipe.reduce.naming, runner.map)
    return list(_named(areas, names, sample))


def put_labels(store: Store, regions: Iterable[Region]) -> Files:
    """Write ``layout/labels.parquet``: level, name, size, x, y, group and share of every region."""
    rows = [asdict(region) for region in regions]
    return store.put_table(layout.LABELS, pa.Table.from_pylist(rows, schema=_SCHEMA))


_SCHEMA = pa.schema(
    [
        ("level", pa.int8()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("group", pa.string()),
        ("share", pa.float64()),
    ]
)


def _sample(recipe: Recipe, store: Store, arrays: Tensors) -> _Sample:
    table = subcategory_rows(store)
    order, codes = list(group_sizes(table)), arrays["codes"]
    number = {group: at for at, group in enumerate(order)}
    return _Sample(
        peaks.cells_of(arrays["positions"]),
        1 / sample_rates(table, recipe)[codes],
        np.array([number[row["group"]] for row in table], np.int64)[codes],
        order,
        np.random.default_rng([recipe.publish.layout.seed, 2]).random(len(codes)),
    )


def _areas(sample: _Sample) -> list[_Area]:
    """Return the dense areas of all levels, the largest of a level first; none that a coarser level already has."""
    found: list[_Area] = []
    ends = peaks.ascents(sample.cells, sample.weights)
    for level, scale in enumerate(SCALES):
        most = max(1, min(scale.most, len(sample.cells) // scale.rows))
        at = peaks.peaks(ends, sample.weights, most, LEAST, _NARROWEST)
        rows = np.argsort(at, kind="stable")[np.count_nonzero(at < 0) :]
        first = np.flatnonzero(np.diff(at[rows], prepend=-1))
        pieces = np.split(rows, first[1:]) if len(rows) else []
        areas = [_area(level, int(at[inside[0]]), inside, sample) for inside in pieces if len(inside) >= LEAST]
        coarser = list(found)
        new = (area for area in areas if not any(_same(area, other) for other in coarser))
        found += sorted(new, key=lambda area: (-area.size, area.peak))
    return found


def _area(level: int, peak: int, rows: NDArray[np.int64], sample: _Sample) -> _Area:
    sizes = np.bincount(sample.groups[rows], sample.weights[rows])
    group = int(sizes.argmax())
    return _Area(level, peak, rows, round(float(sizes.sum())), group, float(sizes[group] / sizes.sum()))


def _same(area: _Area, other: _Area) -> bool:
    together = len(np.intersect1d(area.rows, other.rows, assume_unique=True))
    return together > _SAME * (len(area.rows) + len(other.rows) - together)


def _picked(inside: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of a shard, and below their numbers in the sample, of those that are wanted [2, k]."""
    return np.asarray(inside[:, np.isin(inside[1], wanted, assume_unique=True)], np.int64)


def _read_block(
    store: Store, recipe: Recipe, wanted: Mapping[str, NDArray[np.int64]], block: list[SealedShard]
) -> dict[int, tuple[Drawn, Member]]:
    """Return the texts of wanted rows by their number in the sample; a shard without any stays closed."""
    record, texts = recipe.record, {}
    for shard, facts in block:
        rows, numbers = wanted[shard]
        if not len(rows):
            continue
        columns = text_columns(read_embeddings(store, shard, facts, text_names(record)), record)
        counted = columns.get("count") or [1] * len(columns["id"])
        for row, number, drawn in zip(rows, numbers, drawn_of(columns, record, rows), strict=True):
            texts[int(number)] = drawn, (-counted[row], title_of(columns[record.title][row]))
    return texts


def _names(areas: list[_Area], read: list[list[tuple[Drawn, Member]]], spec: NamingSpec, each: Map) -> list[Name]:
    """Return a name for each area: its terms are those that set it apart from the others of its level."""
    levels: dict[str, dict[int, int]] = {}
    for at, area in enumerate(areas):
        levels.setdefault(str(area.level), {})[at] = area.size
    if spec.by == "members":
        members = {at: [member for _, member in inside] for at, inside in enumerate(read)}
        named = name_by_members(members, spec)
    else:
        samples: dict[str, Siblings] = {
            level: {at: ([drawn for drawn, _ in read[at]], size) for at, size in inside.items()}
            for level, inside in levels.items()
        }
        named = {at: name for names in choose_names(samples, spec, each).values() for at, name in names.items()}
    return [named[at] for at in range(len(areas))]


def _named(areas: list[_Area], names: list[Name], sample: _Sample) -> Iterator[Region]:
    """Yield the areas with names; one that has nothing to be told from the others by has no label."""
    totals = np.bincount(sample.groups, sample.weights, len(sample.order))
    used: set[str] = set()
    for area, name in zip(areas, names, strict=True):
        group = sample.order[area.group] if area.share > 0.5 and len(sample.order) > 1 else None
        texts = _texts(name)
        # Where a category is at home, its name says the most.
        if group and area.level == 0 and min(area.share, area.share * area.size / totals[area.group]) > AT_HOME:
            texts = [group, *texts]
        text = next((text for text in texts if text.casefold() not in used), None)
        if text:
            used.add(text.casefold())
            yield Region(area.level, text, *peaks.centre_of(area.peak), area.size, group, area.share)


def _texts(name: Name) -> list[str]:
    """Return what a region may be called: pairs of its terms, the best first."""
    terms = range(len(name.terms))
    pairs = sorted(combinations(terms, min(TERMS, len(terms))), key=lambda pair: (sum(pair), pair))
    return [BETWEEN.join(name.terms[at] for at in pair) for pair in pairs if pair]


def land_of(places: NDArray[np.uint16]) -> Land:
    """Return the land of a map: the outlines of five densities of its points, in at most 1,800 corners.

    Corners may lie a little outside of 0 to 65535, since a point at the edge of the map has a shore.

    Args:
        places: [n, 2], as ``quantised``.
    """
    from contourpy import contour_generator

    if not len(places):
        return Land(())
    cells = peaks.cells_of(places.astype(np.float32) / 32767.5 - 1)
    grid = peaks.smoothed(peaks.counted(cells), min(max(_SHORE * len(places) ** (-1 / 6), 0.01), 0.03))
    at = np.asarray(np.quantile(grid.reshape(-1)[cells], OUTSIDE), np.float64)
    axis = (np.arange(peaks.CELLS) + 0.5) * (2 * peaks.REACH / peaks.CELLS) - peaks.REACH
    contours = contour_generator(axis, axis, grid)
    outlines = [[np.asarray(line, np.float64) for line in contours.lines(value)] for value in np.unique(at)]
    levels = [_largest(level) for level in outlines]
    tolerance = _ROUGH
    while True:
        levels = [[_simplified(line, tolerance) for line in level] for level in levels]
        if sum(len(line) - 1 for level in levels for line in level) <= CORNERS:
            return Land(tuple(tuple(_polygon(line) for line in level) for level in levels))
        tolerance *= 1.3


def _largest(lines: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return the outlines of a level that are worth drawing: few enough to be simplified to so many corners."""
    sizes = [_area_of(line) for line in lines]
    largest = sorted(range(len(lines)), key=lambda at: -sizes[at])[:MOST_OUTLINES]
    return [lines[at] for at in sorted(largest) if sizes[at] > _SPECK]


def _area_of(line: NDArray[np.float64]) -> float:
    x, y = line[:-1].T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def _polygon(line: NDArray[np.float64]) -> Polygon:
    """Return a closed line in the map's steps, without its last corner, which is its first."""
    return tuple((int(x), int(y)) for x, y in np.round((line[:-1] + 1) * 32767.5))


def _simplified(line: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return the corners of a closed line that the others are near to (Douglas and Peucker, 1973)."""
    kept = np.zeros(len(line), bool)
    # The line is closed: it is halved where it is farthest from its beginning.
    middle = int(np.hypot(*(line - line[0]).T).argmax())
    kept[[0, middle, -1]] = True
    left = [(0, middle), (middle, len(line) - 1)]
    while left:
        first, last = left.pop()
        if last - first < 2:
            continue
        along, away = line[last] - line[first], line[first + 1 : last] - line[first]
        distance = np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / max(float(np.hypot(*along)), 1e-12)
        if distance.max() > tolerance:
            at = first + 1 + int(distance.argmax())
            kept[at] = True
            left += [(first, at), (at, last)]
    return line[kept]
