"""A Parquet file gives the atlas that its rows as JSON lines give, and a recipe for CSV reads it too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas import Options
from vidatlas.errors import InputError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store

SERIAL = Options(runner="serial")


@pytest.fixture
def videos(tmp_path: Path, make_lines: Callable[..., bytes]) -> tuple[Path, Path]:
    """Return 200 videos as JSON lines and as Parquet in row groups of 70: shards of 60 begin in the middle of some."""
    lines = tmp_path / "lines" / "videos.jsonl"
    lines.parent.mkdir()
    lines.write_bytes(make_lines(200))
    table = pa.Table.from_pylist([json.loads(line) for line in lines.read_bytes().splitlines()])
    table = table.append_column("thumbnail", pa.array([b"\xff"] * 200))
    pq.write_table(table, tmp_path / "videos.parquet", row_group_size=70)
    return lines, tmp_path / "videos.parquet"


def rows_of(atlas: Path) -> list[dict[str, Any]]:
    return [row for file in sorted((atlas / "embeddings").iterdir()) for row in pq.read_table(file).to_pylist()]


def test_the_atlas_is_that_of_json_lines(tmp_path: Path, videos: tuple[Path, Path], hashing_recipe: Recipe) -> None:
    lines, table = videos
    tmp_path /= "atlases"
    for name, part in (("lines", lines), ("table", table)):
        vidatlas.run(hashing_recipe, str(part), tmp_path / name, SERIAL)
    assert rows_of(tmp_path / "table") == rows_of(tmp_path / "lines")
    assert len(rows_of(tmp_path / "table")) == 200
    found = vidatlas.open_atlas(tmp_path / "table").assignments()
    assert (
        found["subcategory"].tolist() == vidatlas.open_atlas(tmp_path / "lines").assignments()["subcategory"].tolist()
    )


def test_a_file_that_changed_since_it_was_planned_is_refused(
    tmp_path: Path, videos: tuple[Path, Path], hashing_recipe: Recipe
) -> None:
    part = videos[1]
    vidatlas.plan(hashing_recipe, str(part), tmp_path / "atlas", SERIAL)
    table = pq.read_table(part)
    titles = table["title"].to_pylist()
    at = table.column_names.index("title")
    pq.write_table(table.set_column(at, "title", pa.array([*titles[:-1], "another"])), part, row_group_size=70)
    first, *_, last = load_shards(Store(tmp_path / "atlas"))
    read_shard(first, hashing_recipe.record, hashing_recipe.rows)
    with pytest.raises(InputError, match=r"videos\.parquet changed since it was planned \(rows 181 to 200 differ\)"):
        read_shard(last, hashing_recipe.record, hashing_recipe.rows)


def test_a_recipe_for_csv_reads_parquet_too(tmp_path: Path) -> None:
    films = [
        {"show_id": f"s{n}", "type": kind, "title": f"film {n}", "listed_in": "Dramas", "release_year": 1990 + n}
        | dict.fromkeys(("director", "cast", "country", "date_added", "rating", "duration", "description"), f"text {n}")
        for n, kind in enumerate(["Movie", "TV Show"] * 5)
    ]
    pq.write_table(pa.Table.from_pylist(films), tmp_path / "titles.parquet")
    counts = vidatlas.plan("netflix", str(tmp_path / "titles.parquet"), tmp_path / "atlas", SERIAL)["counts"]
    assert counts["read"] == 10
    assert counts["rejects"] == {"excluded": 5}


def test_a_damaged_file_is_refused_by_name(tmp_path: Path, videos: tuple[Path, Path], hashing_recipe: Recipe) -> None:
    part = videos[1]
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"videos\.parquet is damaged"):
        vidatlas.run(hashing_recipe, str(part), tmp_path / "atlas", SERIAL)
