"""The poster is one SVG document that holds all it shows, with nothing of the data as markup."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest

from vidatlas.pipeline.publish.regions import land_of
from vidatlas.views.poster.poster import DARK, LIGHT, Poster, data_uri, poster_svg
from vidatlas.views.regions import Land, Region

HOSTILE = '</text><script>alert(1)</script>&"\x1b[31m\u202e'


def poster(points: int = 500, groups: int = 12) -> Poster:
    random = np.random.default_rng(1)
    corners = tuple((int(x), int(y)) for x, y in random.integers(0, 65536, (360, 2)))
    return Poster(
        title="Trending videos",
        counts=("6,000 videos", "2019–2023"),
        groups=tuple((f"Category {at}", 900 - at) for at in range(groups)),
        group_nouns=("category", "categories"),
        credit=("Each dot is one video; near ones are alike.", "Made with vidatlas"),
        regions=tuple(region(at, random, groups) for at in range(150)),
        land=Land(tuple((corners,) for _ in range(5))),
        places=random.integers(0, 65536, (points, 2)).astype(np.uint16),
        members=random.integers(0, groups, points),
    )


def region(at: int, random: np.random.Generator, groups: int) -> Region:
    x, y = random.uniform(-1, 1, 2).tolist()
    return Region(at % 3, f"term {at} · word {at}", x, y, 500 - at, f"Category {at % groups}" if at % 2 else None, 0.7)


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_title_counts_categories_and_credit_are_said() -> None:
    said = texts(poster_svg(poster(), (DARK,)))
    for text in ("6,000 videos", "2019–2023", "Made with vidatlas", "4 more categories", "Category 7893"):
        assert text in said
    assert "Category 8" not in " ".join(said[-14:])
    assert "Trending" in said
    assert any(text.startswith("term ") for text in said)


@pytest.mark.parametrize("points", [0, 1, 300, 5_000])
def test_each_point_is_drawn_once_up_to_the_most(points: int) -> None:
    svg = poster_svg(poster(points), (DARK,), points=1_000)
    assert abs(svg.count("h0") - min(points, 1_000)) <= 0.01 * points


def test_two_themes_make_one_document() -> None:
    both = poster_svg(poster(), (DARK, LIGHT))
    assert "@media (prefers-color-scheme: light)" in both
    assert both.index(DARK.ground) < both.index("@media") < both.index(LIGHT.ground)
    assert "@media" not in poster_svg(poster(), (LIGHT,))
    assert poster_svg(poster(), (LIGHT,)) == poster_svg(poster(), (LIGHT,))


def test_nothing_of_the_data_is_markup() -> None:
    one = poster()
    regions = (replace(one.regions[0], name=HOSTILE), *one.regions[1:])
    svg = poster_svg(
        replace(one, title=HOSTILE, groups=((HOSTILE, 3), *one.groups[1:]), regions=regions), (DARK, LIGHT)
    )
    assert "<script" not in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg
    assert {element.tag.split("}")[1] for element in ElementTree.fromstring(svg).iter()} <= {
        "svg", "title", "desc", "style", "rect", "g", "path", "text", "tspan", "circle"
    }  # fmt: skip
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_one_category_needs_no_legend() -> None:
    assert not [text for text in texts(poster_svg(poster(50, 1), (DARK,))) if text.startswith("Category")]


def test_a_long_title_is_wrapped_and_shrunk() -> None:
    long = "An unusually long title of an atlas, with words that go on and on beyond all that a poster has room for"
    said = texts(poster_svg(replace(poster(), title=long), (DARK,)))
    assert "An unusually" in " ".join(said)
    assert 2 <= sum(text in long for text in said if text) <= 6


def test_what_stands_in_a_page_is_small() -> None:
    one = poster(30_000)
    uri = data_uri(replace(one, land=land_of(one.places)))
    assert len(uri) < 60_000
    assert re.fullmatch(r"data:image/svg\+xml,[^\"<>#]*", uri)
    ElementTree.fromstring(unquote(uri.split(",", 1)[1]))
