"""The poster of an atlas: its files are listed and verified, and its words tell what it shows and what it cannot."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidatlas.pipeline.publish.poster import counts_of, poster_fact
from vidatlas.views.nouns import Nouns
from vidatlas.views.poster.poster import Poster
from vidatlas.views.regions import Land, Region


def test_posters_are_files_of_the_atlas(small_atlas: Any) -> None:
    folder = Path(small_atlas.url)
    published = json.loads((folder / "atlas.json").read_text())["stages"]["publish"]
    assert {"map.png", "map-light.png", "map.svg"} <= published["files"].keys()
    assert published["versions"]["resvg-py"]
    grounds = []
    for name in ("map.png", "map-light.png"):
        with Image.open(io.BytesIO((folder / name).read_bytes())) as image:
            assert image.size == (2400, 1350)
            grounds.append(sum(image.convert("RGB").getpixel((3, 3))))  # type: ignore[arg-type]
    assert grounds[0] < 150 < 600 < grounds[1]
    assert "400 videos" in (folder / "map.svg").read_text()
    for page in ("report.html", "map.html"):
        assert '<meta property="og:image" content="map.png">' in (folder / page).read_text()
    assert "![Map](map.png)" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("years", "said"),
    [
        ({}, ("1 video",)),
        ({2019: 5}, ("1 video", "2019")),
        ({2019: 500, 2020: 3, 2023: 500}, ("1 video", "2019–2023")),
        ({1970: 2, 2019: 500, 2023: 500, 2038: 1}, ("1 video", "2019–2023")),
    ],
)
def test_the_years_are_those_of_all_but_a_few(years: dict[int, int], said: tuple[str, ...]) -> None:
    assert counts_of(1, Counter(years), Nouns()) == said


def test_names_without_a_font_are_told() -> None:
    regions = tuple(Region(0, name, 0, 0, 20, None, 0.3) for name in ("guitar", "a · \u0378", "\u0378"))
    none = np.empty(0, np.int64)
    poster = Poster("T", (), (), ("c", "cs"), (), regions, Land(()), np.empty((0, 2), np.uint16), none)
    said = poster_fact(poster)
    assert "3 named regions" in said
    assert "1 left out and 1 shortened" in said
    assert "no font" not in poster_fact(replace(poster, regions=regions[:1]))
