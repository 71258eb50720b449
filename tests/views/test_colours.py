"""Colours can be told apart by everyone, stand out from their ground, and belong to names."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from vidatlas.views.colours import GREY, PALETTE, RAMP, colours_of

Array = NDArray[np.float64]
GROUNDS = {"light": "#fbfaf6", "dark": "#14181a"}
# Machado, Oliveira, Fernandes 2009, severity 1.0, for linear RGB; by rows.
_MACHADO = {
    "protanopia": "0.152286 1.052583 -0.204868 0.114503 0.786281 0.099216 -0.003882 -0.048116 1.051998",
    "deuteranopia": "0.367322 0.860646 -0.227968 0.280085 0.672501 0.047413 -0.011820 0.042940 0.968881",
    "tritanopia": "1.255528 -0.076749 -0.178779 -0.078411 0.930809 0.147602 0.004733 0.691367 0.303900",
}
VISION = {"normal": np.eye(3)} | {
    kind: np.array(numbers.split(), np.float64).reshape(3, 3) for kind, numbers in _MACHADO.items()
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> Array:
    """Return the linear RGB of ``#rrggbb``."""
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ TO_XYZ[1])


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, vision: str) -> Array:
    """Return CIE L*a*b* (D65) of a colour as somebody sees it."""
    xyz = TO_XYZ @ np.clip(VISION[vision] @ linear(colour), 0, 1) / TO_XYZ.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def difference(one: Array, other: Array) -> float:
    """Return the colour difference CIEDE2000 of two colours in L*a*b*."""
    mean = (np.hypot(*one[1:]) + np.hypot(*other[1:])) / 2
    stretch = 1 + (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7))) / 2
    (c1, h1), (c2, h2) = (
        (np.hypot(stretch * a, b), np.degrees(np.arctan2(b, stretch * a)) % 360) for _, a, b in (one, other)
    )
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    lightness, chroma, hue = other[0] - one[0], c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    level, c, h = (one[0] + other[0]) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = 1 + sum(
        weight * np.cos(np.radians(factor * h + shift))
        for weight, factor, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    )
    parts = (
        lightness / (1 + 0.015 * (level - 50) ** 2 / np.sqrt(20 + (level - 50) ** 2)),
        chroma / (1 + 0.045 * c),
        hue / (1 + 0.015 * c * t),
    )
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return float(np.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2]))


def test_the_measure_itself() -> None:
    """Pairs 1, 7, 17 and 25 of Sharma, Wu, Dalal 2005."""
    for one, other, expected in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ):
        assert difference(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ground", GROUNDS)
def test_no_two_colours_are_alike_to_anyone(ground: str, vision: str) -> None:
    seen = {getattr(colour, ground): lab(getattr(colour, ground), vision) for colour in PALETTE}
    assert len(seen) == 8
    near = {(a, b): difference(seen[a], seen[b]) for a, b in combinations(seen, 2)}
    assert min(near.values()) >= 12, min(near, key=lambda pair: near[pair])
    grey = lab(getattr(GREY, ground), vision)
    assert min(difference(grey, colour) for colour in seen.values()) >= 10


@pytest.mark.parametrize("ground", GROUNDS)
def test_colours_stand_out_from_their_ground(ground: str) -> None:
    for colour in (*PALETTE, *RAMP, GREY):
        assert contrast(getattr(colour, ground), GROUNDS[ground]) >= 3, colour
    ramp = [contrast(getattr(colour, ground), GROUNDS[ground]) for colour in RAMP]
    assert all(high > low * 1.15 for low, high in pairwise(ramp))


def test_a_name_has_its_colour_in_every_atlas() -> None:
    common = ["Entertainment", "Music", "Gaming", "People & Blogs", "Sports", "News & Politics", "Howto & Style"]
    first = dict(zip(common, colours_of(common), strict=True))
    again = [*reversed(common), "Education", "Comedy"]
    second = dict(zip(again, colours_of(again), strict=True))
    assert {name: second[name] for name in common} == first
    assert set(colours_of(again)[:8]) == set(PALETTE)
    assert second["Comedy"] == GREY
    # A name of its own keeps its colour beside others, and gives way only to the eight.
    assert colours_of(["Cats"]) == colours_of(["Music", "Cats"])[1:]
    assert colours_of(["Comedy", "Sports"]) == [colours_of(["x", "Comedy", "Sports"])[1], first["Sports"]]
    assert colours_of([]) == []
