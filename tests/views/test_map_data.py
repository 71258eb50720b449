"""The data of a map comes back as it went in, in an order of which any beginning is a fair sample."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np

from vidatlas.views.map_data import (
    PARTS,
    SCRIPTS,
    Points,
    drawing_of,
    group_sizes,
    merge_points,
    quantised,
)
from vidatlas.views.nouns import Nouns
from vidatlas.views.regions import Land, Region
from vidatlas.views.report import map_policy, render_map
from vidatlas.views.videos import Column, Videos

TABLE: list[dict[str, Any]] = [
    {"group": "B", "subcategory": 0, "name": "</script><b>", "size": 6},
    {"group": "A", "subcategory": 1, "name": "\x1b[31mred \u202eab", "size": 4, "silhouette": 0.123},
    {"group": "B", "subcategory": 2, "name": "empty", "size": 1},
]


def some(rows: int, seed: int, titles: int) -> Points:
    random = np.random.default_rng(seed)
    keys = np.sort(random.random(rows))
    places = quantised(random.uniform(-1, 1, (rows, 2)).astype(np.float32))
    titled = [f"{key:.6f}" for key in keys[:titles]]
    codes = random.integers(2, size=rows)
    texts = (tuple(f"{kind}{key}" for key in titled) for kind in ("i", "t", "n", "w"))
    views = Column("views", "number", tuple(round(float(key) * 1000) for key in keys[:titles]))
    return Points(keys, places, codes, Videos(*texts, (views,), ("https://video.example/", "?a")))


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def test_the_square_is_cut_into_steps() -> None:
    assert quantised(np.array([[-1, 1], [0, 0.5]], np.float32)).tolist() == [[0, 65535], [32768, 49151]]


def test_pieces_merge_by_key_and_titles_stay_with_their_points() -> None:
    merged = merge_points([some(30, 1, 12), some(20, 2, 9)])
    assert (np.diff(merged.keys) >= 0).all()
    of_key = {f"t{key:.6f}" for key in merged.keys}
    videos = merged.videos
    assert len(videos.titles) == 21
    assert set(videos.titles) <= of_key
    assert list(videos.titles) == sorted(videos.titles)
    for texts in (videos.ids, videos.notes, videos.words):
        assert [text[1:] for text in texts] == [title[1:] for title in videos.titles]
    assert list(videos.columns[0].values) == [round(float(title[1:]) * 1000) for title in videos.titles]
    assert videos.address == ("https://video.example/", "?a")
    assert len(merge_points([]).codes) == 0


def test_categories_are_ordered_by_size() -> None:
    assert list(group_sizes(TABLE).items()) == [("B", 7), ("A", 4)]


def regions() -> list[Region]:
    return [Region(0, "B", -0.5, 0.123456, 7, "B", 0.987), Region(1, "</script> a", 0, 1, 2, None, 0.4)]


LAND = Land(((((0, 0), (65535, 0), (9, 65535)),), ()))


def test_a_drawing_holds_every_point_once() -> None:
    points = some(500, 4, 50)
    drawing = drawing_of(points, TABLE, regions(), LAND, 200)
    assert len(drawing.points) == 2
    planes = [np.frombuffer(unpacked(piece), np.uint8).reshape(3, 2, -1).astype(int) for piece in drawing.points]
    pieces = [low + 256 * high for low, high in (plane.transpose(1, 0, 2) for plane in planes)]
    assert pieces[0].shape[1] == 200
    back = np.concatenate(pieces, axis=1)
    assert (points.places == back[:2].T).all()
    assert (back[2] == points.codes).all()


def test_names_of_a_drawing() -> None:
    drawing = drawing_of(some(500, 4, 50), TABLE, regions(), LAND, 200)
    names = json.loads(unpacked(drawing.names))
    assert drawing.total == 500
    assert [(group["name"], group["size"]) for group in names["groups"]] == [("B", 7), ("A", 4)]
    assert all(re.fullmatch("#[0-9a-f]{6}", group[ground]) for group in names["groups"] for ground in ("light", "dark"))
    assert names["subs"][1] == {"group": 1, "number": 1, "name": "red ab", "size": 4, "silhouette": 0.12}
    assert "silhouette" not in names["subs"][0]
    first, second = names["regions"]
    assert first == {"level": 0, "name": "B", "size": 7, "group": 0, "x": -0.5, "y": 0.1235, "share": 0.99}
    assert second["group"] == -1
    assert names["land"] == [[[0, 0, 4096, 0, -4095, 4096]], []]  # the first corner, then steps of 16


def test_videos_are_stored_by_subcategory_and_no_column_is_empty() -> None:
    points = some(500, 4, 50)
    videos = replace(points.videos, columns=(*points.videos.columns, Column("likes", "number", (None,) * 50)))
    names = json.loads(unpacked(drawing_of(replace(points, videos=videos), TABLE, [], LAND, 200).titles))
    order = [at for code in (0, 1) for at in range(50) if points.codes[at] == code]
    for name in ("titles", "notes"):
        assert names[name] == [getattr(videos, name)[at] for at in order]
    assert names["ids"] == {"width": 9, "text": "".join(videos.ids[at] for at in order)}
    assert sorted(names["vocabulary"].split()) == sorted(set(videos.words))
    views = [videos.columns[0].values[at] for at in order]
    assert names["columns"] == [{"name": "views", "kind": "number", "values": views}]
    assert names["address"] == ["https://video.example/", "?a"]


def test_each_word_of_the_tags_is_stored_once_and_not_if_it_is_in_a_name() -> None:
    points = some(40_000, 4, 40_000)
    words = tuple(f"markup red w{at}" for at in range(40_000))
    drawn = drawing_of(replace(points, videos=replace(points.videos, words=words)), TABLE, [], LAND, 40_000)
    found = json.loads(unpacked(drawn.titles))
    vocabulary = found["vocabulary"].split()
    assert vocabulary[:2] == ["markup", "red"]
    order = [at for code in (0, 1) for at in np.flatnonzero(points.codes == code).tolist()]
    texts = found["words"].split(" ")
    numbers = [[ord(sign) - 93 - (0x800 if ord(sign) > 0xD7FF else 0) for sign in text] for text in texts]
    assert [" ".join(vocabulary[at] for at in one) for one in numbers] == [
        words[at].replace(" red", "") if points.codes[at] else words[at]  # the name of one is "red ab"
        for at in order
    ]


def test_ids_of_other_widths_stay_what_they_are() -> None:
    points = some(3, 4, 3)
    for ids, kept in (
        (("abcdefghijk", "abcdefghijk", "abcdefghij"), {"width": 11, "text": "abcdefghijkabcdefghijkabcdefghij\0"}),
        (("a", "a", "bcd"), ["a", "a", "bcd"]),
        (("é", "é", "é"), ["é", "é", "é"]),
    ):
        one = replace(points, codes=np.zeros(3, np.int64), videos=replace(points.videos, ids=ids))
        assert json.loads(unpacked(drawing_of(one, TABLE, [], LAND, 9).titles))["ids"] == kept


def test_no_point_at_all_is_a_map_too() -> None:
    none = merge_points([])
    assert [unpacked(piece) for piece in drawing_of(none, TABLE, [], LAND, 9).points] == [b""]


def test_nothing_of_the_data_is_markup() -> None:
    points = some(20, 5, 20)
    script = ("</script><script>alert(1)</script>",) * 20
    hostile = replace(points, videos=Videos(script, script, script, script))
    page = render_map("<script>alert(2)</script>", "{{7*7}}", drawing_of(hostile, TABLE, regions(), LAND, 9), Nouns())
    assert "alert(1)" not in page
    assert "<script>alert(2)" not in page
    assert "{{7*7}}" in page
    policy = re.search(r'content="(default-src[^"]*)"', page)
    assert policy
    assert "unsafe-eval" not in policy[1]
    assert "default-src 'none'" in policy[1]


def test_every_map_has_one_policy_and_its_poster_in_the_page() -> None:
    """The app compares the policy word for word."""
    with_poster = replace(drawing_of(some(9, 1, 9), TABLE, regions(), LAND, 9), poster="data:image/png;base64,AAAA")
    page = render_map("Title", "", with_poster, Nouns(record=("film", "films")))
    assert map_policy() in page
    assert '<img class="poster" src="data:image/png;base64,AAAA" alt="Map of the films">' in page
    assert "<img" not in render_map("Title", "", replace(with_poster, poster=""), Nouns())


def test_the_files_of_the_script_are_those_of_the_folder_and_short() -> None:
    assert {file.stem for file in PARTS.glob("*.js")} == {*SCRIPTS, "data", "tiles"}
    for file in PARTS.iterdir():
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
