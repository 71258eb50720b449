"""Map data of a page: points, names and titles as compressed data, which cannot contain markup."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vidatlas.types import Floats
from vidatlas.views.colours import GREY, PALETTE, RAMP, colours_of
from vidatlas.views.regions import Land, Region
from vidatlas.views.text import fold, shown
from vidatlas.views.videos import Videos, merge_videos

PARTS = Path(__file__).parent / "map"
CHUNK = 1_000_000
"""Points per chunk of the data after the first one."""
MOST_CODES = 65_535
LONGEST_TITLE = 160
_HALF = 65_535 / 2
"""Half of the steps into which the map is cut."""
_FIRST_SIGN = 93
_LAND_STEP = 16
"""Steps of the map per step of the land's corners, which a curve smooths anyway."""


@dataclass(frozen=True)
class Drawing:
    """Hold the data of a map as base64 text: names, what is known of the first points, and points in chunks."""

    names: str
    titles: str
    """Ids, titles and columns of the first points: apart, so that the first frame need not wait for them."""
    points: tuple[str, ...]
    listed: Videos = field(default_factory=Videos)
    """What ``titles`` holds, in the order of the points."""
    poster: str = ""
    """A picture of the map as a ``data:`` URI, for browsers that cannot draw it."""
    tiled: int = 0
    """Videos of a map whose page fetches most of them from tiles beside it; 0 where it holds all."""
    total: int = 0
    """Points in all chunks together."""


