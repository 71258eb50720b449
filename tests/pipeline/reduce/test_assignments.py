"""The assignments of every atlas have one schema, and name the group in which a record was clustered."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import vidatlas
from vidatlas.clustering.kmeans import Assignment
from vidatlas.pipeline.reduce.assignments import (
    ALL,
    SCHEMA,
    assignment_table,
    clustered_groups,
    count_peripheral,
    read_assignments,
)
from vidatlas.recipe import load_recipe
from vidatlas.storage.store import Store
from vidatlas.storage.tables import sealed_shards

FOUND = Assignment(np.array([1, 0], np.int32), np.array([0.5, 1], np.float32), np.array([np.nan, 2], np.float32))
RECORDS = pa.table({"id": ["a", "b"], "group": ["x", "y"], "title": ["t", "u"]})


def test_records_are_clustered_in_their_group_or_all_together() -> None:
    assert clustered_groups(RECORDS["group"], "group").tolist() == ["x", "y"]
    assert clustered_groups(RECORDS["group"], "all").tolist() == [ALL, ALL]


def test_the_columns_of_a_clusterer_stand_behind_those_of_all() -> None:
    table = assignment_table(RECORDS, np.array(["x", "y"], object), FOUND, {"value": pa.array([3.0, 4.0])})
    assert table.schema.names == [*SCHEMA.names, "value"]
    assert table.select(SCHEMA.names).schema == SCHEMA
    assert table.to_pylist()[0] == {
        "id": "a", "group": "x", "in_group": "x", "subcategory": 1, "distance": 0.5, "margin": None, "value": 3.0,
    }  # fmt: skip


@pytest.fixture(scope="module", params=["group", "all"])
def atlas(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> vidatlas.Atlas:
    folder = tmp_path_factory.mktemp(request.param)
    rows = [
        {
            "display_id": f"v{n}",
            "categories": "ab"[n % 2],
            "title": f"{['red', 'blue'][n // 2 % 2]} {n % 5}",
            "tags": "",
        }
        for n in range(40)
    ]
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"encoder": {"kind": "hashing", "dim": 16}, "source.shard_rows": 9, "reduce.pca.components": 4}
    recipe = load_recipe("demo", changes | {"reduce.clusters": {"within": request.param, "k": 2}})
    return vidatlas.run(recipe, str(folder / "videos.jsonl"), str(folder / "atlas"), vidatlas.Options(runner="serial"))


def test_each_shard_has_the_schema(atlas: vidatlas.Atlas) -> None:
    store = Store(atlas.url)
    reduced = store.stage("reduce")
    shards = [name.split("/")[1][:-8] for name in reduced["files"] if name.startswith("assignments/")]
    assert len(shards) == 5
    assert all(read_assignments(store, shard, reduced).schema == SCHEMA for shard in shards)


def test_those_outside_the_core_are_counted_as_row_by_row(atlas: vidatlas.Atlas) -> None:
    store, rows = Store(atlas.url), atlas.assignments()
    homes = {home: float(found["distance"].median()) for home, found in rows.groupby(["in_group", "subcategory"])}
    block = list(sealed_shards(store.stage("embed")))
    expected = Counter(
        (row.in_group, row.subcategory)
        for row in rows.itertuples()
        if row.distance > np.float32(homes[row.in_group, row.subcategory])
    )
    found = count_peripheral(store, homes, block)
    assert expected
    assert +found == expected
    assert found.keys() == homes.keys()


def test_each_record_finds_its_subcategory_by_the_group_it_was_clustered_in(atlas: vidatlas.Atlas) -> None:
    names = atlas.subcategories().set_index(["group", "subcategory"])["name"]
    homes = {row.id: names[row.in_group, row.subcategory] for row in atlas.assignments().itertuples()}
    found = atlas.search("red 1", 40)
    assert dict(zip(found["id"], found["name"], strict=True)) == homes
    name = homes["v0"]
    inside = atlas.search("red 1", 40, subcategory=name)
    assert set(inside["id"]) == {video for video, home in homes.items() if home == name}
    same = {suggestion.id for suggestion in atlas.suggest("v0", 40, "subcategory")}
    assert same
    assert same <= {video for video, home in homes.items() if home == name} - {"v0"}
