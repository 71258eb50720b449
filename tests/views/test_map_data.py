"""The data of a map comes back as it went in, in an order of which any beginning is a fair sample."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

import numpy as np

from vidatlas.views.map_data import Points, drawing_of, group_order, labels_of, merge_points, quantised
from vidatlas.views.nouns import Nouns
from vidatlas.views.report import render_map

TABLE: list[dict[str, Any]] = [
    {"group": "B", "subcategory": 0, "name": "</script><b>", "size": 6},
    {"group": "A", "subcategory": 1, "name": "\x1b[31mred \u202eab", "size": 4},
    {"group": "B", "subcategory": 2, "name": "empty", "size": 1},
]


def some(rows: int, seed: int, titles: int) -> Points:
    random = np.random.default_rng(seed)
    keys = np.sort(random.random(rows))
    places = quantised(random.uniform(-1, 1, (rows, 2)).astype(np.float32))
    titled = [f"{key:.6f}" for key in keys[:titles]]
    codes = random.integers(2, size=rows)
    return Points(keys, places, codes, tuple(f"t{key}" for key in titled), tuple(f"n{key}" for key in titled))


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def test_the_square_is_cut_into_steps() -> None:
    assert quantised(np.array([[-1, 1], [0, 0.5]], np.float32)).tolist() == [[0, 65535], [32768, 49151]]


def test_pieces_merge_by_key_and_titles_stay_with_their_points() -> None:
    merged = merge_points([some(30, 1, 12), some(20, 2, 9)])
    assert (np.diff(merged.keys) >= 0).all()
    of_key = {f"t{key:.6f}" for key in merged.keys}
    assert set(merged.titles) <= of_key
    assert list(merged.titles) == sorted(merged.titles)
    assert [note[1:] for note in merged.notes] == [title[1:] for title in merged.titles]
    assert len(merge_points([]).codes) == 0


def test_labels_stand_where_their_videos_are_densest() -> None:
    places = np.array([[100, 100]] * 3 + [[60000, 60000]] * 2 + [[200, 50]], np.uint16)
    points = Points(np.arange(6.0), places, np.array([0, 0, 0, 0, 1, 1]), ())
    found = {(label.group, label.subcategory): (label.x, label.y) for label in labels_of(points, TABLE)}
    assert found["B", 0] == (100, 100)
    assert found["B", None] == (100, 100)
    assert ("B", 2) not in found
    assert group_order(TABLE) == ["B", "A"]


def test_a_drawing_holds_every_point_once() -> None:
    points = some(500, 4, 50)
    drawing = drawing_of(points, TABLE, labels_of(points, TABLE), 200)
    assert len(drawing.points) == 2
    pieces = [np.frombuffer(unpacked(piece), "<u2").reshape(3, -1) for piece in drawing.points]
    assert pieces[0].shape[1] == 200
    back = np.concatenate(pieces, axis=1)
    assert (points.places == back[:2].T).all()
    assert (back[2] == points.codes).all()
    names = json.loads(unpacked(drawing.names))
    assert names["total"] == 500
    assert names["titles"] == list(points.titles)
    assert names["notes"] == list(points.notes)
    assert [group["name"] for group in names["groups"]] == ["B", "A"]
    assert names["subs"][1]["name"] == "red ab"


def test_no_point_at_all_is_a_map_too() -> None:
    none = merge_points([])
    assert [unpacked(piece) for piece in drawing_of(none, TABLE, [], 9).points] == [b""]


def test_nothing_of_the_data_is_markup() -> None:
    points = some(20, 5, 20)
    script = ("</script><script>alert(1)</script>",) * 20
    hostile = Points(points.keys, points.places, points.codes, script, script)
    page = render_map("<script>alert(2)</script>", "{{7*7}}", drawing_of(hostile, TABLE, [], 9), Nouns())
    assert "alert(1)" not in page
    assert "<script>alert(2)" not in page
    assert "{{7*7}}" in page
    policy = re.search(r'content="(default-src[^"]*)"', page)
    assert policy
    assert "unsafe-eval" not in policy[1]
    assert "default-src 'none'" in policy[1]
