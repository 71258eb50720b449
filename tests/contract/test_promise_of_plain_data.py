"""Promise 9, for tables: pickles in a stranger's Parquet are never run, wherever they are read.

Importing Ray registers a type whose values are pickles. A file can ask for it with nothing but metadata that anyone can
write, so every test here has Ray's types registered, and one that reads the same file without the check must see the
canary appear.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import pickle
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray.data.extensions  # noqa: F401 - registers the types
from ray import cloudpickle
from starlette.testclient import TestClient

import vidatlas
from vidatlas import Options
from vidatlas.app.serving import prepare
from vidatlas.errors import InputError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.publish.export import export_embedding_atlas, export_hub_folder
from vidatlas.recipe import Recipe
from vidatlas.runners.on_ray import RayRunner
from vidatlas.runners.ray_data import EncodeActor, pack
from vidatlas.storage.manifest import digest_of
from vidatlas.types import Json, SeekPoint, Shard

cloudpickle.register_pickle_by_value(sys.modules[__name__])
SERIAL = Options(runner="serial")
NAME = {"ARROW:extension:name": "ray.data.arrow_pickled_object", "ARROW:extension:metadata": ""}
Main = Callable[[list[str]], int]


class Canary:
    """Write a file when unpickled."""

    def __init__(self, at: Path) -> None:
        self.at = at

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.at, "the data was run as code"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def poisoned(table: pa.Table, column: str, canary: Path) -> pa.Table:
    """Return a table of which a column holds pickles, which its schema calls values of Ray's type."""
    at = table.column_names.index(column)
    blobs = pa.array([pickle.dumps(Canary(canary))] * table.num_rows, pa.large_binary())
    return table.set_column(at, pa.field(column, pa.large_binary(), metadata=NAME), blobs)


