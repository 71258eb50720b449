"""Regions of the map have names of their own, tell the truth on sizes and categories, and the land lies below them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import vidatlas
from vidatlas.naming.names import MIXED, Name
from vidatlas.pipeline.publish import regions as finding
from vidatlas.pipeline.publish.regions import CORNERS, LEAST, land_of, regions_of
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import LABELS, Store
from vidatlas.storage.tables import sealed_shards


def found(url: str, recipe: Any) -> list[Any]:
    store = Store(url)
    return regions_of(recipe, store, list(sealed_shards(store.stage("embed"))), SerialRunner())


def test_regions_are_named_sized_and_distinct(small_atlas: Any) -> None:
    regions = found(small_atlas.url, small_atlas.recipe)
    names = [region.name.casefold() for region in regions]
    assert names
    assert len(set(names)) == len(names)
    assert {region.level for region in regions} <= {0, 1, 2}
    for level in range(3):
        sizes = [region.size for region in regions if region.level == level]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(sizes) <= small_atlas.rows
    for region in regions:
        assert region.size >= LEAST
        assert -1.1 <= min(region.x, region.y) <= max(region.x, region.y) <= 1.1
        assert (region.group is not None) == (region.share > 0.5)
        assert MIXED not in region.name


def test_a_region_has_the_category_of_the_videos_around_it(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    places, groups = atlas.positions()[["x", "y"]].to_numpy(), atlas.assignments()["group"].to_numpy()
    checked = 0
    for region in found(small_atlas.url, small_atlas.recipe):
        if region.share > 0.9:
            near = np.linalg.norm(places - (region.x, region.y), axis=1).argsort()[:5]
            assert Counter(groups[near]).most_common(1)[0][0] == region.group
            checked += 1
    assert checked


def test_labels_hold_the_regions_and_are_the_same_again(small_atlas: Any) -> None:
    table = Store(small_atlas.url).table(LABELS)
    assert table.column_names == ["level", "name", "size", "x", "y", "group", "share"]
    regions = found(small_atlas.url, small_atlas.recipe)
    assert table["name"].to_pylist() == [region.name for region in regions]
    assert table["size"].to_pylist() == [region.size for region in regions]


def test_sizes_are_those_of_the_atlas_where_only_some_are_laid_out(
    tmp_path: Path, hashing_recipe: Any, make_lines: Any
) -> None:
    part = tmp_path / "videos.jsonl"
    part.write_bytes(make_lines(1_000))
    changes = {"publish.layout.sample": 250, "publish.layout.method": "pca"}
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), changes)
    vidatlas.run(recipe, str(part), tmp_path / "atlas", vidatlas.Options(runner="serial"))
    facts = json.loads((tmp_path / "atlas" / "atlas.json").read_text())["stages"]["publish"]["layout"]
    assert facts["sampled"] < 350
    coarse = [region for region in found(str(tmp_path / "atlas"), recipe) if region.level == 0]
    assert coarse
    assert 700 < sum(region.size for region in coarse) < 1_300


def test_a_second_region_of_a_name_takes_other_terms() -> None:
    one = Name("guitar · piano", ("guitar", "piano", "violin"), (1.0, 0.9, 0.8))
    assert finding._texts(one) == ["guitar · piano", "guitar · violin", "piano · violin"]
    assert finding._texts(Name(MIXED, (), ())) == []
    assert finding._texts(Name("guitar", ("guitar",), (1.0,))) == ["guitar"]


def test_members_name_regions_where_they_name_subcategories(
    tmp_path: Path, hashing_recipe: Any, make_lines: Any
) -> None:
    part = tmp_path / "videos.jsonl"
    part.write_bytes(make_lines(200))
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), {"reduce.naming.by": "members"})
    vidatlas.run(recipe, str(part), tmp_path / "atlas", vidatlas.Options(runner="serial"))
    titles = {json.loads(line)["title"] for line in make_lines(200).splitlines()}
    regions = [region for region in found(str(tmp_path / "atlas"), recipe) if region.name != region.group]
    assert regions
    assert {title for region in regions for title in region.name.split(" · ")} <= titles


def inside(polygons: Any, x: float, y: float) -> bool:
    """Tell by the even-odd rule whether a place is on land."""
    odd = False
    for polygon in polygons:
        for (left, low), (right, high) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            if (low > y) != (high > y) and x < left + (y - low) * (right - left) / (high - low):
                odd = not odd
    return odd


def test_land_lies_below_the_points_and_has_lakes() -> None:
    random = np.random.default_rng(5)
    angle = random.uniform(0, 2 * np.pi, 4_000)
    ring = 32767 + 20_000 * np.stack([np.cos(angle), np.sin(angle)], 1) + random.normal(0, 900, (4_000, 2))
    land = land_of(ring.clip(0, 65535).astype(np.uint16))
    assert 4 <= len(land.levels) <= 6
    lowest = land.levels[0]
    assert np.mean([inside(lowest, x, y) for x, y in ring[:300]]) > 0.9
    assert not inside(lowest, 32767, 32767)
    assert not inside(lowest, 1_000, 1_000)
    shares = [np.mean([inside(level, x, y) for x, y in ring[:300]]) for level in land.levels]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("rows", [0, 1, 2, 12_000])
def test_land_is_of_bounded_size_and_the_same_again(rows: int) -> None:
    places = np.random.default_rng(rows).integers(0, 65536, (rows, 2)).astype(np.uint16)
    land = land_of(places)
    assert land == land_of(places)
    assert sum(len(polygon) for level in land.levels for polygon in level) <= CORNERS
    assert len(json.dumps(land.levels, separators=(",", ":"))) <= 27_000
    assert all(isinstance(step, int) for level in land.levels for polygon in level for at in polygon for step in at)


def test_an_empty_table_of_labels_has_its_columns(tmp_path: Path) -> None:
    store = Store(tmp_path)
    finding.put_labels(store, [])
    assert store.table(LABELS).schema.field("name").type == pa.string()
