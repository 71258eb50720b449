"""Every built-in recipe makes a whole atlas of tiny data; in place of encoders with a model stands one without."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import vidatlas
from vidatlas import Atlas, Options
from vidatlas.pipeline.explore.status import verify
from vidatlas.recipe import builtin_recipes

Prepared = tuple[list[str], dict[str, Any]]
"""The inputs of a recipe, and settings that name other files or make it small."""


@dataclass(frozen=True)
class Case:
    """Say what a recipe is tried on, and what becomes of the rows."""

    prepare: Callable[[Any, Any, Path], Prepared]
    read: int
    kept: int


def videos(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    (folder / "videos.jsonl").write_bytes(make_lines(120))
    return [str(folder / "videos.jsonl")], tables.SMALL | {"reduce.lexical": None}


def topics(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return videos(tables, make_lines, folder)[0], tables.SMALL | {"reduce.lexical.components": 4}


def pictured(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    inputs, small = videos(tables, make_lines, folder)
    images = folder / "images"
    images.mkdir()
    for number, line in enumerate(Path(inputs[0]).read_bytes().splitlines()):
        shade = Image.fromarray(np.full((24, 32, 3), number, np.uint8))
        shade.save(images / f"{json.loads(line)['display_id']}.jpg")
    network = {"kind": "autoencoder", "width": 16, "height": 8, "channels": [4], "latent": 4, "epochs": 2}
    return inputs, small | {"record.image.folder": str(images), "publish.pictures": network}


def titles(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return [tables.films(folder)], tables.SMALL | tables.TINY_NETWORK


def hashtags(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return tables.hashtags(folder), tables.SMALL


def rated(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    items, ratings = tables.movielens(folder)
    return [items], tables.rated_settings(ratings)


def reviewed(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    inputs, changes = rated(tables, make_lines, folder)
    vidatlas.run(vidatlas.load_recipe("movielens-factors", changes), inputs, folder / "films", Options(runner="serial"))
    return [tables.reviews(folder)], tables.SMALL | {"reduce.probe.classes": str(folder / "films")}


LEXICAL = {"reduce.lexical.components": 4}


def pages(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return tables.pages(folder, make_lines(120)), tables.SMALL | LEXICAL


def trending(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return tables.trending(folder, make_lines(120)), tables.SMALL | LEXICAL


def info_files(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return tables.info_files(folder, make_lines(120)), tables.SMALL | LEXICAL


def movies(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return [tables.movies(folder)], tables.SMALL | LEXICAL | {"record.fields.title.weight": 1}


def movies_1m(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return [tables.movies_1m(folder)], tables.SMALL | LEXICAL | {"record.fields.title.weight": 1}


CASES = {
    "kaggle-trending": Case(trending, 180, 120),
    "movielens-1m": Case(movies_1m, 60, 60),
    "movielens-latest": Case(movies, 60, 60),
    "youtube-api": Case(pages, 120, 120),
    "yt-dlp": Case(info_files, 120, 120),
    "demo": Case(videos, 120, 120),
    "topics": Case(topics, 120, 120),
    "fast": Case(topics, 120, 120),
    "youniverse": Case(videos, 120, 120),
    "netflix": Case(titles, 91, 72),
    "tiktok-hashtags": Case(hashtags, 200, 50),
    "movielens-factors": Case(rated, 60, 60),
    "movielens-reviews": Case(reviewed, 125, 120),
    "youtube-recommender": Case(pictured, 120, 120),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tables: Any, make_lines: Any
) -> tuple[str, Atlas, list[str], Any]:
    folder = tmp_path_factory.mktemp(request.param)
    inputs, changes = CASES[request.param].prepare(tables, make_lines, folder)
    recipe = vidatlas.load_recipe(request.param, changes)
    return request.param, vidatlas.run(recipe, inputs, folder / "atlas", Options(runner="serial")), inputs, recipe


def test_every_built_in_recipe_is_tried() -> None:
    assert sorted(CASES) == builtin_recipes()


def test_rows_add_up_to_the_last_and_every_file_is_whole(made: tuple[str, Atlas, list[str], Any]) -> None:
    name, atlas, _, _ = made
    counts = atlas.counts
    assert counts["read"] == CASES[name].read == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert counts["kept"] == CASES[name].kept
    assert verify(atlas.url)["files"] > 8
    assert len(atlas.assignments()) == atlas.subcategories()["size"].sum() == counts["kept"]
    assert atlas.subcategories()["name"].ne("mixed").any()
    assert Path(atlas.report).read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")


def test_a_second_run_of_the_same_line_touches_nothing(made: tuple[str, Atlas, list[str], Any]) -> None:
    _, atlas, inputs, recipe = made
    before = {file: file.stat().st_mtime_ns for file in Path(atlas.url).rglob("*") if file.is_file()}
    vidatlas.run(recipe, inputs, atlas.url, Options(runner="serial"))
    assert {file: file.stat().st_mtime_ns for file in Path(atlas.url).rglob("*") if file.is_file()} == before


def test_the_same_recipe_gives_the_same_bytes(
    made: tuple[str, Atlas, list[str], Any], tmp_path: Path, world_class: Any
) -> None:
    _, atlas, inputs, recipe = made
    vidatlas.run(recipe, inputs, tmp_path / "again", Options(runner="serial"))
    assert world_class.hashes(tmp_path / "again") == world_class.hashes(Path(atlas.url))


def test_new_records_are_placed(made: tuple[str, Atlas, list[str], Any], tmp_path: Path) -> None:
    _, atlas, inputs, _ = made
    found = vidatlas.assign(atlas.url, inputs[0], tmp_path / "new.parquet")
    placed = pq.read_table(tmp_path / "new.parquet").to_pandas().set_index("id")
    assert found["placed"] == len(placed) > 0
    there = atlas.assignments().set_index("id")["subcategory"]
    assert (placed["subcategory"] == there[placed.index]).mean() > 0.98


def test_a_records_own_words_find_it(made: tuple[str, Atlas, list[str], Any]) -> None:
    name, atlas, _, recipe = made
    shard = sorted((Path(atlas.url) / "embeddings").glob("*.parquet"))[0]
    record = pq.read_table(shard).to_pylist()[5]
    if name == "movielens-factors":  # its vectors come of ratings
        with pytest.raises(vidatlas.VidatlasError, match=r"\(factors\) knows nothing in 'ghosts'.*vidatlas similar"):
            atlas.search("ghosts")
        return
    text = record.get("text") or record[recipe.record.title]
    found = atlas.search(text, k=1)
    assert found["cosine"][0] > 0.5
    if len(recipe.record.embedded()) == 1:
        assert found["title"][0] == record[recipe.record.title]
