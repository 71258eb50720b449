"""Raster images: what has no font is known before it is drawn, and Latin, Greek and Cyrillic always have one."""

from __future__ import annotations

import inspect
import io

import pytest
from PIL import Image

from vidatlas.views.poster import raster
from vidatlas.views.poster.raster import Fonts, fonts_for, widths_of

png_of = inspect.unwrap(raster.png_of)
"""Without the memory that tests/conftest.py gives it."""
BUNDLED = Fonts(False, frozenset())


def test_the_bundled_font_draws_latin_greek_and_cyrillic() -> None:
    assert fonts_for(["Ångström – naïve … “x”", "новости Україна", "ειδήσεις", "Tiếng Việt · 1,234"]) == BUNDLED


def test_what_no_font_has_is_missing() -> None:
    fonts = fonts_for(["guitar", "\u0378 \U000e0fff"])
    assert {"\u0378"} <= fonts.missing
    assert not fonts.draws("a\u0378")
    assert fonts.draws("guitar")


def test_spaces_and_joiners_need_no_font() -> None:
    assert fonts_for(["a b\u200d\u00a0c\n"]) == BUNDLED


def test_widths_grow_with_the_text() -> None:
    one, two, none = widths_of(("nn", "nnnn", ""), BUNDLED)
    assert one * 1.8 < two < one * 2.2
    assert 0 <= none < 0.1
    assert widths_of((), BUNDLED) == []


@pytest.mark.parametrize("text", ["<b>&amp;", "россия"])
def test_markup_in_a_text_is_text(text: str) -> None:
    assert widths_of((text,), BUNDLED)[0] > 2


def test_an_image_is_the_same_again_and_keeps_rare_colours() -> None:
    noise = "".join(
        f'<rect x="{x * 4}" y="{y * 4}" width="4" height="4" fill="rgb({9 * x},{9 * y},{120})"/>'
        for x in range(25)
        for y in range(25)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">{noise}'
        '<rect x="50" y="50" width="3" height="3" fill="#e58bc0"/></svg>'
    )
    data = png_of(svg, BUNDLED)
    assert data == png_of(svg, BUNDLED)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (100, 100)
        red, green, blue = image.convert("RGB").getpixel((51, 51))  # type: ignore[misc]
        assert max(abs(red - 0xE5), abs(green - 0x8B), abs(blue - 0xC0)) < 24
