"""The poster of an atlas: a picture of its map with land, names and a title, as SVG and PNG."""

from __future__ import annotations