def poison(atlas: Path, name: str, column: str, canary: Path) -> None:
    """Poison a file of an atlas, row group by row group, and correct its hashes."""
    file, manifest, out = atlas / name, json.loads((atlas / "atlas.json").read_text()), io.BytesIO()
    known = pq.ParquetFile(io.BytesIO(file.read_bytes()))
    groups = [poisoned(known.read_row_group(at), column, canary) for at in range(known.num_row_groups)]
    with pq.ParquetWriter(out, groups[0].schema) as writer:
        for group in groups:
            writer.write_table(group)
    data = out.getvalue()
    file.write_bytes(data)
    for entry in manifest["stages"].values():
        if name in entry["files"]:
            entry["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            entry["digest"] = digest_of(entry["files"])
    (atlas / "atlas.json").write_text(json.dumps(manifest))


@pytest.fixture
def atlas(small_atlas: Any, tmp_path: Path) -> Path:
    """Return a copy of a finished atlas to poison."""
    return Path(shutil.copytree(small_atlas.url, tmp_path / "atlas"))


def first(atlas: Path, folder: str) -> str:
    return f"{folder}/{min((atlas / folder).iterdir()).name}"


def app(atlas: Path) -> None:
    """Open a page of the app; it says in one line what it cannot read."""
    said = html.unescape(TestClient(prepare(str(atlas)), "http://127.0.0.1").get("/discover?seed=1").text)
    if "extension type" in said:
        raise InputError(said)


def reduced_again(atlas: Path) -> None:
    vidatlas.reduce(str(atlas), {"reduce.clusters.k": 3}, SERIAL)


def published_again(atlas: Path) -> None:
    vidatlas.publish(str(atlas), {"publish.title": "again"}, SERIAL)


def embedded_again(atlas: Path) -> None:
    """Embed a shard that is gone, with the plan's tables as they are."""
    made = json.loads((atlas / "atlas.json").read_text())
    (url,) = made["stages"]["plan"]["inputs"]
    (atlas / first(atlas, "embeddings")).unlink()
    vidatlas.embed(Recipe.model_validate(made["recipe"]), url, str(atlas), SERIAL)


def opened(atlas: Path) -> vidatlas.Atlas:
    return vidatlas.open_atlas(str(atlas))


def assigned(atlas: Path) -> None:
    new = atlas / "new.jsonl"
    new.write_text('{"display_id": "n", "title": "guitar chord", "tags": "piano", "categories": "Music"}\n')
    vidatlas.assign(str(atlas), str(new), str(atlas / "out.parquet"))


def exported(atlas: Path) -> None:
    export_embedding_atlas(atlas, atlas / "out")


def uploaded(atlas: Path) -> None:
    export_hub_folder(atlas, atlas / "out")


Reads = dict[str, tuple[str, str, Callable[[Path], object]]]
SINGS: Reads = {
    "embed, the plan's shards": ("plan/*.shards.parquet", "seek_window", embedded_again),
    "reduce, embeddings": ("embeddings/*-00000.parquet", "title", reduced_again),
    "publish, subcategories": ("subcategories.parquet", "name", published_again),
    "publish, embeddings": ("embeddings/*-00000.parquet", "title", published_again),
    "publish, assignments": ("assignments/*-00000.parquet", "in_group", published_again),
    "search, subcategories": ("subcategories.parquet", "name", lambda atlas: opened(atlas).search("guitar")),
    "open_atlas, subcategories": ("subcategories.parquet", "name", lambda atlas: opened(atlas).subcategories()),
    "open_atlas, videos": ("index/videos.parquet", "title", lambda atlas: opened(atlas).videos()),
    "assign, subcategories": ("subcategories.parquet", "name", assigned),
    "export, videos": ("index/videos.parquet", "in_group", exported),
    "serve, subcategories": ("subcategories.parquet", "name", app),
}
"""What is read of an atlas: the file, a column whose values become Python objects, and what reads it."""
SILENT: Reads = {
    "search, videos": ("index/videos.parquet", "title", lambda atlas: opened(atlas).search("guitar")),
    "similar, videos": ("index/videos.parquet", "title", lambda atlas: opened(atlas).similar("id000003")),
    "suggest, videos": ("index/videos.parquet", "group", lambda atlas: opened(atlas).suggest("id000003")),
    "serve, videos": ("index/videos.parquet", "title", app),
    "open_atlas, embeddings": ("embeddings/*-00000.parquet", "id", lambda atlas: opened(atlas).embeddings()),
    "verify, subcategories": ("subcategories.parquet", "name", lambda atlas: vidatlas.verify(str(atlas))),
    "verify, embeddings": ("embeddings/*-00000.parquet", "id", lambda atlas: vidatlas.verify(str(atlas))),
    "reduce, the plan's ids": ("plan/duplicates.parquet", "part", embedded_again),
    "publish, reduced": ("reduced/*-00000.parquet", "id", published_again),
    "export, labels": ("layout/labels.parquet", "name", exported),
    "export, positions": ("layout/*-00000.parquet", "id", exported),
    "open_atlas, assignments": ("assignments/*-00000.parquet", "id", lambda atlas: opened(atlas).assignments()),
    "open_atlas, positions": ("layout/*-00000.parquet", "id", lambda atlas: opened(atlas).positions()),
    "open_atlas, dataset": ("reduced/*-00000.parquet", "id", lambda atlas: opened(atlas).dataset("reduced")),
    "export to a hub, subcategories": ("subcategories.parquet", "name", uploaded),
    "open_atlas, table": ("reduced/*-00000.parquet", "id", lambda atlas: opened(atlas).table("reduced")),
}
"""The same of columns that stay in Arrow there today, or have their type checked: they are refused all the same."""


def victim(atlas: Path, pattern: str) -> str:
    (file,) = atlas.glob(pattern)
    return str(file.relative_to(atlas))


@pytest.mark.parametrize("case", [*SINGS, *SILENT])
def test_9_an_atlas_of_a_stranger_runs_no_code(case: str, atlas: Path, canary: Path) -> None:
    pattern, column, read = (SINGS | SILENT)[case]
    name = victim(atlas, pattern)
    poison(atlas, name, column, canary)
    with pytest.raises(
        InputError, match=f"{name}: column '{column}' has the extension type ray.data.arrow_pickled_obj"
    ):
        read(atlas)
    assert not canary.exists()


@pytest.mark.parametrize("case", SINGS)
def test_the_canary_appears_where_nothing_is_checked(
    case: str, atlas: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the checks of types the same files run: the test above can fail."""
    pattern, column, read = SINGS[case]
    poison(atlas, victim(atlas, pattern), column, canary)
    monkeypatch.setattr("vidatlas.storage.parquet._refuse", lambda schema: None)
    monkeypatch.setattr("vidatlas.storage.store.wrong_column", lambda name, file: None)
    with suppress(Exception):
        read(atlas)
    assert canary.exists()


@pytest.fixture
def part(tmp_path: Path, canary: Path) -> Path:
    """Return Parquet in YouNiverse's columns, whose titles are pickles."""
    rows = {name: [f"{name}{number}" for number in range(20)] for name in ("display_id", "title", "tags", "categories")}
    file = tmp_path / "videos.parquet"
    pq.write_table(poisoned(pa.table(rows), "title", canary), file)
    return file


@pytest.mark.parametrize("command", ["plan", "embed", "run"])
@pytest.mark.parametrize("runner", ["serial", "ray"])
def test_9_input_of_a_stranger_runs_no_code(
    command: str, runner: str, part: Path, canary: Path, tmp_path: Path, main: Main, capfd: pytest.CaptureFixture[str]
) -> None:
    how = [] if command == "plan" else ["--runner", runner]
    encoder = ["--set", "encoder={kind: hashing, dim: 8}"]
    assert main([command, "demo", str(part), str(tmp_path / "new"), *encoder, *how]) == InputError.exit_code
    assert f"{part}: column 'title' has the extension type ray.data.arrow_pickled_object" in capfd.readouterr().err
    assert not canary.exists()


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream], ids=["file", "stream"])
def test_9_arrow_of_a_stranger_runs_no_code(
    new: Any, part: Path, canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, file = pq.read_table(part), tmp_path / "videos.feather"
    canary.unlink(missing_ok=True)
    with new(str(file), table.schema) as writer:
        writer.write_table(table)
    options = vidatlas.Options(runner="serial")
    with pytest.raises(InputError, match=rf"^{file}: column '\w+' has the extension type ray\.data"):
        vidatlas.plan("demo", str(file), str(tmp_path / "new"), options)
    assert not canary.exists()
    monkeypatch.setattr("vidatlas.storage.parquet._refuse", lambda schema: None)
    with suppress(Exception):
        vidatlas.plan("demo", str(file), str(tmp_path / "unchecked"), options)
    assert canary.exists(), "without the check the code runs: this test can fail"


def test_9_new_videos_of_a_stranger_run_no_code(part: Path, atlas: Path, canary: Path) -> None:
    with pytest.raises(InputError, match="column 'title' has the extension type"):
        vidatlas.assign(str(atlas), str(part), str(atlas / "out.parquet"))
    assert not canary.exists()


def shard_of(part: Path) -> Shard:
    """Return the descriptor of a shard of the file, as if it had been sound when it was planned."""
    return Shard("videos", 0, 0, 20, 0, 100, 0, SeekPoint(0, 0), str(part), "parquet")


def read_of(shard: Shard) -> pa.Table:
    return read_shard(shard, vidatlas.load_recipe("demo").record)


@pytest.mark.usefixtures("ray_here")
def test_9_tasks_and_actors_of_ray_run_no_code(part: Path, canary: Path) -> None:
    with RayRunner(Options(actors=(1, 1))) as runner:
        with pytest.raises(InputError, match=f"{part}: column 'title' has the extension type"):
            list(runner.map(read_of, [shard_of(part)]))
        with pytest.raises(InputError, match=f"{part}: column 'title' has the extension type"):
            list(runner.embed(read_of, lambda: receipt, [shard_of(part)]))
    assert not canary.exists()


def receipt(table: pa.Table) -> Json:
    return {"rows": len(table.to_pylist())}


def test_9_an_actor_refuses_what_a_reader_may_have_sent(canary: Path) -> None:
    """A block comes from a reading task; were it to bring a type with it, it would not be built."""
    batch = pack("videos-00000", poisoned(pa.table({"title": ["a"]}), "title", canary))
    actor = EncodeActor(lambda: receipt)
    with pytest.raises(InputError, match="column 'title' has the extension type"):
        actor(batch)
    assert not canary.exists()
