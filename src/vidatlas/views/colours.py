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


PALETTE = tuple(
    Colour(*pair)
    for pair in (
        ("#0f5f9c", "#56b4e9"), ("#b34a00", "#f0803c"), ("#00735c", "#2fc79a"), ("#9c2a6b", "#e58bc0"),
        ("#7a6200", "#e0c23c"), ("#5b3fa8", "#a992f2"), ("#b3261e", "#ff7a70"), ("#3c6e17", "#8fd15a"),
    )
)  # fmt: skip
GREY = Colour("#70757a", "#8d9499")
"""Of the categories behind the eight largest."""


RAMP = (
    Colour("#a8790a", "#5b5fd0"),
    Colour("#2f8a5b", "#2f9fb0"),
    Colour("#1f6f9c", "#4fc98a"),
    Colour("#3a2a80", "#f0e04a"),
)
"""Of numbers and dates, from low to high."""


def colours_of(groups: Sequence[str]) -> list[Colour]:
    """Return the colour of each category, given largest first: its name decides, as far as colours are free."""
    free = list(range(len(PALETTE)))
    found = []
    for group in groups:
        if not free:
            found.append(GREY)
            continue
        wanted = crc32(group.encode()) % len(PALETTE)
        found.append(PALETTE[free.pop(free.index(wanted) if wanted in free else 0)])
    return found
