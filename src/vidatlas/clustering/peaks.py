"""Density peaks of points in a plane: a smoothed grid, and the basin of each of its peaks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vidatlas.types import Floats

CELLS = 256
"""Cells of a grid per side."""
REACH = 1.1
"""A grid covers -1.1 to 1.1, so that what stands at the edge of the square from -1 to 1 has a shore."""
_STEP = 2 * REACH / CELLS
_FINER = 1.15
"""Factor between the smoothing widths to try."""

Grid = NDArray[np.float64]
"""[CELLS, CELLS], by y and x."""
Ascents = Callable[[float], NDArray[np.int64]]
"""From a smoothing width to the flat number of each point's peak [n]."""


def cells_of(places: Floats) -> NDArray[np.int64]:
    """Return the flat number of each position's cell [n]; positions [n, 2] are within -1 to 1."""
    at = ((places.astype(np.float64) + REACH) / _STEP).astype(np.int64).clip(0, CELLS - 1)
    return np.asarray(at[:, 1] * CELLS + at[:, 0], np.int64)


def counted(cells: NDArray[np.int64], weights: Floats | None = None) -> Grid:
    """Return the number of points, or the sum of their weights, in each cell."""
    return np.bincount(cells, weights, CELLS * CELLS).astype(np.float64).reshape(CELLS, CELLS)


def smoothed(grid: Grid, width: float) -> Grid:
    """Return a grid under a Gaussian filter whose standard deviation is ``width``, in units of the map."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(grid, width / _STEP, mode="constant"), np.float64)


def centre_of(cell: int) -> tuple[float, float]:
    """Return x and y of the centre of a cell."""
    row, column = divmod(cell, CELLS)
    return (column + 0.5) * _STEP - REACH, (row + 0.5) * _STEP - REACH


def basins(density: Grid) -> NDArray[np.int64]:
    """Return, for each cell, where the steepest ascent from it ends: cells by their flat numbers [CELLS * CELLS]."""
    size = len(density)
    padded = np.pad(density, 1, constant_values=-1.0)
    numbers = np.pad(np.arange(size * size).reshape(size, size), 1, constant_values=-1)
    best, to = np.full((size, size), -1.0), np.full((size, size), -1)
    # In ascending order of cells: of equal neighbours the last one is taken, so no ascent runs in a circle.
    for down in range(3):
        for right in range(3):
            there = (slice(down, down + size), slice(right, right + size))
            higher = padded[there] >= best
            best[higher], to[higher] = padded[there][higher], numbers[there][higher]
    ends: NDArray[np.int64] = to.reshape(-1)
    while not np.array_equal(further := ends[ends], ends):
        ends = further
    return ends


def ascents(cells: NDArray[np.int64], weights: Floats) -> Ascents:
    """Return a function that finds, and remembers, the peaks of points [n] by their cells under a smoothing width."""
    grid = counted(cells, weights)
    return cache(lambda width: basins(smoothed(grid, width))[cells])


def peaks(ends: Ascents, weights: Floats, most: int, least: float, narrowest: float) -> NDArray[np.int64]:
    """Return the peak of each point, as the flat number of its cell, at the finest scale with at most ``most`` of them.

    Args:
        ends: as ``ascents``.
        weights: of the points [n].
        most: peaks at most; a peak counts if its basin has enough.
        least: the sum of weights that is enough.
        narrowest: smoothing width to begin with.

    Returns:
        [n]; -1 for points in basins without enough.
    """
    width = narrowest
    while True:
        found = ends(width)
        inside = np.bincount(found, weights, CELLS * CELLS) >= least
        if inside.sum() <= most or width > REACH:
            return np.where(inside[found], found, -1)
        width *= _FINER
