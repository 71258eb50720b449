"""The search index is that of all rows in order, however they are divided and wherever tasks run."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from vidatlas.clustering.kmeans import sample_rows
from vidatlas.pipeline.publish.index import make_index
from vidatlas.pipeline.stage import Run, Steps
from vidatlas.recipe import Recipe
from vidatlas.runners.serial import SerialRunner
from vidatlas.search_index import BruteForce, K, SearchIndex, recall_at, training_rows, unit, without
from vidatlas.storage import store as layout
from vidatlas.storage import tables
from vidatlas.storage.store import Store
from vidatlas.storage.tables import matrix, read_embeddings, sealed_shards
from vidatlas.types import Event, Options

T = TypeVar("T")
R = TypeVar("R")


class FarRunner(SerialRunner):
    """Send functions, items and results through bytes, as a cluster does."""

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        sent = pickle.dumps(function)
        for item in items:
            yield pickle.loads(pickle.dumps(pickle.loads(sent)(pickle.loads(pickle.dumps(item)))))


@pytest.fixture
def store(small_atlas: Any, tmp_path: Path) -> Store:
    return Store(shutil.copytree(small_atlas.url, tmp_path / "atlas"))


def steps_of(recipe: Recipe, store: Store, runner: SerialRunner, listener: Callable[[Event], None]) -> Steps:
    return Steps(Run(recipe, store, runner, Options(), listener), "publish", 2)


def recipe_with(recipe: Recipe, **index: Any) -> Recipe:
    spec = recipe.publish.index.model_copy(update=index)
    return recipe.model_copy(update={"publish": recipe.publish.model_copy(update={"index": spec})})


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_blocks_make_the_index_and_the_facts_of_all_rows(
    small_atlas: Any, store: Store, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, shards = recipe_with(small_atlas.recipe, kind=kind), list(sealed_shards(store.stage("embed")))
    spec = recipe.publish.index
    rows = np.concatenate([unit(matrix(read_embeddings(store, *shard)["embedding"])) for shard in shards])
    training = rows[sample_rows(len(rows), training_rows(spec, len(rows)), spec.seed)]
    plain = SearchIndex.empty(spec, *rows.shape, training)
    plain.index.add(rows)
    own = sample_rows(len(rows), 200, spec.seed + 1)
    brute = BruteForce(rows[own], K + 1)
    brute.add(rows)

    made = []
    for most, runner in ((512, SerialRunner()), (2, FarRunner())):
        monkeypatch.setattr(tables, "MOST_BLOCKS", most)
        events: list[Event] = []
        files, facts = make_index(recipe, store, shards, steps_of(recipe, store, runner, events.append))
        made.append((files, facts))
        assert store.read(layout.INDEX) == plain.to_bytes()
        assert store.intact(files)
        plain.probes = facts["probes"]
        found = without(plain.search(rows[own], K + 1)[0], own)
        assert facts["recall_at_10"] == recall_at(found, without(brute.rows, own))
        blocks = [event for event in events if "building" in event.facts["step"] and "inside" in event.facts]
        assert [tuple(event.facts["inside"].values())[:2] for event in blocks] == [
            (at, min(most, len(shards))) for at in range(min(most, len(shards)) + 1)
        ]
    assert len(shards) > 2
    assert made[0] == made[1]
    assert store.read(layout.INDEX_VIDEOS) == Path(small_atlas.url, layout.INDEX_VIDEOS).read_bytes()
    assert sorted(store.folder.list("index")) == sorted(made[0][0])


@pytest.mark.parametrize("kind", ["none", "flat"])
def test_what_an_interrupted_run_left_is_removed(small_atlas: Any, store: Store, kind: str) -> None:
    left = layout.index_part(layout.INDEX, 7)
    store.put(left, b"half")
    recipe, shards = recipe_with(small_atlas.recipe, kind=kind), list(sealed_shards(store.stage("embed")))
    make_index(recipe, store, shards, steps_of(recipe, store, SerialRunner(), lambda event: None))
    assert store.folder.size(left) is None


def test_an_atlas_on_a_remote_store_gets_the_same_index(
    small_atlas: Any, store: Store, memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    far, recipe = Store(memory), recipe_with(small_atlas.recipe, kind="ivf")
    for name in Path(store.url).rglob("*"):
        if name.is_file():
            far.put(str(name.relative_to(store.url)), name.read_bytes())
    shards = list(sealed_shards(store.stage("embed")))
    made = [
        make_index(recipe, each, shards, steps_of(recipe, each, SerialRunner(), lambda event: None))
        for each in (store, far)
    ]
    assert made[0] == made[1]
    assert sorted(far.folder.list("index")) == sorted(made[1][0])
    # Nothing else is left in the cache than the index, which was searched there.
    assert [file.name for file in (tmp_path / "cache" / "vidatlas").iterdir()] == [made[1][0][layout.INDEX]["sha256"]]
