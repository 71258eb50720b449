"""Exemplars of the report are linked to their videos, and shown with small images where the atlas has any."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import vidatlas
from vidatlas import Options
from vidatlas.pipeline.publish import linked
from vidatlas.pipeline.publish.linked import link_exemplars
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store, embeddings


@pytest.fixture
def pictured(tmp_path: Path, make_lines: Callable[..., bytes]) -> tuple[Recipe, Store]:
    """Return an atlas of 40 videos, each with an image."""
    rows = [json.loads(line) | {"image": f"{at}.jpg"} for at, line in enumerate(make_lines(40).splitlines())]
    for at in range(40):
        Image.new("RGB", (320, 180), (at * 6, 0, 0)).save(tmp_path / f"{at}.jpg")
    part = tmp_path / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = {
        "encoder": {"kind": "hashing", "dim": 64},
        "record.image": {"column": "image", "folder": str(tmp_path)},
        "reduce.clusters.k": 2,
    }
    recipe = vidatlas.load_recipe("demo", changes)
    vidatlas.run(recipe, str(part), tmp_path / "atlas", Options(runner="serial"))
    return recipe, Store(tmp_path / "atlas")


def test_images_are_small_and_fit_in_their_room(
    pictured: tuple[Recipe, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, store = pictured
    table = store.table("subcategories.parquet").to_pylist()
    found = link_exemplars(recipe, store, table)
    assert found.images.keys() == found.links.keys() == {key for row in table for key in row["exemplars"]}
    start, data = next(iter(found.images.values())).split(",", 1)
    assert start == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (144, 81)
    monkeypatch.setattr(linked, "MOST_IMAGE_BYTES", 3 * len(data))
    few = link_exemplars(recipe, store, table).images
    first = {row["exemplars"][0] for row in sorted(table, key=lambda row: -row["size"])[:3]}
    assert first <= few.keys(), "one of each before a second of any"
    assert len(few) < len(found.images)


def test_an_image_that_is_gone_is_left_out(pictured: tuple[Recipe, Store]) -> None:
    recipe, store = pictured
    table = store.table("subcategories.parquet").to_pylist()
    assert recipe.record.image
    for file in Path(recipe.record.image.folder).glob("*.jpg"):
        file.unlink()
    assert link_exemplars(recipe, store, table).images == {}


def test_there_are_no_links_without_a_template(small_atlas: Any) -> None:
    store = Store(small_atlas.url)
    bare = small_atlas.recipe.model_copy(update={"record": small_atlas.recipe.record.model_copy(update={"url": None})})
    table = store.table("subcategories.parquet").to_pylist()
    assert link_exemplars(bare, store, table) == linked.Linked({}, {})
    assert len(link_exemplars(small_atlas.recipe, store, table).links) > 0


def test_links_read_ids_and_their_columns_until_all_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, shards = Store(str(tmp_path)), ["a-0", "a-1", "a-2"]
    for number, shard in enumerate(shards):
        path = tmp_path / embeddings(shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(8, np.float16)), 4)
        ids = [f"v{number}", f"w{number}"]
        pq.write_table(pa.table({"id": ids, "channel": ["A b", None], "embedding": vectors}), path)
    read: list[tuple[str, ...]] = []
    whole = pq.ParquetFile.read

    def reading(self: Any, columns: Any = None) -> Any:
        read.append(tuple(columns))
        return whole(self, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read", reading)
    monkeypatch.setattr(linked, "sealed_shards", lambda entry: [(shard, {}) for shard in shards])
    monkeypatch.setattr(Store, "stage", lambda self, name: {})
    url = "https://example.org/{channel}/{id}"
    recipe = vidatlas.load_recipe("demo", {"record.columns": {"channel": "channel_title"}, "record.url": url})
    table = [{"exemplars": ["v1"], "size": 2}, {"exemplars": ["v0", "w0"], "size": 1}]
    found = link_exemplars(recipe, store, cast(Any, table)).links
    assert found == {"v0": "https://example.org/A%20b/v0", "v1": "https://example.org/A%20b/v1"}
    assert read == [("id", "channel")] * 2
