"""The poster: land, points and names of the map, with a title and the categories, as one SVG document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from vidatlas.views.colours import GREY, Colour, colours_of
from vidatlas.views.poster.labels import Box, labels_of
from vidatlas.views.poster.raster import Fonts, fonts_for, widths_of
from vidatlas.views.regions import Land, Level, Region
from vidatlas.views.text import environment, shown

WIDTH, HEIGHT = 2400, 1350
_PANEL = Box(72, 72, 560, HEIGHT - 64)
_FRAME = Box(616, 40, WIDTH - 40, HEIGHT - 40)
_STRETCH = 1.4
"""Most that one axis of the map is drawn longer than the other, to fill the frame."""
_LEGEND = 8
"""Categories that are listed, each with a colour of its own."""
_LAYERS = 12
"""Most times that each category's points are drawn, a part at a time, so that none lies over all others."""


@dataclass(frozen=True)
class Theme:
    """Hold the colours of the poster on a light or on a dark ground, each as ``#rrggbb``."""

    name: str
    ground: str
    ink: str
    soft: str
    land: tuple[str, ...]
    """Of the levels of the land, the lowest first."""


DARK = Theme("dark", "#0d1214", "#f2efe8", "#a2a8a9", ("#162127", "#1d2c34", "#263b45", "#304b57", "#3c5e6c"))
LIGHT = Theme("light", "#fbfaf6", "#1c2023", "#5c6265", ("#edf0ec", "#e0e7e4", "#d1dcda", "#bfcecd", "#abbfc0"))


@dataclass(frozen=True)
class Poster:
    """Hold what the poster of an atlas shows."""

    title: str
    counts: tuple[str, ...]
    """Lines below the title."""
    groups: tuple[tuple[str, int], ...]
    """Categories and their records, the largest first."""
    group_nouns: tuple[str, str]
    credit: tuple[str, ...]
    regions: tuple[Region, ...]
    land: Land
    places: NDArray[np.uint16]
    """Of points [n, 2], as ``quantised``, in an order of which any beginning is a fair sample."""
    members: NDArray[np.int64]
    """Of points [n]: the number of each one's category."""

    @cached_property
    def fonts(self) -> Fonts:
        """What can be drawn of its texts."""
        return fonts_for(self.texts())

    def texts(self) -> Iterator[str]:
        """Yield all texts that are drawn."""
        yield from (self.title, *self.counts, *self.credit, *self.group_nouns)
        yield from (name for name, _ in self.groups[:_LEGEND])
        yield from (region.name for region in self.regions)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the panel's text."""

    text: str
    y: int
    size: int
    style: str
    dot: int | None = None
    """Number of the colour of the dot before it."""
    note: str = ""
    """What stands behind it, less conspicuous."""


def poster_svg(poster: Poster, themes: Sequence[Theme], points: int = 20_000, names: int = 64, coarse: int = 1) -> str:
    """Return the poster as SVG, 2400 × 1350, in the first theme, and in the second for a viewer who prefers it.

    At most so many points and names of regions are drawn, and of the land one corner in ``coarse``.
    """
    colours = [*dict.fromkeys(colours_of([name for name, _ in poster.groups])), GREY]
    number = _numbers(poster, colours)
    view = _View(poster)
    placed = [(region, *view.at(region.x, region.y)) for region in poster.regions]
    labels = list(labels_of(placed, poster.fonts, _FRAME, names))
    group_at = {name: at for at, (name, _) in enumerate(poster.groups)}
    templates = environment(Path(__file__).parents[1] / "templates")
    return templates.get_template("poster.svg.jinja").render(
        width=WIDTH,
        height=HEIGHT,
        frame=_FRAME,
        title=shown(poster.title),
        about=", ".join(poster.counts),
        themes=[(theme, [_drawn(colour, theme) for colour in colours]) for theme in themes],
        land=[view.outline(level, coarse) for level in poster.land.levels],
        dot=_dot_size(min(points, len(poster.places))),
        layers=list(view.dots(points, number[poster.members])),
        labels=[(label, len(colours) if label.group is None else number[group_at[label.group]]) for label in labels],
        panel=_PANEL,
        lines=list(_panel(poster, number, poster.fonts)),
    )  # fmt: skip


def data_uri(poster: Poster) -> str:
    """Return the poster with few points, names and corners as a ``data:`` URI to stand in a page: about 20 kB."""
    svg = poster_svg(poster, (LIGHT, DARK), 300, 24, 4)
    return "data:image/svg+xml," + quote(svg, safe=" !$&'()*+,-./:;=?@[]_~")


def _numbers(poster: Poster, colours: Sequence[Colour]) -> NDArray[np.int64]:
    """Return the number of each category's colour."""
    return np.array([colours.index(colour) for colour in colours_of([name for name, _ in poster.groups])], np.int64)


def _drawn(colour: Colour, theme: Theme) -> tuple[str, str]:
    """Return how points and how names of a colour are drawn in a theme."""
    own, share = (colour.dark, 0.45) if theme.name == "dark" else (colour.light, 0.25)
    return own, _mixed(own, theme.ink, share)


def _mixed(first: str, second: str, share: float) -> str:
    """Return a colour between two, with this share of the second."""
    parts = zip(bytes.fromhex(first[1:]), bytes.fromhex(second[1:]), strict=True)
    return "#" + bytes(round(one * (1 - share) + other * share) for one, other in parts).hex()


