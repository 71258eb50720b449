"""Colours of categories: one per name, the same in every atlas, for light and for dark grounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour as it is drawn on a light and on a dark ground, each as ``#rrggbb``."""

    light: str
    dark: str


# Searched for: as near to eight plain hues as may be, with a contrast of 3:1 on their ground, and no two of them nearer
# than a colour difference of 13 for anyone, colour-blind or not (tests/views/test_colours.py measures it).
BLUE, ORANGE, GREEN, PINK, GOLD, VIOLET, RED, AQUA = PALETTE = tuple(
    Colour(*pair)
    for pair in (
        ("#1860d3", "#5e85b0"), ("#a24900", "#fe7908"), ("#0b7e4c", "#39c26a"), ("#e61a80", "#ff95c0"),
        ("#aa810d", "#f2e14b"), ("#1c1cc0", "#b08cfe"), ("#75150f", "#cf3e2e"), ("#2f95c0", "#5febef"),
    )
)  # fmt: skip
GREY = Colour("#767b80", "#8d9499")
"""Of the categories behind the eight largest, and of missing values."""
RAMP = (
    Colour("#b07a10", "#6a5fd8"),
    Colour("#2c7c58", "#2f93c4"),
    Colour("#1d5a86", "#37c48d"),
    Colour("#2a1a6e", "#f4e64a"),
)
"""Of numbers and dates, from low to high: ever farther from the ground."""
_OWN = {
    "Music": PINK,
    "Entertainment": ORANGE,
    "Gaming": GREEN,
    "People & Blogs": BLUE,
    "Education": AQUA,
    "Howto & Style": VIOLET,
    "News & Politics": RED,
    "Sports": GOLD,
}
"""The eight most common categories of YouTube: their colours are theirs wherever they are among the eight largest."""
_WANTED = {
    "Film & Animation": VIOLET,
    "Science & Technology": AQUA,
    "Comedy": GOLD,
    "Autos & Vehicles": RED,
    "Travel & Events": ORANGE,
    "Pets & Animals": GREEN,
    "Nonprofits & Activism": BLUE,
}


def colours_of(groups: Sequence[str]) -> list[Colour]:
    """Return the colour of each category, given largest first: its name decides, as far as colours are free."""
    first = groups[: len(PALETTE)]
    free = [colour for colour in PALETTE if colour not in {_OWN.get(group) for group in first}]
    found = []
    for group in first:
        colour = _OWN.get(group)
        if colour is None:
            wanted = _WANTED.get(group, PALETTE[crc32(group.encode(errors="replace")) % len(PALETTE)])
            colour = free.pop(free.index(wanted) if wanted in free else 0)
        found.append(colour)
    return found + [GREY] * (len(groups) - len(found))
