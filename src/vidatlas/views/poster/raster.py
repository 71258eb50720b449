"""Raster images of SVG by resvg, and what its fonts can draw: coverage and widths of texts."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FAMILY = "Vidatlas Sans"
"""The bundled font: Latin, Greek and Cyrillic, so that these are the same bytes on any machine."""
_FONTS = tuple(str(Path(__file__).parent / "fonts" / f"VidatlasSans-{style}.ttf") for style in ("Regular", "Bold"))
_UNASSIGNED = "\u0378"
"""A character that no font has: it shows how a missing one is drawn."""
_CELL = 40
_PER_ROW = 50
_MOST_CHARS = 2_000
"""Characters that are looked at; a text with others is not drawn."""


@dataclass(frozen=True, slots=True)
class Fonts:
    """Hold what can be drawn: with the fonts of this machine beside the bundled one, if those are of use."""

    system: bool
    missing: frozenset[str]
    """Characters that no font has."""

    def draws(self, text: str) -> bool:
        """Tell whether every character of a text has a font."""
        return self.missing.isdisjoint(text)


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Return which fonts these texts need: the machine's own only if the bundled one lacks some of their characters."""
    seen = sorted({sign for text in texts for sign in text if unicodedata.category(sign) not in ("Cc", "Cf", "Zs")})
    beyond = frozenset(seen[_MOST_CHARS:])
    bundled = _missing(seen[:_MOST_CHARS], system=False)
    if not bundled:
        return Fonts(False, beyond)
    missing = _missing(sorted(bundled), system=True)
    return Fonts(missing != bundled, missing | beyond)


def png_of(svg: str, fonts: Fonts) -> bytes:
    """Return an SVG document as a PNG image of its own size, in 256 colours: a third of the bytes.

    The octree keeps colours of few pixels, such as those of the smallest categories, which a median cut merges.
    """
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(_png(svg, fonts.system))) as image:
        image.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(out, "PNG")
    return out.getvalue()


@lru_cache(maxsize=8)
def widths_of(texts: tuple[str, ...], fonts: Fonts) -> list[float]:
    """Return the width of each text in bold, for a font size of 1."""
    size, lines = 16, []
    for row, text in enumerate(texts):
        lines.append(_text(text, 4, row * 2 * size + 1.5 * size, size))
    pixels = _pixels(_document(lines, 64 * size, 2 * size * max(len(texts), 1)), fonts.system)
    found = np.split(pixels, range(2 * size, len(pixels), 2 * size))[: len(texts)]
    return [float(np.flatnonzero(row.any(axis=0)).max(initial=4) - 3) / size for row in found]


def _missing(signs: Sequence[str], system: bool) -> frozenset[str]:
    """Return the characters that are drawn as one that no font has."""
    cells = [_UNASSIGNED, *signs]
    lines = [
        _text(sign, at % _PER_ROW * _CELL + 8, at // _PER_ROW * _CELL + 28, 20)
        for at, sign in enumerate(cells)
    ]  # fmt: skip
    rows = -(-len(cells) // _PER_ROW)
    pixels = _pixels(_document(lines, _PER_ROW * _CELL, rows * _CELL), system)
    drawn = pixels.reshape(rows, _CELL, _PER_ROW, _CELL).swapaxes(1, 2).reshape(-1, _CELL, _CELL)
    return frozenset(sign for sign, cell in zip(signs, drawn[1:], strict=False) if np.array_equal(cell, drawn[0]))


def _text(text: str, x: float, y: float, size: int) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="700" font-family="{FAMILY}">{escape(text)}</text>'


def _document(lines: Iterable[str], width: int, height: int) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(lines)}</svg>'


def _pixels(svg: str, system: bool) -> NDArray[np.uint8]:
    """Return the opacity of each pixel [height, width]."""
    from PIL import Image

    with Image.open(io.BytesIO(_png(svg, system))) as image:
        return np.asarray(image.convert("RGBA"), np.uint8)[:, :, 3]


def _png(svg: str, system: bool) -> bytes:
    from resvg_py import svg_to_bytes

    # Files that a text could name are not read: the document has no images, and this folder holds none.
    return bytes(svg_to_bytes(svg_string=svg, skip_system_fonts=not system, font_files=list(_FONTS)))