def _dot_size(points: int) -> float:
    return float(min(max(round(9 * (3_000 / max(points, 1)) ** 0.3, 1), 4.0), 11.0))


class _View:
    """Map positions to pixels, so that land and nearly all points fill the frame."""

    def __init__(self, poster: Poster) -> None:
        corners = [corner for level in poster.land.levels[:1] for polygon in level for corner in polygon]
        known = np.array(corners or [(0, 0), (65535, 65535)], np.float64)
        if len(poster.places):
            known = np.concatenate([known, np.quantile(poster.places, (0.001, 0.999), axis=0)]) if corners else known
        low, high = known.min(axis=0), known.max(axis=0)
        size = np.array([_FRAME.right - _FRAME.left, _FRAME.bottom - _FRAME.top])
        scale = size / np.maximum(high - low, 1)
        self._scale = np.minimum(scale, scale.min() * _STRETCH) * (1, -1)
        self._from = (low + high) / 2
        self._to = np.array([_FRAME.left, _FRAME.top]) + size / 2
        self._places = poster.places

    def pixels(self, steps: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return pixels [n, 2] of positions in steps [n, 2]."""
        return np.asarray(np.round((steps - self._from) * self._scale + self._to), np.int64)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a position within -1 to 1."""
        right, down = self.pixels((np.array([[x, y]]) + 1) * 32767.5)[0].tolist()
        return right, down

    def outline(self, level: Level, coarse: int) -> str:
        """Return the polygons of a level of the land as an SVG path: curves from middle to middle of their sides."""
        thinned = (polygon[::coarse] for polygon in level if len(polygon) > 2 * coarse)
        return "".join(_curve(self.pixels(np.array(polygon, np.float64))) for polygon in thinned)

    def dots(self, most: int, colours: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
        """Yield points as SVG paths of lines without length, with the number of their colour."""
        pixels = self.pixels(self._places[:most].astype(np.float64))
        inside = (pixels[:, 0] > _FRAME.left - 30) & (pixels[:, 1] > 0)
        pixels, colours = pixels[inside], colours[:most][inside]
        layers = min(_LAYERS, 1 + len(pixels) // 1000)
        for first in range(layers):
            some, theirs = pixels[first::layers], colours[first::layers]
            for colour in np.unique(theirs).tolist():
                yield colour, "".join(f"M{x} {y}h0" for x, y in some[theirs == colour].tolist())


def _curve(corners: NDArray[np.int64]) -> str:
    """Return a smooth closed outline, in steps from one middle to the next."""
    middles = (corners + np.roll(corners, -1, axis=0)) // 2
    before = np.roll(middles, 1, axis=0)
    bends = np.concatenate([corners - before, middles - before], axis=1).tolist()
    x, y = before[0].tolist()
    return f"M{x} {y}q" + " ".join(f"{a} {b} {c} {d}" for a, b, c, d in bends) + "z"


def _panel(poster: Poster, number: NDArray[np.int64], fonts: Fonts) -> Iterator[Line]:
    """Yield the lines at the left: title, counts, categories, credit."""
    title, size = _wrapped(_readable(poster.title, fonts), fonts)
    y = _PANEL.top
    for text in title:
        y += round(1.12 * size)
        yield Line(text, round(y), size, "title")
    y += 22
    for text in poster.counts:
        y += 48
        yield Line(text, round(y), 34, "counts")
    listed = [(name, size, int(number[at])) for at, (name, size) in enumerate(poster.groups)][:_LEGEND]
    rest = len(poster.groups) - len(listed)
    if len(poster.groups) > 1:
        step = min(56, (_PANEL.bottom - 140 - y) / (len(listed) + 1))
        y += 34
        for name, count, colour in listed:
            y += step
            yield Line(shown(_readable(name, fonts), 24), round(y), 30, "group", colour, f"{count:,}")
        if rest > 0:
            y += step
            yield Line(f"{rest:,} more {poster.group_nouns[rest != 1]}", round(y), 30, "group", int(number[-1]))
    for at, text in enumerate(reversed(poster.credit)):
        yield Line(text, round(_PANEL.bottom - 34 * at), 24, "credit")


def _readable(text: str, fonts: Fonts) -> str:
    """Return a text without the characters that have no font."""
    return shown("".join(sign for sign in text if sign not in fonts.missing))


def _wrapped(title: str, fonts: Fonts) -> tuple[list[str], int]:
    """Return the lines of a title and their font size: at most four, as large as the panel allows."""
    words = shown(title, 90).split(" ")
    widths = widths_of((*words, "n n", "nn"), fonts)
    space = widths[-2] - widths[-1]
    for size in (92, 84, 76, 68, 60, 52, 46, 40, 34):
        lines, room = [[words[0]]], widths[0]
        for word, width in zip(words[1:], widths[1:], strict=False):
            if (room + space + width) * size <= _PANEL.right - _PANEL.left:
                lines[-1].append(word)
                room += space + width
            else:
                lines.append([word])
                room = width
        if len(lines) <= 4 and max(widths[: len(words)]) * size <= _PANEL.right - _PANEL.left:
            break
    return [" ".join(line) for line in lines[:4]], size
