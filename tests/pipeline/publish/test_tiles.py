"""Every video is in the page or in exactly one tile, where the map has it; tiles are small, and the same each time."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidatlas
from vidatlas.pipeline.publish import tiles
from vidatlas.pipeline.publish.map import keys_of, order_of, subcategory_rows
from vidatlas.pipeline.publish.tiles import along_curve, cut_of, make_tiles, rates_of
from vidatlas.recipe import Recipe
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import sealed_shards
from vidatlas.views.map_data import PARTS, quantised

FIRST = 30


def made(url: str, recipe: Recipe) -> tuple[Store, Files]:
    store = Store(url)
    shards = list(sealed_shards(store.stage("embed")))
    return store, make_tiles(recipe, store, shards, SerialRunner())


@pytest.fixture
def copied(small_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Recipe]:
    """Return a copy of an atlas of 400 videos whose page has about 30, in tiles of at most 20."""
    monkeypatch.setattr(tiles, "TILE", 20)
    monkeypatch.setattr(tiles, "BUCKET", 3)
    shutil.copytree(small_atlas.url, tmp_path / "atlas")
    recipe = vidatlas.load_recipe(small_atlas.recipe.model_dump(mode="json"), {"publish.map_points": FIRST})
    return str(tmp_path / "atlas"), recipe


def test_every_video_is_in_the_page_or_in_one_tile(copied: tuple[str, Recipe]) -> None:
    store, files = made(*copied)
    recipe, shards = copied[1], list(sealed_shards(store.stage("embed")))
    atlas = vidatlas.open_atlas(copied[0])
    places, homes = atlas.positions(), atlas.assignments()
    keys = np.concatenate([keys_of(recipe, shard, int(facts_rows(store, shard))) for shard, _ in shards])
    codes = order_of(subcategory_rows(store))
    expected = {
        video: (*place, codes[home], key)
        for video, place, home, key in zip(
            places["id"],
            quantised(places[["x", "y"]].to_numpy(np.float32)).tolist(),
            zip(homes["in_group"], homes["subcategory"], strict=True),
            keys,
            strict=True,
        )
    }
    rates = rates_of(400, FIRST)
    index = json.loads(store.read("map/tiles.json"))
    assert index["total"] == 400
    seen: list[str] = []
    for level, boxes in enumerate(index["levels"], start=1):
        for number, (count, left, low, right, high) in enumerate(boxes):
            x, y, found = points_of(store, level, number)
            told = json.loads(gzip.decompress(store.read(f"map/{level}/{number}.titles.bin")))
            assert len(told["ids"]) == len(told["titles"]) == count == len(x) <= 20
            assert [left, low, right, high] == [x.min(), y.min(), x.max(), y.max()]
            for video, *own in zip(told["ids"], x.tolist(), y.tolist(), found.tolist(), strict=True):
                assert tuple(own) == expected[video][:3]
                assert rates[level - 1] <= expected[video][3] < rates[level]
            seen += told["ids"]
    in_page = [video for video, (*_, key) in expected.items() if key < rates[0]]
    assert sorted(seen + in_page) == sorted(expected)
    assert 15 < len(in_page) < 45
    assert {name for name in files if name.endswith(".json")} == {"map/tiles.json"}
    assert not store.folder.list("map")[1:], "what was sorted on the way is gone"


def test_what_an_interrupted_publication_sorted_is_removed(copied: tuple[str, Recipe]) -> None:
    left = "map/rows-7.parquet"
    for recipe in (
        copied[1],
        copied[1].model_copy(update={"publish": copied[1].publish.model_copy(update={"map_points": 1_000_000})}),
    ):
        Store(copied[0]).put(left, b"half")
        store, _ = made(copied[0], recipe)
        assert left not in store.folder.list("map")


def facts_rows(store: Store, shard: str) -> int:
    return len(store.table(f"layout/{shard}.parquet", columns=["x"]))


def points_of(store: Store, level: int, number: int) -> Any:
    return np.frombuffer(gzip.decompress(store.read(f"map/{level}/{number}.bin")), "<u2").reshape(3, -1)


def test_titles_and_columns_are_those_of_the_videos(copied: tuple[str, Recipe]) -> None:
    store, _ = made(*copied)
    told = json.loads(gzip.decompress(store.read("map/1/0.titles.bin")))
    videos = vidatlas.open_atlas(copied[0]).videos().set_index("id")
    assert told["titles"] == videos.loc[told["ids"], "title"].tolist()
    assert told["columns"].keys() == set(copied[1].record.columns) | {"channel"}


def test_tiles_are_the_same_each_time(copied: tuple[str, Recipe]) -> None:
    assert made(*copied)[1] == made(*copied)[1]


def test_an_atlas_that_fits_into_a_page_has_no_tiles(small_atlas: Any) -> None:
    assert made(small_atlas.url, small_atlas.recipe)[1] == {}


def test_levels_grow_until_all_videos_are_in_one() -> None:
    assert rates_of(400, 30).tolist() == [30 / 400, 120 / 400, 1.0]
    assert rates_of(73_000_000, 100_000)[-2:].tolist() == [256 * 100_000 / 73_000_000, 1.0]
    assert rates_of(400, 400).tolist() == [1.0]


def test_the_curve_goes_through_every_place_once_and_never_jumps() -> None:
    near = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1).reshape(-1, 2).astype(np.uint16)
    along = along_curve(near)
    assert sorted(along.tolist()) == list(range(64 * 64))
    path = near[np.argsort(along)].astype(int)
    assert (np.abs(np.diff(path, axis=0)).sum(axis=1) == 1).all()
    corners = along_curve(np.array([[0, 0], [65_535, 0], [65_535, 65_535]], np.uint16))
    assert corners[0] == 0
    assert corners[1] == 2**32 - 1
    assert corners.max() < 2**32


def test_a_place_with_more_videos_than_a_bucket_is_one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE", 10)
    monkeypatch.setattr(tiles, "BUCKET", 2)
    counts = np.zeros(3 << 20, np.int64)
    counts[(1 << 20) + np.array([3, 4, 9, 11])] = [15, 95, 8, 12]
    counts[(2 << 20) + 5] = 1
    cut = cut_of(np.array([0.1, 0.4, 1.0]), counts)
    # 15, then 95 in ten tiles, then 20 in two; each level begins anew.
    assert (cut.first - (cut.numbers[:, 0] << 20)).tolist() == [3, 4, 9, 5]
    assert cut.numbers.tolist() == [[1, 0], [1, 2], [1, 12], [2, 0]]
    sizes = [counts[low:high].sum() for low, high in pairwise([*cut.first, 3 << 20])]
    assert sizes == [15, 95, 20, 1]


def test_the_page_has_room_for_a_tile() -> None:
    code = (PARTS / "tiles.js").read_text(encoding="utf-8")
    slot = re.search(r"SLOT = (\d+);", code)
    growth = re.search(r"own \* (\d+) \*\* depth", code)
    assert slot
    assert growth
    assert int(slot[1]) == tiles.TILE
    assert int(growth[1]) == tiles.GROWTH
