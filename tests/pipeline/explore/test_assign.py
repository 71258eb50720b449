"""New videos land where equal ones of the atlas are."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import vidatlas
from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.explore import assign as module
from vidatlas.pipeline.reduce.models import load_centroids
from vidatlas.recipe import load_recipe
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import EncoderIdentity
from vidatlas.storage.store import Store, to_json

Atlas = Any


def place(atlas: Atlas, rows: list[bytes], tmp_path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    new, out = tmp_path / "new.jsonl", tmp_path / "out.parquet"
    new.write_bytes(b"\n".join(rows))
    counts = vidatlas.assign(atlas.url, str(new), str(out))
    return pd.read_parquet(out), counts


def test_a_video_equal_to_one_of_the_atlas_lands_in_its_subcategory(small_atlas: Atlas, tmp_path: Path) -> None:
    rows = gzip.decompress(small_atlas.part.read_bytes()).splitlines()[: small_atlas.rows]
    placed, counts = place(small_atlas, rows, tmp_path)
    assert counts == {"read": small_atlas.rows, "placed": small_atlas.rows, "rejects": {}}
    theirs = vidatlas.open_atlas(small_atlas.url).assignments().set_index("id").loc[placed["id"]]
    # The atlas keeps its vectors as float16: a row between two centroids may fall to either side.
    clear = (placed["margin"].to_numpy() > 1e-3) | placed["margin"].isna().to_numpy()
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(placed["subcategory"][clear], theirs["subcategory"].to_numpy()[clear])
    np.testing.assert_allclose(placed["distance"], theirs["distance"], atol=1e-3)
    np.testing.assert_array_equal(placed["in_group"], theirs["group"])
    np.testing.assert_array_equal(placed["in_group"], placed["group"])


def test_names_are_those_of_the_atlas(small_atlas: Atlas, tmp_path: Path) -> None:
    rows = gzip.decompress(small_atlas.part.read_bytes()).splitlines()[:50]
    placed, _ = place(small_atlas, rows, tmp_path)
    table = vidatlas.open_atlas(small_atlas.url).subcategories().set_index(["group", "subcategory"])
    assert [table.loc[(row.in_group, row.subcategory), "name"] for row in placed.itertuples()] == list(placed["name"])


def test_a_video_of_an_unknown_group_goes_to_the_nearest_of_all(small_atlas: Atlas, tmp_path: Path) -> None:
    rows = [json.loads(row) for row in gzip.decompress(small_atlas.part.read_bytes()).splitlines()[:40]]
    known = [json.dumps(row).encode() for row in rows]
    unknown = [json.dumps({**row, "categories": "Astronomy"}).encode() for row in rows]
    at_home, _ = place(small_atlas, known, tmp_path)
    placed, _ = place(small_atlas, unknown, tmp_path)
    assert set(placed["group"]) == {"Astronomy"}
    groups = list(load_centroids(Store(small_atlas.url)))
    assert set(placed["in_group"]) <= set(groups)
    assert (placed["distance"] <= at_home["distance"] + 1e-6).all()
    everywhere = [
        place(small_atlas, [json.dumps({**row, "categories": group}).encode() for row in rows], tmp_path)[0]["distance"]
        for group in groups
    ]
    np.testing.assert_allclose(placed["distance"], np.min(everywhere, axis=0), rtol=1e-5)


def test_what_cannot_be_placed_is_written_with_its_reason(small_atlas: Atlas, tmp_path: Path) -> None:
    good = b'{"display_id": "n", "title": "piano concert", "tags": "violin", "categories": "Music"}'
    placed, counts = place(small_atlas, [good, b"{", good, b'{"display_id": "x"}'], tmp_path)
    assert placed["id"].tolist() == ["n"]
    assert counts == {"read": 4, "placed": 1, "rejects": {"duplicate_id": 1, "invalid_json": 1, "no_text": 1}}
    lost = gzip.decompress((tmp_path / "out.rejects.jsonl.gz").read_bytes()).splitlines()
    reasons = [(json.loads(line)["line"], json.loads(line)["reason"]) for line in lost]
    assert reasons == [(2, "invalid_json"), (3, "duplicate_id"), (4, "no_text")]


def test_nothing_rejected_leaves_no_file_of_rejects_and_nothing_new_an_empty_table(
    small_atlas: Atlas, tmp_path: Path
) -> None:
    placed, counts = place(small_atlas, [], tmp_path)
    assert counts == {"read": 0, "placed": 0, "rejects": {}}
    assert list(placed) == ["id", "group", "in_group", "subcategory", "distance", "margin", "name"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.jsonl", "out.parquet"]


def test_absent_input_and_an_unfinished_atlas_are_refused(small_atlas: Atlas, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        vidatlas.assign(small_atlas.url, str(tmp_path / "none"), str(tmp_path / "out.parquet"))
    with pytest.raises(UsageError, match="plan is not done yet"):
        vidatlas.assign(str(tmp_path), str(small_atlas.part), str(tmp_path / "out.parquet"))


def test_another_encoder_is_refused(tmp_path: Path, reseal: Callable[[Path, str], None]) -> None:
    part, atlas = tmp_path / "videos.jsonl", tmp_path / "atlas"
    rows = [{"display_id": str(at), "title": f"title {at}", "tags": "x", "categories": "c"} for at in range(9)]
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = load_recipe("demo", {"encoder": {"kind": "hashing", "dim": 8}})
    vidatlas.run(recipe, str(part), str(atlas), vidatlas.Options(runner="serial"))
    store = Store(str(atlas))
    store.put(layout.ENCODER, to_json({**store.read_json(layout.ENCODER, EncoderIdentity), "dim": 16}))
    reseal(atlas, layout.ENCODER)
    with pytest.raises(ConflictError, match="was made with dim 16, but here it is 8"):
        vidatlas.assign(str(atlas), str(part), str(tmp_path / "out.parquet"))


def test_an_atlas_without_a_recipe_that_this_version_knows_is_refused(small_atlas: Atlas, tmp_path: Path) -> None:
    atlas = Path(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    manifest = json.loads((atlas / "atlas.json").read_text())
    for recipe in (None, [], manifest["recipe"] | {"encoder": {"kind": "\x1b[31m"}}):
        (atlas / "atlas.json").write_text(json.dumps(manifest | {"recipe": recipe}))
        with pytest.raises(InputError, match=r"atlas\.json: recipe"):
            vidatlas.assign(str(atlas), str(small_atlas.part), str(tmp_path / "out.parquet"))
        with pytest.raises(InputError, match=r"atlas\.json: recipe"):
            vidatlas.open_atlas(atlas).search("guitar")


def test_a_file_in_the_root_of_the_disk_is_written_there(monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[str] = []

    class Recorded:
        def __init__(self, folder: str) -> None:
            folders.append(folder)

        def put_table(self, name: str, table: object) -> None:
            folders.append(name)

    monkeypatch.setattr(module, "Store", Recorded)
    module._write("/out.parquet", pa.table({}), b"")
    assert folders == ["/", "out.parquet"]


def test_assignments_are_parquet_in_a_folder_that_exists(tmp_path: Path) -> None:
    for out, said in (("x.csv", r"ends in \.parquet"), ("no/x.parquet", "no such folder")):
        with pytest.raises(UsageError, match=said):
            vidatlas.assign(tmp_path / "atlas", tmp_path / "new.jsonl", tmp_path / out)