def group_sizes(table: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the categories of the map with their records, largest first, ties by name."""
    sizes = Counter[str]()
    for row in table:
        sizes[row["group"]] += row["size"]
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def drawing_of(
    points: Points, table: Sequence[Mapping[str, Any]], regions: Sequence[Region], land: Land, first: int
) -> Drawing:
    """Return the data of a map, with a first chunk of this many points, drawn before the others are read.

    All points with titles are in it. The code of a point is an index in ``table``: group, subcategory, name, size and,
    if measured, silhouette of every subcategory.
    """
    groups = group_sizes(table)
    number = {group: at for at, group in enumerate(groups)}
    codes = np.minimum(points.codes, MOST_CODES).astype("<u2")
    names = {
        "groups": _groups(groups),
        "subs": [_sub(row, number) for row in table[: MOST_CODES + 1]],
        "regions": [_region(region, number) for region in regions],
        "land": [[_outline(shape) for shape in level] for level in land.levels],
        "palette": [asdict(colour) for colour in PALETTE],
        "ramp": [asdict(colour) for colour in RAMP],
        "grey": asdict(GREY),
    }
    # A map always has a first chunk, even if it is empty.
    bounds = sorted({0, *range(min(first, len(codes)), len(codes), CHUNK), len(codes)}) if len(codes) else [0, 0]
    pieces = [slice(low, high) for low, high in pairwise(bounds)]
    planes = (np.stack([*points.places[piece].T, codes[piece]]).astype("<u2") for piece in pieces)
    return Drawing(
        packed_json(names),
        packed_json(_videos(points.videos, codes, table)),
        # Low bytes apart from high ones, which compress better.
        tuple(packed(plane.view(np.uint8).reshape(3, -1, 2).transpose(0, 2, 1).tobytes(), 6) for plane in planes),
        points.videos,
        total=len(codes),
    )


def _groups(sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"name": shown(group), "size": size, **asdict(colour)}
        for (group, size), colour in zip(sizes.items(), colours_of(list(sizes)), strict=True)
    ]


def _sub(row: Mapping[str, Any], number: Mapping[str, int]) -> dict[str, Any]:
    silhouette = row.get("silhouette")
    known = {} if silhouette is None else {"silhouette": round(silhouette, 2)}
    home = {"group": number[row["group"]], "number": row["subcategory"]}
    return {**home, "name": shown(row["name"]), "size": row["size"], **known}


def _outline(shape: Sequence[tuple[int, int]]) -> list[int]:
    """Return the corners of a shape, each as its distance from the one before."""
    corners = np.round(np.array(shape) / _LAND_STEP).astype(np.int64)
    steps: list[int] = np.diff(corners, axis=0, prepend=0).reshape(-1).tolist()
    return steps


def _region(region: Region, number: Mapping[str, int]) -> dict[str, Any]:
    place = {"x": round(region.x, 4), "y": round(region.y, 4), "share": round(region.share, 2)}
    group = -1 if region.group is None else number.get(region.group, -1)
    return {"level": region.level, "name": shown(region.name), "size": region.size, "group": group, **place}


def _videos(videos: Videos, codes: NDArray[np.uint16], table: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is known of the first points, by subcategory: like texts side by side compress better."""
    order = np.argsort(codes[: len(videos.ids)], kind="stable").tolist()
    found = videos.taken(order)
    # A search looks into the names of a video's subcategory and category too.
    names = [fold(f"{row['name']} {row['group']}") for row in table]
    words = [
        " ".join(word for word in text.split() if word not in names[codes[at]])
        for at, text in zip(order, found.words, strict=False)
    ]
    titles, notes = (
        [shown(text, LONGEST_TITLE) if text else "" for text in texts] for texts in (found.titles, found.notes)
    )
    # Tags repeat: each word stands once, the most frequent first, and a video holds a character for each of its words.
    vocabulary = [word for word, _ in Counter(chain.from_iterable(map(str.split, words))).most_common()]
    sign = {word: _sign(at) for at, word in enumerate(vocabulary)}
    return {
        "ids": _joined(found.ids),
        "titles": titles,
        "notes": notes,
        "vocabulary": " ".join(vocabulary),
        "words": " ".join("".join(sign[word] for word in text.split()) for text in words),
        "columns": [asdict(column) for column in found.columns if any(value is not None for value in column.values)],
        "address": found.address,
        "links": found.links,
    }


def packed_json(value: Mapping[str, Any]) -> str:
    """Return JSON as ``packed``, as ``read`` of data.js reads it."""
    return packed(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def packed(data: bytes, level: int = 9) -> str:
    """Return data as base64 text of compressed data, as ``unpack`` of data.js reads it."""
    return base64.b64encode(gzip.compress(data, level, mtime=0)).decode()


def _sign(number: int) -> str:
    """Return a character for a number: none that JSON escapes, and no half of a pair."""
    code = number + _FIRST_SIGN
    return chr(code if code < 0xD800 else code + 0x800)


def _joined(ids: Sequence[str]) -> Sequence[str] | dict[str, Any]:
    """Return ids of about one width as one text, filled up with U+0000, which no id holds; others as they are."""
    width, known = max(map(len, ids), default=0), sum(map(len, ids))
    if not known or width * len(ids) > 1.1 * known or not all(map(str.isascii, ids)):
        return ids
    return {"width": width, "text": "".join(key.ljust(width, "\0") for key in ids)}


SCRIPTS = (
    "gl", "view", "land", "labels", "scene", "format", "colours", "selection", "filters", "lasso", "results", "card",
    "address", "controls", "map",
)  # fmt: skip
"""The files of the map's script in their order; they share one scope."""


def map_scripts(tiled: bool = False) -> tuple[Markup, Markup, Markup]:
    """Return the map's style sheet, the script of the page's data, and that of the map, which may fetch tiles."""
    names = ("data", *(["tiles"] if tiled else []), *SCRIPTS)
    data, *code = (light_script((PARTS / f"{name}.js").read_text(encoding="utf-8")) for name in names)
    style = light_style((PARTS / "map.css").read_text(encoding="utf-8"))
    # Our own code, nothing from data.
    return Markup(style), Markup(data), Markup('"use strict";\n(() => {\n' + "".join(code) + "})();\n")  # noqa: S704


def light_style(sheet: str) -> str:
    """Return a style sheet without the blanks and line breaks around its signs."""
    return re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", sheet)


def light_script(code: str) -> str:
    """Return a script without indentation and without the lines that are comments."""
    lines = (line.strip() for line in code.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def script_hash(script: str) -> str:
    """Return a script's hash as a content security policy allows it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@dataclass(frozen=True, slots=True)
class Points:
    """Hold the points of a map in the order of their keys; the first ones have titles."""

    keys: NDArray[np.float64]
    """Random keys [n], ascending: the first points are a random sample of all."""
    places: NDArray[np.uint16]
    """[n, 2]: 0 is -1, 65,535 is 1."""
    codes: NDArray[np.int64]
    """[n]: the number of each point's subcategory."""
    videos: Videos = field(default_factory=Videos)
    """The first points' ids, titles and more; as many as requested."""


def quantised(positions: Floats) -> NDArray[np.uint16]:
    """Return map positions within [-1, 1] as 16-bit integers."""
    return np.round((positions.astype(np.float64) + 1) * _HALF).astype(np.uint16)


def merge_points(pieces: Sequence[Points]) -> Points:
    """Return all points of the map sorted by key."""
    if not pieces:
        return Points(np.empty(0), np.empty((0, 2), np.uint16), np.empty(0, np.int64))
    keys = np.concatenate([piece.keys for piece in pieces])
    order = np.argsort(keys, kind="stable")
    return Points(
        keys[order],
        np.concatenate([piece.places for piece in pieces])[order],
        np.concatenate([piece.codes for piece in pieces])[order],
        merge_videos([piece.videos for piece in pieces], [piece.keys for piece in pieces]),
    )
