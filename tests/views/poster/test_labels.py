"""Labels of the poster overlap neither one another nor the edge; the largest regions come first."""

from __future__ import annotations

import itertools

import numpy as np

from vidatlas.views.poster.labels import Box, Label, drawable, labels_of
from vidatlas.views.poster.raster import Fonts, widths_of
from vidatlas.views.regions import Region

FRAME = Box(100, 50, 900, 650)
FONTS = Fonts(False, frozenset("한국어"))


def region(name: str, size: int, level: int = 0) -> Region:
    return Region(level, name, 0, 0, size, None, 0.4)


def box(label: Label) -> Box:
    width = widths_of((label.text,), FONTS)[0] * label.size
    return Box(label.x - width / 2, label.y - label.size * 0.75, label.x + width / 2, label.y + label.size * 0.25)


def test_names_stay_apart_and_within_the_frame() -> None:
    random = np.random.default_rng(2)
    placed = [
        (region(f"name {at} · of {at}", int(random.integers(10, 900)), at % 3), *random.uniform((80, 30), (920, 680)))
        for at in range(60)
    ]
    labels = list(labels_of(placed, FONTS, FRAME, 40))
    assert 12 < len(labels) <= 40
    boxes = [box(label) for label in labels]
    for one, other in itertools.combinations(boxes, 2):
        assert one.right <= other.left or other.right <= one.left or one.bottom <= other.top or other.bottom <= one.top
    for one in boxes:
        assert one.left >= FRAME.left - 2
        assert one.right <= FRAME.right + 2
        assert one.top >= FRAME.top
        assert one.bottom <= FRAME.bottom


def test_the_largest_region_is_in_its_place_and_has_the_largest_name() -> None:
    placed = [(region("small", 20), 500.0, 300.0), (region("large", 900), 505.0, 300.0)]
    large, small = labels_of(placed, FONTS, FRAME, 9)
    assert (large.text, large.x) == ("large", 505)
    assert large.size > small.size
    assert small.y != large.y


def test_terms_without_a_font_are_left_out_and_no_name_stands_twice() -> None:
    assert drawable("kpop · 한국어", FONTS) == "kpop"
    assert drawable("한국", FONTS) == ""
    placed = [
        (region("kpop · 한국어", 30), 200.0, 200.0),
        (region("한국", 20), 300.0, 300.0),
        (region("kpop", 10), 700.0, 600.0),
    ]
    assert [label.text for label in labels_of(placed, FONTS, FRAME, 9)] == ["kpop"]


def test_long_names_lose_a_term_before_they_are_cut() -> None:
    assert drawable("a term of length · another such term", FONTS) == "a term of length"
    assert drawable("x" * 80, FONTS).endswith("…")
    assert len(drawable("x" * 80, FONTS)) == 30


def test_no_region_is_no_label() -> None:
    assert list(labels_of([], FONTS, FRAME, 9)) == []
