"""Promises 9 and 10: data is never code, nothing listens; and an atlas that was altered is not believed."""

import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.explore import status
from vidatlas.storage.store import Store

Main = Callable[[list[str]], int]
LISTEN = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
PLAIN = {".parquet", ".json", ".safetensors", ".gz", ".html", ".md", ".faiss", ".png", ".svg"}
""".faiss: numbers in FAISS's own binary format, which holds no code."""


class Canary:
    """Write a file when unpickled."""

    def __init__(self, at: Path) -> None:
        self.at = at

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.at, "the data was run as code"))


@pytest.mark.parametrize("kind", ["clip", "sentence"])
def test_9_data_is_never_code_in_a_model(kind: str, world: Any, tmp_path: Path) -> None:
    model, ran = tmp_path / "model", tmp_path / "ran"
    model.mkdir()
    (model / "config.json").write_text("{}")
    for name in ("pytorch_model.bin", "model.pt", "weights.pkl"):
        (model / name).write_bytes(pickle.dumps(Canary(ran)))
    recipe = world.recipe(encoder={"kind": kind, "model": str(model)})
    for use in (recipe.encoder.inspect, lambda: recipe.encoder.load(1)):
        with pytest.raises(UsageError, match="only pickled weights"):
            use()
    assert not ran.exists()


def test_9_data_is_never_code_in_input_or_recipe(world: Any, tmp_path: Path, main: Main) -> None:
    ran, part, recipe = tmp_path / "ran", tmp_path / "part.jsonl", tmp_path / "recipe.yaml"
    part.write_bytes(pickle.dumps(Canary(ran)))
    assert main(["run", "demo", str(part), str(tmp_path / "atlas")]) == InputError.exit_code
    recipe.write_text(f"name: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{ran}]]")
    assert main(["run", str(recipe), str(part), str(tmp_path / "atlas")]) == UsageError.exit_code
    assert not ran.exists()


def test_9_an_atlas_is_plain_data(whole: Path) -> None:
    files = [file for file in whole.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == PLAIN
    for file in files:
        assert not file.stat().st_mode & 0o111, file
    for file in whole.rglob("*.parquet"):
        schema = pq.read_schema(file)
        assert not any(isinstance(field.type, pa.BaseExtensionType) for field in schema), file
        assert not any(b"ARROW:extension" in key for field in schema for key in field.metadata or {}), file


def listening(processes: set[int]) -> set[str]:
    """Return the addresses, as the kernel writes them, on which any of the processes listens."""
    sockets = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(descriptor.readlink().name)
            except OSError:
                continue
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == LISTEN and f"socket:[{row[9]}]" in sockets}


def test_10_nothing_listens_on_the_network(world: Any, tmp_path: Path, processes: Any, until: Any) -> None:
    """While Ray embeds, its processes and ours listen on loopback alone."""
    atlas = tmp_path / "atlas"
    run = processes.start(world.arguments("embed", atlas, runner="ray"), slow=0.04)
    assert until(lambda: list(atlas.glob("receipts/*.json")) or run.poll() is not None)
    assert run.poll() is None, processes.said(run)
    found = listening(set(processes.alive()))
    os.kill(run.pid, signal.SIGTERM)
    run.wait(timeout=60)
    assert found, "Ray was to be seen listening"
    assert not [address for address in found if address not in LOOPBACK]


