"""Map data of a page: points, names and titles as compressed data, which cannot contain markup."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vidatlas.types import Floats
from vidatlas.views.text import shown

PARTS = Path(__file__).parent / "map"
CHUNK = 1_000_000
"""Points per chunk of the data after the first one."""
MOST_CODES = 65_535
_LONGEST_TITLE = 160
_GRIDS = {"group": 24, "sub": 64}
"""Grid cells per side, to find where a category and a subcategory are densest."""


@dataclass(frozen=True)
class Label:
    """A name at a position on the map."""

    level: int
    """0 for a category, 1 for a subcategory."""
    group: str
    subcategory: int | None
    name: str
    size: int
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """Hold the data of a map as base64 text: names and titles, and points in chunks."""

    names: str
    points: tuple[str, ...]


def labels_of(points: Points, table: Sequence[Mapping[str, Any]]) -> list[Label]:
    """Return a map label for every category and subcategory with points, where it is densest.

    Args:
        points: points of the map; a code is an index in ``table``.
        table: group, subcategory, name and size of every subcategory.
    """
    groups = group_order(table)
    number = {group: at for at, group in enumerate(groups)}
    by_group = np.array([number[row["group"]] for row in table])[points.codes]
    at_group = _densest(points.places, by_group, len(groups), _GRIDS["group"])
    at_sub = _densest(points.places, points.codes, len(table), _GRIDS["sub"])
    sizes = {group: sum(row["size"] for row in table if row["group"] == group) for group in groups}
    labels = [Label(0, group, None, group, sizes[group], *at) for group, at in zip(groups, at_group, strict=True) if at]
    labels += [
        Label(1, row["group"], row["subcategory"], row["name"], row["size"], *at)
        for row, at in zip(table, at_sub, strict=True)
        if at
    ]
    return labels


def group_order(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the categories of the map, largest first, ties by name."""
    sizes: dict[str, int] = {}
    for row in table:
        sizes[row["group"]] = sizes.get(row["group"], 0) + row["size"]
    return sorted(sizes, key=lambda group: (-sizes[group], group))


def _densest(
    places: NDArray[np.uint16], codes: NDArray[np.int64], kinds: int, grid: int
) -> list[tuple[float, float] | None]:
    """Return for every kind the mean of its points in its densest grid cell; None if it has none."""
    cells = (places.astype(np.int64) * grid) >> 16
    cell = cells[:, 0] * grid + cells[:, 1]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=kinds))
    found: list[tuple[float, float] | None] = []
    for first, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        mine = order[first:end]
        if not len(mine):
            found.append(None)
            continue
        best = np.bincount(cell[mine]).argmax()
        x, y = places[mine[cell[mine] == best]].mean(axis=0)
        found.append((float(x), float(y)))
    return found


def drawing_of(points: Points, table: Sequence[Mapping[str, Any]], labels: Sequence[Label], first: int) -> Drawing:
    """Return the data of a map, with a first chunk of this many points, drawn before the others are read."""
    groups = group_order(table)
    number = {group: at for at, group in enumerate(groups)}
    at = {(label.group, label.subcategory): (round(label.x), round(label.y)) for label in labels}
    nowhere = (-1, -1)
    shown_groups = [dict(zip("xy", at.get((group, None), nowhere), strict=True), name=shown(group)) for group in groups]
    subs = [
        {
            "group": number[row["group"]],
            "number": row["subcategory"],
            "name": shown(row["name"]),
            **dict(zip("xy", at.get((row["group"], row["subcategory"]), nowhere), strict=True)),
        }
        for row in table
    ]
    titles = [shown(title, _LONGEST_TITLE) for title in points.titles]
    notes = [shown(note, _LONGEST_TITLE) if note else "" for note in points.notes]
    names = {"total": len(points.codes), "groups": shown_groups, "subs": subs[: MOST_CODES + 1]}
    names |= {"titles": titles, "notes": notes}
    codes = np.minimum(points.codes, MOST_CODES).astype("<u2")
    # A map always has a first chunk, even if it is empty.
    bounds = sorted({0, *range(min(first, len(codes)), len(codes), CHUNK), len(codes)}) if len(codes) else [0, 0]
    pieces = [slice(low, high) for low, high in pairwise(bounds)]
    planes = (np.concatenate([points.places[piece].T.reshape(-1), codes[piece]]) for piece in pieces)
    return Drawing(
        _packed(json.dumps(names, ensure_ascii=False, separators=(",", ":")).encode()),
        tuple(_packed(plane.astype("<u2").tobytes()) for plane in planes),
    )


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def map_scripts() -> tuple[Markup, Markup, Markup]:
    """Return the map's style sheet, its libraries and its script."""
    style, libraries, code = (
        (PARTS / name).read_text(encoding="utf-8") for name in ("map.css", "libraries.min.js", "map.js")
    )
    # Our own and vendored code, nothing from data.
    return Markup(style), Markup(libraries), Markup(code)  # noqa: S704


def script_hash(script: str) -> str:
    """Return a script's hash as a content security policy allows it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


_STEPS = 65_535


@dataclass(frozen=True, slots=True)
class Points:
    """Hold the points of a map in the order of their keys; the first ones have titles."""

    keys: NDArray[np.float64]
    """Random keys [n], ascending: the first points are a random sample of all."""
    places: NDArray[np.uint16]
    """[n, 2]: 0 is -1, 65,535 is 1."""
    codes: NDArray[np.int64]
    """[n]: the number of each point's subcategory."""
    titles: tuple[str, ...]
    """Titles of the first points; as many as requested."""
    notes: tuple[str, ...] = ()
    """Texts shown below the titles; empty if the recipe shows no more columns."""


def quantised(positions: Floats) -> NDArray[np.uint16]:
    """Return map positions within [-1, 1] as 16-bit integers."""
    return np.round((positions.astype(np.float64) + 1) * (_STEPS / 2)).astype(np.uint16)


def merge_points(pieces: Sequence[Points]) -> Points:
    """Return all points of the map sorted by key."""
    if not pieces:
        none = np.empty(0, np.int64)
        return Points(np.empty(0), np.empty((0, 2), np.uint16), none, ())
    keys = np.concatenate([piece.keys for piece in pieces])
    order = np.argsort(keys, kind="stable")
    return Points(
        keys[order],
        np.concatenate([piece.places for piece in pieces])[order],
        np.concatenate([piece.codes for piece in pieces])[order],
        _by_key((piece.keys, piece.titles) for piece in pieces),
        _by_key((piece.keys, piece.notes) for piece in pieces),
    )


def _by_key(pieces: Iterable[tuple[NDArray[np.float64], tuple[str, ...]]]) -> tuple[str, ...]:
    """Return the texts of the first points of each chunk in the order of their keys."""
    pairs = sorted(pair for keys, texts in pieces for pair in zip(keys, texts, strict=False))
    return tuple(text for _, text in pairs)
