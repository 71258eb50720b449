"""Safeties that no other quick test would miss: each was found by taking it out (``mutation.py``)."""

import inspect
import io
import json
import lzma
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

import vidatlas
from vidatlas.cli import explore
from vidatlas.encoders.hashing import HashingEncoder
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import ConflictError, DamagedError, InputError, UnavailableError, VidatlasError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.embed.worker import MAX_ATTEMPTS, EmbedWorker, mark_attempt
from vidatlas.pipeline.plan.duplicates import duplicate_rows
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.pipeline.plan.survey import IDS
from vidatlas.pipeline.stage import Run, commit
from vidatlas.runners.serial import SerialRunner
from vidatlas.sources.cells import MAX_LIST_CHARS, MAX_NESTING, read_literal
from vidatlas.sources.compression import decompress
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.jsonl import parse_line
from vidatlas.storage.folder import LocalFolder
from vidatlas.storage.lock import Lock, machine
from vidatlas.storage.manifest import EmbedEntry, ReduceEntry
from vidatlas.storage.parquet import open_parquet, to_parquet
from vidatlas.storage.store import Store
from vidatlas.types import EncodeStats, Floats, Json, Options, Reason, ignore

SERIAL = Options(runner="serial", max_rejects=0.5)


@pytest.fixture
def atlas(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of a finished atlas to break."""
    return Path(shutil.copytree(whole, tmp_path / "atlas"))


@pytest.fixture
def run(world: Any, atlas: Path) -> Run:
    return Run(world.recipe(), Store(atlas), SerialRunner(), SERIAL, ignore)


def test_of_two_runs_that_replace_a_dead_lock_at_once_one_gets_the_atlas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes when the first has found the lock as it was, and is about to put its own in its place."""
    store = Store(tmp_path)
    dead = {
        "run": "dead",
        "host": "here",
        "machine": machine(),
        "pid": 2**22 + 1,
        "process": "",
        "since": "",
        "beat": 0.0,
    }
    store.put("lock", json.dumps(dead).encode())
    first, second, entered = Lock(store), Lock(store), list[str]()
    real = LocalFolder.put

    def put(folder: LocalFolder, name: str, data: bytes) -> None:
        if name == "lock" and not entered:
            entered.append("first")
            with suppress(ConflictError):
                second.__enter__()
                entered.append("second")
        real(folder, name, data)

    monkeypatch.setattr(LocalFolder, "put", put)
    with first:
        assert entered == ["first"]


def test_a_stage_that_was_taken_over_commits_nothing(run: Run) -> None:
    before = run.store.manifest()

    def work() -> Any:
        # Another run of this machine, told that this one is gone.
        with Lock(run.store, take_over=True):
            return {}, {}

    with pytest.raises(ConflictError, match="taken over"):
        commit(run, EmbedEntry, {"upstream": "other"}, work, replaces=False)
    assert run.store.manifest() == before


def test_a_run_whose_temporary_files_were_swept_by_another_says_who_has_the_atlas(run: Run) -> None:
    def work() -> Any:
        with Lock(run.store, take_over=True):
            raise UnavailableError("no such file: free space")

    with pytest.raises(ConflictError, match="taken over"):
        commit(run, EmbedEntry, {"upstream": "other"}, work, replaces=False)


def test_a_stage_is_not_listed_while_its_files_are_replaced(run: Run) -> None:
    seen: list[set[str]] = []

    def work() -> Any:
        seen.append(set(run.store.manifest()["stages"]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commit(run, ReduceEntry, {"upstream": "other"}, work)
    assert seen == [{"plan", "embed"}]
    assert set(run.store.manifest()["stages"]) == {"plan", "embed"}


def test_a_stage_made_of_an_older_one_is_not_listed(run: Run) -> None:
    """Embeddings that come out otherwise: what was made of the old ones is no longer believed."""
    before: Any = dict(run.store.manifest()["stages"]["embed"])
    files = dict(list(before.pop("files").items())[1:])
    commit(run, EmbedEntry, {"upstream": "other"}, lambda: (files, before), replaces=False)
    assert set(run.store.manifest()["stages"]) == {"plan", "embed"}


def test_a_new_name_is_flushed_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    assert LocalFolder(tmp_path).put_new("a", b"data")
    assert synced == [(tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino]


def test_a_flipped_bit_of_a_table_is_found_without_its_hash(tmp_path: Path) -> None:
    """Noise does not compress: it lies in the file as it is, and only the page's checksum covers it."""
    noise = np.random.default_rng(0).bytes(8 * 4_096)
    data = bytearray(to_parquet(pa.table({"noise": pa.array(np.frombuffer(noise, np.int64))}), use_dictionary=False))
    at = bytes(data).index(noise[8_000:8_064])
    data[at] ^= 1
    with pytest.raises((pa.ArrowException, OSError)):
        open_parquet(io.BytesIO(bytes(data))).read()
    (tmp_path / "noise.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"noise\.parquet is not a valid Parquet file"):
        Store(tmp_path).table("noise.parquet")


def test_an_xz_file_that_wants_gigabytes_is_refused() -> None:
    """Its header asks for a dictionary of 4 GiB, which the decoder would set aside before the first byte."""
    packed = bytearray(lzma.compress(b'{"id": "a"}\n', filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}]))
    size = (packed[12] + 1) * 4
    assert packed[14:16] == b"\x21\x01"
    packed[16] = 40
    packed[12 + size - 4 : 12 + size] = zlib.crc32(packed[12 : 12 + size - 4]).to_bytes(4, "little")
    with pytest.raises(DamagedError, match=r"invalid xz data: .*[Mm]emory"):
        list(decompress(io.BytesIO(bytes(packed)), "xz"))


def test_a_cell_nested_without_end_is_text() -> None:
    for depth, is_read in ((MAX_NESTING, True), (MAX_NESTING + 1, False), (100_000, False)):
        assert (read_literal("[" * depth + "]" * depth) is not None) is is_read
    assert read_literal(f"[{'1,' * MAX_LIST_CHARS}1]") is None


@pytest.mark.parametrize("inside", [b"NaN", b"1"])
def test_json_nested_without_end_is_a_reject(inside: bytes) -> None:
    for depth in (2_000, 200_000):
        line = b'{"id": ' + b"[" * depth + inside + b"]" * depth + b"}"
        assert parse_line(line) is Reason.INVALID_JSON


def test_a_quote_left_open_holds_a_bounded_number_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidatlas.sources.csv.MAX_LINE", 1_000)
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        yield b'"open,1\n'
        for number in range(10_000):
            taken.append(number)
            yield b"x,y\n"

    assert next(CsvSpec().split(chunks(), lambda piece: None)) == b'"open,1'
    assert len(taken) < 500


def test_ids_are_compared_by_all_bits_of_their_digests() -> None:
    ids = pa.table([range(4), [7, 7, 7, 8], [1, 2, 1, 1]], schema=IDS)
    assert [rows.tolist() for rows in duplicate_rows([ids])] == [[2]]


def test_a_plan_that_is_there_is_held_against_a_lower_limit_of_rejects(world: Any, tmp_path: Path) -> None:
    vidatlas.plan(world.recipe(), world.inputs, tmp_path / "atlas", SERIAL)
    with pytest.raises(InputError, match="cannot be used"):
        vidatlas.plan(world.recipe(), world.inputs, tmp_path / "atlas", Options(runner="serial", max_rejects=0.01))


def test_an_input_file_that_changed_is_planned_again(world: Any, tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    part.write_bytes(Path(world.inputs[0]).read_bytes())
    before = vidatlas.plan(world.recipe(), part, tmp_path / "atlas", SERIAL)["counts"]["read"]
    part.write_bytes(part.read_bytes() + b'\n{"display_id": "new", "title": "new"}\n')
    assert vidatlas.plan(world.recipe(), part, tmp_path / "atlas", SERIAL)["counts"]["read"] == before + 1


def test_receipts_that_do_not_add_up_are_not_sealed(world: Any, atlas: Path) -> None:
    first, second = sorted((atlas / "receipts").iterdir())[:2]
    receipt = json.loads(first.read_text())
    first.write_text(json.dumps({**receipt, "kept": receipt["kept"] + 1}))
    (atlas / "embeddings" / f"{second.stem}.parquet").unlink()
    with pytest.raises(VidatlasError, match="rows were to be kept"):
        world.run(atlas)
    (atlas / "embeddings" / f"{second.stem}.parquet").unlink()
    with pytest.raises(VidatlasError, match="rows were to be kept"):
        world.run(atlas)


@dataclass(frozen=True)
class Odd(HashingEncoder):
    """Return vectors that are none."""

    value: float = np.nan
    columns: int = 8

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        return np.full((len(texts), self.columns), self.value, np.float32)


def worker_of(world: Any, whole: Path, store: Store, encoder: Any = None) -> tuple[EmbedWorker, pa.Table]:
    """Return a worker, and the rows of a shard."""
    recipe, shard = world.recipe(), load_shards(Store(whole))[0]
    return EmbedWorker(store, recipe, encoder or recipe.encoder.load(1)), read_shard(shard, recipe.record)


def test_a_shard_that_lost_a_row_is_not_committed(world: Any, whole: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    worker, table = worker_of(world, whole, store)
    for wrong in (table.slice(1), pa.concat_tables([table, table.slice(0, 1)])):
        with pytest.raises(VidatlasError, match="rows were planned"):
            worker(wrong.replace_schema_metadata(table.schema.metadata))
    assert not store.receipts()
    assert not store.folder.list("embeddings")


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("value", "columns"), [(np.nan, 8), (np.inf, 8), (1e6, 8), (0.5, 7)])
def test_vectors_that_are_not_finite_are_not_committed(
    value: float, columns: int, normalize: bool, world: Any, whole: Path, tmp_path: Path
) -> None:
    """Scaled to unit length, NaN must not become zeros; a large number does become a vector."""
    store = Store(tmp_path / "new")
    worker, table = worker_of(world, whole, store, Odd(8, value=value, columns=columns))
    worker.recipe = world.recipe(mix={"normalize": normalize, "normalize_fields": normalize})
    if value == 1e6 and normalize:
        assert worker(table)["kept"]
        return
    with pytest.raises(VidatlasError, match="not finite float16"):
        worker(table)
    assert not store.receipts()
    assert not store.folder.list("embeddings")


class Weighed(HashingEncoder):
    """Claim to be a model with weights."""

    @property
    def identity(self) -> Json:
        return {"model": "stub", "dim": self.dim, "weights_sha256": "one"}


def test_a_finished_atlas_refuses_other_weights(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (world.recipe(encoder={"kind": "sentence", "model": path}) for path in ("/here", "/there"))
    monkeypatch.setattr(SentenceSpec, "load", lambda spec, threads: Weighed(8))
    monkeypatch.setattr(SentenceSpec, "inspect", lambda spec: Inspection("stub", 8, None, len, "one"))
    vidatlas.embed(here, world.inputs, tmp_path / "atlas", SERIAL)
    vidatlas.embed(there, world.inputs, tmp_path / "atlas", SERIAL)
    monkeypatch.setattr(SentenceSpec, "inspect", lambda spec: Inspection("stub", 8, None, len, "two"))
    with pytest.raises(ConflictError, match="other weights"):
        vidatlas.embed(there, world.inputs, tmp_path / "atlas", SERIAL)


def test_a_shard_that_always_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert [mark_attempt(store, "part-00000") for _ in range(MAX_ATTEMPTS)] == list(range(1, MAX_ATTEMPTS + 1))
    with pytest.raises(VidatlasError, match=rf"crashed its worker {MAX_ATTEMPTS} times"):
        mark_attempt(store, "part-00000")
    assert mark_attempt(store, "part-00001") == 1


def test_verify_counts_rows_in_the_files_themselves(atlas: Path) -> None:
    """A manifest whose counts were changed by hand agrees with its hashes, and not with the files."""
    manifest = json.loads((atlas / "atlas.json").read_text())
    counts = cast(Json, manifest["stages"]["plan"]["counts"])
    for changes in ({"kept": counts["kept"] + 1, "read": counts["read"] + 1}, {"rejected": counts["rejected"] + 1}):
        manifest["stages"]["plan"]["counts"] = {**counts, **changes}
        (atlas / "atlas.json").write_text(json.dumps(manifest))
        with pytest.raises(InputError, match=r"should be .* rows and is"):
            vidatlas.verify(atlas)


def test_the_app_listens_on_this_machine_alone() -> None:
    assert inspect.signature(explore.serve).parameters["host"].default == "127.0.0.1"