@pytest.fixture
def atlas(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the atlas to break."""
    return Path(shutil.copytree(whole, tmp_path / "atlas"))


def alter(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


DAMAGE: dict[str, Callable[[Path], None]] = {"altered": alter, "truncated": truncate, "deleted": Path.unlink}
SEALED = ["embeddings", "rejects", "reduced", "assignments", "plan", "model"]


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("folder", SEALED)
def test_verify_names_what_was_touched(
    folder: str, how: str, atlas: Path, main: Main, capfd: pytest.CaptureFixture[str]
) -> None:
    victim = min((atlas / folder).iterdir())
    DAMAGE[how](victim)
    assert main(["verify", str(atlas)]) == InputError.exit_code
    assert str(victim) in capfd.readouterr().err


def test_verify_holds_no_large_file_in_memory(atlas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index can have many gigabytes."""
    whole, read = Store.read, list[str]()

    def noted(store: Store, name: str, facts: Any = None) -> bytes:
        read.append(name)
        return whole(store, name, facts)

    monkeypatch.setattr(Store, "read", noted)
    monkeypatch.setattr(status, "LARGE", 0)
    assert vidatlas.verify(str(atlas))["files"] > 20
    assert {name.partition("/")[0] for name in read} <= {"atlas.json", "subcategories.parquet"}
    alter(min((atlas / "embeddings").iterdir()))
    with pytest.raises(InputError, match="missing or altered"):
        vidatlas.verify(str(atlas))


@pytest.mark.parametrize("how", DAMAGE)
def test_reduce_refuses_a_shard_that_was_touched(how: str, atlas: Path, world: Any) -> None:
    victim = min((atlas / "embeddings").iterdir())
    DAMAGE[how](victim)
    with pytest.raises(InputError, match=victim.name):
        vidatlas.reduce(str(atlas), {"reduce.clusters.k": 3}, vidatlas.Options(runner="serial"))
    assert not vidatlas.status(str(atlas))["stages"]["reduce"]


@pytest.mark.parametrize("how", ["truncated", "deleted"])
def test_embed_rebuilds_exactly_what_was_touched(how: str, atlas: Path, world: Any, whole: Path) -> None:
    victim = min((atlas / "embeddings").iterdir())
    others = {file: file.stat().st_mtime_ns for file in (atlas / "embeddings").iterdir() if file != victim}
    DAMAGE[how](victim)
    world.run(atlas)
    assert {file: file.stat().st_mtime_ns for file in others} == others
    assert world.hashes(atlas) == world.hashes(whole)
    vidatlas.verify(str(atlas))


def test_an_altered_shard_is_named_before_it_is_sealed_again(atlas: Path, world: Any) -> None:
    victim, gone = sorted((atlas / "embeddings").iterdir())[:2]
    alter(victim)
    gone.unlink()
    with pytest.raises(InputError, match=victim.name):
        world.run(atlas)
    victim.unlink()
    world.run(atlas)
    vidatlas.verify(str(atlas))


HALF = '{"schema": 2, "stages": {"plan"'
TOUCHED = {
    "manifest cut": ("atlas.json", HALF, 3),
    "manifest of another version": ("atlas.json", '{"schema": 99, "stages": {}}', 4),
    "manifest is a list": ("atlas.json", "[]", 3),
    "manifest without stages": ("atlas.json", '{"schema": 2}', 3),
}


@pytest.mark.parametrize("how", list(TOUCHED))
def test_a_manifest_that_was_touched_is_refused(how: str, atlas: Path, main: Main) -> None:
    name, content, code = TOUCHED[how]
    (atlas / name).write_text(content)
    assert main(["verify", str(atlas)]) == code


@pytest.mark.parametrize("how", ["manifest gone", "receipt emptied"])
def test_a_run_copes_with_files_that_were_touched(how: str, atlas: Path, world: Any, whole: Path) -> None:
    """It mends the atlas, or says in one line why it does not."""
    min((atlas / "embeddings").iterdir()).unlink()
    if how == "manifest gone":
        (atlas / "atlas.json").unlink()
    else:
        min((atlas / "receipts").iterdir()).write_text("{}")
    try:
        world.run(atlas)
    except vidatlas.VidatlasError as error:
        assert str(atlas) in str(error)
    else:
        assert world.hashes(atlas) == world.hashes(whole)


def test_strangers_are_left_alone(atlas: Path, world: Any) -> None:
    stranger = atlas / "embeddings" / "stranger-00000.parquet"
    stranger.write_bytes(b"mine")
    world.run(atlas)
    assert vidatlas.verify(str(atlas))["kept"] == len(vidatlas.open_atlas(str(atlas)).assignments())
    assert stranger.read_bytes() == b"mine"


def test_an_atlas_is_readable_without_vidatlas(whole: Path) -> None:
    ids, vectors = vidatlas.open_atlas(str(whole)).embeddings()
    names = sorted(str(file) for file in (whole / "embeddings").iterdir())
    assert pq.read_schema(names[0]).field("embedding").type == pa.list_(pa.float16(), 8)

    polars = pl.concat([pl.read_parquet(name) for name in names])
    assert polars.schema["embedding"] == pl.Array(pl.Float16, 8)
    assert polars["id"].to_list() == ids
    np.testing.assert_array_equal(polars["embedding"].to_numpy(), vectors)

    pandas = pd.concat([pd.read_parquet(name) for name in names])
    assert pandas["id"].tolist() == ids
    stacked = np.stack(pandas["embedding"].tolist())
    assert stacked.dtype == np.float16
    np.testing.assert_array_equal(stacked, vectors)


def test_duckdb_joins_an_atlas_without_vidatlas(whole: Path) -> None:
    kept = vidatlas.status(str(whole))["counts"]["kept"]
    joined = f"select count(*) from '{whole}/embeddings/*.parquet' join '{whole}/assignments/*.parquet' using (id)"
    assert duckdb.sql(joined).fetchall() == [(kept,)]
    assert duckdb.sql(f"select sum(size) from '{whole}/subcategories.parquet'").fetchall() == [(kept,)]


def test_duckdb_reads_embeddings_without_vidatlas(whole: Path) -> None:
    ids, vectors = vidatlas.open_atlas(str(whole)).embeddings()
    files = f"'{whole}/embeddings/*.parquet'"
    rows = duckdb.sql(f"select id, embedding from {files} order by filename, file_row_number").fetchall()
    assert [row[0] for row in rows] == ids
    np.testing.assert_array_equal(np.array([row[1] for row in rows], np.float16), vectors)
