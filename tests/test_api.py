"""The Python API: what it calls back, and what ``fit`` makes of texts; the rest is tested as promises."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidatlas
from vidatlas import Options, Recipe
from vidatlas.errors import UsageError
from vidatlas.pipeline.plan import plan as planning
from vidatlas.storage.store import Store


@pytest.fixture
def part_file(tmp_path: Path, make_lines: Any) -> Path:
    path = tmp_path / "videos.jsonl"
    path.write_bytes(make_lines(60))
    return path


SERIAL = Options(runner="serial", max_rejects=1.0)


@pytest.mark.parametrize("verb", [vidatlas.plan, vidatlas.embed, vidatlas.run])
def test_the_plan_is_made_once_and_shown_before_anything_is_embedded(
    verb: Any, hashing_recipe: Any, part_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas, seen, calls = str(tmp_path / "atlas"), [], []
    plan = planning.plan
    monkeypatch.setattr(planning, "plan", lambda *given: (calls.append(1), plan(*given))[1])

    def planned(entry: Any) -> None:
        seen.append((entry["counts"]["read"], Store(atlas).receipts()))

    verb(hashing_recipe, str(part_file), atlas, SERIAL, planned=planned)
    assert seen == [(Store(atlas).stage("plan")["counts"]["read"], {})]
    assert calls == [1]


def test_an_error_of_the_caller_ends_the_run_before_anything_is_embedded(
    hashing_recipe: Any, part_file: Path, tmp_path: Path
) -> None:
    def planned(entry: Any) -> None:
        raise UsageError("too dear")

    with pytest.raises(UsageError, match="too dear"):
        vidatlas.run(hashing_recipe, str(part_file), str(tmp_path / "atlas"), SERIAL, planned=planned)
    assert not Store(str(tmp_path / "atlas")).receipts()


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
