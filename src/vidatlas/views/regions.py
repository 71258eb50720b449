"""Regions and land of a map: named areas at several scales, and contours of the density of its points."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A dense area of the map with a name of its own."""

    level: int
    """0 for the coarsest scale."""
    name: str
    x: float
    y: float
    """Its centre: -1 to 1, y upwards, as in ``layout/``."""
    size: int
    """Videos in it."""
    group: str | None
    """The category of more than half of its videos, if there is one."""
    share: float
    """Share of its largest category, 0 to 1."""


Polygon = tuple[tuple[int, int], ...]
"""Corners of a closed polygon in the map's 16-bit steps, as ``quantised``; the last one joins the first."""
Level = tuple[Polygon, ...]
"""All outlines of one density, islands and lakes alike: fill them by the even-odd rule."""


@dataclass(frozen=True)
class Land:
    """Hold the areas of at least some densities, the lowest first."""

    levels: tuple[Level, ...]
