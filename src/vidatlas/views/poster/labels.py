"""Labels of the poster: names of regions in sizes by weight, where they overlap neither one another nor the edge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vidatlas.types import BETWEEN
from vidatlas.views.poster.raster import Fonts, widths_of
from vidatlas.views.regions import Region
from vidatlas.views.text import shown

_SIZES = ((30, 28), (24, 8), (21, 0))
"""Font size of the smallest region of each level, and what the largest has more."""
_NUDGES = (
    (0, 0), (0, -0.7), (0, 0.7), (0, -1.4), (0, 1.4), (0, -1.8), (0, 1.8),
    (-0.3, 0), (0.3, 0), (-0.3, -1), (0.3, -1), (-0.3, 1), (0.3, 1),
)  # fmt: skip
"""Where a name may stand beside its region, in widths and heights of itself."""
_LONGEST = 30
_GAP = 10


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, other: Box) -> bool:
        """Tell whether it lies wholly in another."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )

    def meets(self, other: Box) -> bool:
        """Tell whether it overlaps another, or almost."""
        apart = (
            self.left >= other.right + _GAP
            or other.left >= self.right + _GAP
            or self.top >= other.bottom + _GAP / 4
            or other.top >= self.bottom + _GAP / 4
        )
        return not apart


@dataclass(frozen=True, slots=True)
class Label:
    """A name on the poster, centred at x, with its baseline at y."""

    text: str
    x: int
    y: int
    size: int
    group: str | None


Placed = tuple[Region, float, float]
"""A region, and its place in pixels."""


def drawable(name: str, fonts: Fonts) -> str:
    """Return those terms of a name that have a font, in few characters; "" if none has."""
    terms = [shown(term) for term in name.split(BETWEEN) if term and fonts.draws(term)]
    while len(terms) > 1 and len(BETWEEN.join(terms)) > _LONGEST:
        terms.pop()
    return shown(BETWEEN.join(terms), _LONGEST) if terms else ""


def labels_of(regions: Sequence[Placed], fonts: Fonts, frame: Box, most: int) -> Iterator[Label]:
    """Yield the names that fit within a frame, at most so many: coarse levels first, of each the largest."""
    named = [(drawable(region.name, fonts), region, x, y) for region, x, y in regions]
    named = sorted((one for one in named if one[0]), key=lambda one: (one[1].level, -one[1].size, one[0]))
    named = named[: 3 * most]
    largest = {
        level: max(one[1].size for one in named if one[1].level == level) for level in {one[1].level for one in named}
    }
    widths = widths_of(tuple(text for text, *_ in named), fonts)
    taken: list[Box] = []
    used = set[str]()
    for (text, region, x, y), width in zip(named, widths, strict=True):
        least, more = _SIZES[min(region.level, len(_SIZES) - 1)]
        size = round(least + more * math.sqrt(region.size / largest[region.level]))
        box = _free(x, y, width * size, size, (frame, taken))
        # Names that lost a term without a font may be the same now.
        if box is None or text in used:
            continue
        used.add(text)
        taken.append(box)
        yield Label(text, round((box.left + box.right) / 2), round(box.bottom - 0.3 * size), size, region.group)
        if len(taken) == most:
            return


def _free(x: float, y: float, width: float, size: float, where: tuple[Box, list[Box]]) -> Box | None:
    """Return where a name of this width and size may stand near a place; None if all is taken."""
    frame, taken = where
    height = 1.25 * size
    for right, down in _NUDGES:
        left, top = x + (right - 0.5) * width, y + (down - 0.5) * height
        # A name at the edge is moved inwards rather than left out.
        left = min(max(left, frame.left), frame.right - width)
        top = min(max(top, frame.top), frame.bottom - height)
        box = Box(left, top, left + width, top + height)
        if box.within(frame) and not any(box.meets(other) for other in taken):
            return box
    return None
