"""Given vectors become the atlas's own, from a column or a file beside the input, and every row is accounted for."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

import vidatlas
from vidatlas import Options, Recipe
from vidatlas.app.serving import prepare
from vidatlas.cli.main import app
from vidatlas.errors import InputError, UsageError
from vidatlas.recipe import load_recipe
from vidatlas.storage.manifest import content_sha256
from vidatlas.storage.store import Store

SERIAL = Options(runner="serial", max_rejects=0.1)
ROWS, DIM = 90, 6
BAD = {3: None, 40: [1.0] * (DIM - 1), 41: [*[1.0] * (DIM - 1), None]}
"""Rows whose vector is null, too short, or has a number that is missing."""


def vectors() -> np.ndarray[Any, np.dtype[np.float32]]:
    noise = np.random.default_rng(0).normal(size=(ROWS, DIM))
    return (noise + 9 * np.eye(DIM)[np.arange(ROWS) // 30]).astype(np.float16).astype(np.float32)


def rows(make_lines: Callable[..., bytes]) -> list[dict[str, Any]]:
    """Return 90 videos around three directions, three of them with an unusable vector."""
    found = [json.loads(line) for line in make_lines(ROWS).splitlines()]
    for number, (row, vector) in enumerate(zip(found, vectors().tolist(), strict=True)):
        row["embedding"] = BAD.get(number, vector)
    return found


@pytest.fixture
def given(hashing_recipe: Recipe) -> Callable[..., Recipe]:
    """Return a function that makes a recipe with given vectors."""
    whole = hashing_recipe.model_dump(mode="json")

    def make(**changes: Any) -> Recipe:
        encoder = {"kind": "given", **(changes or {"column": "embedding"})}
        return load_recipe(whole, {"encoder": encoder, "mix.normalize": False, "reduce.pca.components": 3})

    return make


def write_lines(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def as_parquet(path: Path, found: list[dict[str, Any]], kind: pa.DataType) -> Path:
    table = pa.Table.from_pylist([{key: row[key] for key in row if key != "embedding"} for row in found])
    lists = pa.array([row["embedding"] for row in found], kind)
    pq.write_table(table.append_column("embedding", lists), path, row_group_size=50)
    return path


def as_csv(path: Path, found: list[dict[str, Any]]) -> Path:
    cells = [[row["display_id"], row["categories"], row["title"], json.dumps(row["embedding"])] for row in found]
    lines = [f'{key},{group},{title},"{vector}"' for key, group, title, vector in cells]
    path.write_text("\n".join(["display_id,categories,title,embedding", *lines]), encoding="utf-8")
    return path


def test_vectors_are_kept_as_given_and_other_rows_are_rejected(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    found = rows(make_lines)
    parts = {
        "lines": write_lines(tmp_path / "v.jsonl", found),
        "float64": as_parquet(tmp_path / "v64.parquet", found, pa.list_(pa.float64())),
        "float16": as_parquet(tmp_path / "v16.parquet", found, pa.large_list(pa.float16())),
    }
    wanted = np.delete(vectors(), list(BAD), axis=0)
    for name, part in parts.items():
        vidatlas.embed(given(), part, tmp_path / name, SERIAL)
        atlas = vidatlas.open_atlas(tmp_path / name)
        counts = {"read": ROWS, "kept": ROWS - 3, "rejected": 3, "duplicates": 0, "rejects": {"invalid_vector": 3}}
        assert atlas.counts == counts
        ids, kept = atlas.embeddings()
        assert kept.dtype == np.float16
        np.testing.assert_array_equal(kept, wanted)
        assert ids == [row["display_id"] for number, row in enumerate(found) if number not in BAD]
        lost = sorted((tmp_path / name / "rejects").iterdir())
        lines = [json.loads(line) for file in lost for line in gzip.decompress(file.read_bytes()).splitlines()]
        assert [(line["line"] - 1, line["reason"]) for line in lines] == [(row, "invalid_vector") for row in BAD]


def test_cells_of_a_table_hold_lists_and_no_row_needs_a_text(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    found = rows(make_lines)
    found[0]["title"] = ""
    changed = given().model_dump(mode="json") | {"source": {"format": "csv", "shard_rows": 40}}
    recipe = load_recipe(changed, {"record.fields.tags.column": "title", "mix.normalize": True})
    vidatlas.embed(recipe, as_csv(tmp_path / "v.csv", found), tmp_path / "atlas", SERIAL)
    atlas = vidatlas.open_atlas(tmp_path / "atlas")
    assert atlas.counts["rejects"] == {"invalid_vector": 3}
    ids, kept = atlas.embeddings()
    assert ids[0] == found[0]["display_id"]
    np.testing.assert_allclose(np.linalg.norm(kept.astype(np.float32), axis=1), 1, atol=1e-3)


def test_a_file_beside_the_input_has_a_vector_for_each_row(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    lines = make_lines(ROWS).splitlines(keepends=True)
    lines[7] = b"not json\n"
    part, file = tmp_path / "v.jsonl", tmp_path / "vectors.npy"
    part.write_bytes(b"".join(lines))
    found = vectors()
    found[50, 2] = np.nan
    np.save(file, found)
    recipe, url = given(file=str(file)), tmp_path / "atlas"
    atlas = vidatlas.run(recipe, part, url, SERIAL)
    assert atlas.counts["rejects"] == {"invalid_json": 1, "invalid_vector": 1}
    np.testing.assert_array_equal(atlas.embeddings()[1], np.delete(found, [7, 50], axis=0))
    assert "Given file (sha256)" in Path(atlas.url, "README.md").read_text(encoding="utf-8")
    before = content_sha256(Store(url).manifest())

    with pytest.raises(UsageError, match=r"vectors\.npy, which has none for new rows"):
        vidatlas.assign(url, part, tmp_path / "new.parquet")

    moved = tmp_path / "elsewhere.npy"
    file.rename(moved)
    vidatlas.run(given(file=str(moved)), part, url, SERIAL)
    assert content_sha256(Store(url).manifest()) == before

    found[0] += 1
    np.save(moved, found)
    vidatlas.embed(given(file=str(moved)), part, url, SERIAL)
    assert atlas.embeddings()[1][0].tolist() == found[0].astype(np.float16).tolist()


def test_a_file_that_changes_between_plan_and_embedding_is_planned_again(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    part, file = tmp_path / "v.jsonl", tmp_path / "vectors.npy"
    part.write_bytes(make_lines(ROWS))
    np.save(file, vectors())
    recipe, url = given(file=str(file)), tmp_path / "atlas"
    assert vidatlas.plan(recipe, part, url, SERIAL)["counts"]["kept"] == ROWS
    found = vectors()
    found[1] = np.inf
    np.save(file, found)
    os.utime(file, (0, 0))
    assert vidatlas.embed(recipe, part, url, SERIAL)["counts"]["kept"] == ROWS - 1


def test_a_file_of_another_number_of_rows_or_several_inputs_is_refused(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    part, file = tmp_path / "v.jsonl", tmp_path / "vectors.npy"
    part.write_bytes(make_lines(ROWS))
    for there in (ROWS - 1, ROWS + 1):
        np.save(file, np.ones((there, 2), np.float32))
        with pytest.raises(InputError, match=rf"v\.jsonl has {ROWS} rows and .*vectors\.npy {there} vectors"):
            vidatlas.plan(given(file=str(file)), part, tmp_path / "atlas", SERIAL)
    limited = load_recipe(given(file=str(file)).model_dump(mode="json"), {"source.limit": 10})
    assert vidatlas.plan(limited, part, tmp_path / "limited", SERIAL)["counts"]["kept"] == 10
    with pytest.raises(UsageError, match="holds the vectors of one input file, and there are 2"):
        vidatlas.plan(given(file=str(file)), [part, file], tmp_path / "atlas", SERIAL)


def test_dimensions_are_those_of_the_first_vector_or_of_the_recipe(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    found = rows(make_lines)
    one = write_lines(tmp_path / "one.jsonl", found[:2])
    for row in found[50:52]:
        row["embedding"] = [1.0, 2.0]
    two = write_lines(tmp_path / "two.jsonl", found[50:52])
    with pytest.raises(InputError, match=r"6 dimensions in .*one\.jsonl and 2 in .*two\.jsonl"):
        vidatlas.plan(given(), [one, two], tmp_path / "atlas", SERIAL)
    planned = vidatlas.plan(
        given(column="embedding", dim=2), [one, two], tmp_path / "set", Options(runner="serial", max_rejects=0.5)
    )
    assert (planned["vectors"], planned["counts"]["kept"]) == ({"dim": 2}, 2)
    none = write_lines(tmp_path / "none.jsonl", [{**row, "embedding": []} for row in found[:2]])
    with pytest.raises(InputError, match=r"no row of .*none\.jsonl has a usable vector"):
        vidatlas.plan(given(), none, tmp_path / "none", Options(runner="serial", max_rejects=1.0))


def test_a_column_that_is_not_there_is_named(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    part = write_lines(tmp_path / "v.jsonl", rows(make_lines))
    with pytest.raises(UsageError, match=r"no such column: 'emb'.*embedding"):
        vidatlas.plan(given(column="emb"), part, tmp_path / "atlas", SERIAL)


def test_new_rows_are_assigned_by_their_own_vectors(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    found = rows(make_lines)
    atlas = vidatlas.run(given(), write_lines(tmp_path / "v.jsonl", found), tmp_path / "atlas", SERIAL)
    counts = vidatlas.assign(
        atlas.url, as_parquet(tmp_path / "new.parquet", found[:45], pa.list_(pa.float32())), tmp_path / "out.parquet"
    )
    assert counts == {"read": 45, "placed": 42, "rejects": {"invalid_vector": 3}}
    placed = pq.read_table(tmp_path / "out.parquet").to_pandas().set_index("id")
    theirs = atlas.assignments().set_index("id").loc[placed.index]
    assert placed["subcategory"].tolist() == theirs["subcategory"].tolist()


def test_texts_are_only_compared_with_titles(
    tmp_path: Path, make_lines: Callable[..., bytes], given: Callable[..., Recipe]
) -> None:
    part = write_lines(tmp_path / "v.jsonl", rows(make_lines))
    atlas = vidatlas.run(given(), part, tmp_path / "atlas", SERIAL)
    ids = atlas.embeddings()[0]
    assert set(atlas.similar(ids[0], k=5)["id"]) <= set(ids[:29])
    assert vidatlas.verify(atlas.url)["kept"] == ROWS - 3
    assert not atlas.encodes_texts
    done = CliRunner().invoke(app, ["search", atlas.url, "xylophone"])
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2
    assert "vidatlas similar" in str(done.exception)
    assert {reason for found in atlas.suggest(ids[0], 3) for reason in found.reasons}
    card, report = (Path(atlas.url, name).read_text(encoding="utf-8") for name in ("README.md", "report.html"))
    assert "was given in the input" in card
    assert "weighted mean" not in card
    assert "Dots that lie close together are alike by their given vectors" in report
    site = TestClient(prepare(atlas.url), "http://127.0.0.1")
    # Nothing here can encode a text: its words are compared with those of the titles.
    title = atlas.videos()["title"][0]
    assert site.get("/api/search", params={"q": title}).json()["videos"][0]["title"] == title
