"""Every video has a place on the map and in the index, from one to many, sampled or not, on any runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidatlas
from vidatlas import Options
from vidatlas.errors import ConflictError, UsageError
from vidatlas.pipeline.publish import map as mapping
from vidatlas.pipeline.publish import map as maps
from vidatlas.recipe import Recipe

SERIAL = Options(runner="serial")


def test_every_video_has_a_place_in_the_order_of_the_assignments(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    places = atlas.positions()
    assert places["id"].tolist() == atlas.assignments()["id"].tolist()
    assert places[["x", "y"]].abs().max().max() == pytest.approx(1)
    assert atlas.metrics["search"]["recall_at_10"] > 0.99
    entry = json.loads((Path(small_atlas.url) / "atlas.json").read_text())["stages"]["publish"]
    assert entry["layout"]["sampled"] == small_atlas.rows
    assert {"openTSNE", "faiss-cpu"} <= entry["versions"].keys()


def test_the_nearest_neighbour_of_a_video_is_often_near_on_the_map(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    homes = atlas.assignments()
    places = atlas.positions()[["x", "y"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    groups = homes["group"].to_numpy()
    assert (groups[apart.argmin(axis=1)] == groups).mean() > 0.9


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_an_atlas_of_few_videos(rows: int, tmp_path: Path, hashing_recipe: Recipe, make_lines: Any) -> None:
    part = tmp_path / "few.jsonl"
    part.write_bytes(make_lines(rows))
    atlas = vidatlas.run(hashing_recipe, str(part), tmp_path / "atlas", SERIAL)
    assert len(atlas.positions()) == rows
    first = atlas.positions()["id"][0]
    assert len(atlas.similar(first, 10)) == rows - 1
    assert len(atlas.search("guitar", 10)) == rows
    vidatlas.verify(tmp_path / "atlas")


def test_a_sample_is_laid_out_and_the_rest_placed_beside_it(
    tmp_path: Path, hashing_recipe: Recipe, make_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "TITLED", 60)
    monkeypatch.setattr(maps, "TITLED", 60)
    part = tmp_path / "videos.jsonl"
    part.write_bytes(make_lines(500))
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), {"publish.layout.sample": 150})
    atlas = vidatlas.run(recipe, str(part), tmp_path / "atlas", SERIAL)
    entry = json.loads((tmp_path / "atlas" / "atlas.json").read_text())["stages"]["publish"]
    assert 100 < entry["layout"]["sampled"] < 210
    assert "map.html" in entry["files"]
    places, homes = atlas.positions(), atlas.assignments()
    assert len(places) == 500
    # A video stands among those of its category, sampled or not.
    xy, groups = places[["x", "y"]].to_numpy(), homes["group"].to_numpy()
    apart = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (groups[apart.argmin(axis=1)] == groups).mean() > 0.9


def test_search_and_its_filters(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    found = atlas.search("guitar piano violin concert", 5)
    assert set(found["group"]) == {"Music"}
    assert found["cosine"].min() > 0.5
    elsewhere = atlas.search("guitar piano violin concert", 5, group="Gaming")
    assert set(elsewhere["group"]) == {"Gaming"}
    inside = atlas.search("guitar", 5, group="Music", subcategory=1)
    assert set(inside["subcategory"]) == {1}
    named = atlas.search("guitar", 5, subcategory=inside["name"][0])
    assert set(named["name"]) == {inside["name"][0]}
    video = found["id"][0]
    assert video not in atlas.similar(video, 20)["id"].tolist()
    for wrong in (lambda: atlas.search(" "), lambda: atlas.similar("nope"), lambda: atlas.search("a", group="nope")):
        with pytest.raises(UsageError):
            wrong()


def test_a_text_finds_the_video_that_has_it_as_title(small_atlas: Any) -> None:
    row = vidatlas.open_atlas(small_atlas.url).finder.videos.take([7]).to_pylist()[0]
    found = vidatlas.open_atlas(small_atlas.url).search(row["title"], 20)
    assert row["id"] in found["id"].tolist()


def test_another_encoder_cannot_search(small_atlas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vidatlas.encoders.hashing import HashingEncoder

    monkeypatch.setattr(HashingEncoder, "identity", property(lambda self: {"dim": 3}))
    with pytest.raises(ConflictError, match="another space"):
        vidatlas.open_atlas(small_atlas.url).search("guitar")
