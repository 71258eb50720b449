"""The Python API: what ``fit`` makes of texts; plan, embed, reduce, publish and run are tested as promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidatlas
from vidatlas import Options, Recipe
from vidatlas.errors import UsageError

SERIAL = Options(runner="serial", max_rejects=0.1)


@pytest.fixture(scope="module")
def videos(make_lines: Callable[..., bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in make_lines(90).splitlines()]


def test_texts_become_an_atlas(videos: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path) -> None:
    texts, groups = [video["title"] for video in videos], [video["categories"] for video in videos]
    atlas = vidatlas.fit([*texts, None], [*groups, None], atlas=tmp_path, recipe=hashing_recipe, options=SERIAL)
    assert atlas.counts == {"read": 91, "kept": 90, "rejected": 1, "duplicates": 0, "rejects": {"no_text": 1}}
    assert set(atlas.subcategories()["group"]) == set(groups)
    assert atlas.embeddings()[0] == [str(number) for number in range(90)]
    assert atlas.search(texts[4], k=1)["title"].tolist() == [texts[4]]


def test_given_vectors_take_the_place_of_the_encoder(
    videos: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    vectors = np.eye(3)[np.arange(90) // 30] + np.random.default_rng(0).normal(size=(90, 3)) / 20
    ids = [video["display_id"] for video in videos]
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), {"reduce.clusters.k": 3})
    vectors[8, 1] = np.nan
    atlas = vidatlas.fit([video["title"] for video in videos], None, vectors, ids, recipe=recipe, options=SERIAL)
    assert atlas.counts["rejects"] == {"invalid_vector": 1}
    assert Path(atlas.url).parent == tmp_path
    placed = atlas.assignments().set_index("id")["subcategory"]
    for first in (0, 30, 60):
        assert placed.loc[[key for key in ids[first : first + 30] if key != ids[8]]].nunique() == 1
    assert sorted(atlas.subcategories()["size"]) == [29, 30, 30]


def test_a_column_of_another_length_is_refused(hashing_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are 2 texts, but 1 of group"):
        vidatlas.fit(["a", "b"], ["x"], atlas=tmp_path, recipe=hashing_recipe, options=SERIAL)
