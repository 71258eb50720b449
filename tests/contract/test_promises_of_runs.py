"""Promises 4 and 5: no work twice, and never a mixture."""

import json
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vidatlas.encoders.hashing import HashingEncoder
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import ConflictError
from vidatlas.storage import lock
from vidatlas.storage.lock import Lock
from vidatlas.storage.store import Store
from vidatlas.types import Json


def stamps(atlas: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of every file."""
    return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in atlas.rglob("*") if file.is_file()}


def test_4_resume_redoes_only_what_is_not_done(world: Any, whole: Path, tmp_path: Path, recording: Any) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(whole, atlas)
    gone = sorted((atlas / "embeddings").iterdir())[1]
    gone.unlink()
    kept = {name: stamp for name, stamp in stamps(atlas / "embeddings").items() if name != str(gone)}
    world.run(atlas)
    assert recording.seen == [gone.stem]
    assert {name: stamp for name, stamp in stamps(atlas / "embeddings").items() if name != str(gone)} == kept
    assert world.hashes(atlas) == world.hashes(whole)


def test_4_a_run_that_failed_goes_on_with_the_shard_that_failed(
    world: Any, whole: Path, tmp_path: Path, interrupted_third: list[int]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        world.run(tmp_path / "atlas")
    world.run(tmp_path / "atlas")
    shards = len(list((tmp_path / "atlas/embeddings").iterdir()))
    assert len(interrupted_third) == shards + 1
    assert world.hashes(tmp_path / "atlas") == world.hashes(whole)


@pytest.mark.parametrize("runner", ["serial", "ray"])
def test_4_a_finished_job_touches_nothing(runner: str, world: Any, whole: Path, main: Any) -> None:
    before = stamps(whole)
    assert main(world.arguments("run", whole, runner=runner)) == 0
    assert stamps(whole) == before


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("encoder.dim=16", "encoder.dim: 8 → 16"),
        ("source.shard_rows=13", "source.shard_rows: 12 → 13"),
        ("record.fields.title.weight=0.7", "record.fields.title.weight: 0.55 → 0.7"),
        ("mix.normalize=false", "mix.normalize: true → false"),
    ],
)
def test_5_another_recipe_never_mixes_in(
    change: str, difference: str, world: Any, whole: Path, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    before = stamps(whole)
    assert main(world.arguments("run", whole, "--set", change)) == ConflictError.exit_code
    assert difference in capfd.readouterr().err
    assert stamps(whole) == before


def test_5_other_input_never_mixes_in(world: Any, whole: Path, main: Any, capfd: pytest.CaptureFixture[str]) -> None:
    before = stamps(whole)
    arguments = [argument for argument in world.arguments("run", whole) if argument != world.inputs[1]]
    assert main(arguments) == ConflictError.exit_code
    assert world.inputs[1] in capfd.readouterr().err
    assert stamps(whole) == before


def test_5_of_two_simultaneous_runs_one_proceeds(world: Any, whole: Path, tmp_path: Path, processes: Any) -> None:
    atlas = tmp_path / "atlas"
    racers = [processes.start(world.arguments("run", atlas), slow=0.05) for _ in range(2)]
    codes = [racer.wait(timeout=100) for racer in racers]
    said = [processes.said(racer) for racer in racers]
    assert sorted(codes) == [0, ConflictError.exit_code], said
    assert "is locked by another run (process " in said[codes.index(4)]
    assert world.hashes(atlas) == world.hashes(whole)
    assert not world.leftovers(atlas)


def test_5_of_two_runs_that_find_a_dead_one_s_lock_one_proceeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes between the first one's look at the lock and its taking over."""
    store = Store(str(tmp_path / "atlas"))
    dead = {"run": "dead", "host": socket.gethostname(), "machine": lock.machine(), "pid": 2**22 + 1}
    dead |= {"process": "", "since": "", "beat": 0}
    store.put("lock", json.dumps(dead).encode())
    first, second, entered = Lock(store), Lock(store), []
    real = lock.is_dead

    def look(holder: Json) -> bool:
        found = real(holder)
        if not entered:
            entered.append(first)
            with suppress(ConflictError):
                entered.append(first.__enter__())
        return found

    monkeypatch.setattr(lock, "is_dead", look)
    with suppress(ConflictError):
        entered.append(second.__enter__())
    for held in (first, second):
        held.__exit__(None, None, None)
    assert len(entered) == 2


class Stub(HashingEncoder):
    """Claim to be a model with weights."""

    weights = "one"

    @property
    def identity(self) -> Json:
        return {"model": "stub", "dim": self.dim, "weights_sha256": type(self).weights}


def test_5_a_model_may_move_but_not_change(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recording: Any
) -> None:
    monkeypatch.setattr(SentenceSpec, "load", lambda spec, threads: Stub(8))
    monkeypatch.setattr(SentenceSpec, "inspect", lambda spec: Inspection("stub", 8, None, len))
    here, there = (
        world.recipe(encoder={"kind": "sentence", "model": path, "revision": path}) for path in ("/here", "/there")
    )
    atlas = tmp_path / "atlas"
    world.run(atlas, made_by=here)
    before = world.hashes(atlas)
    shard = min((atlas / "embeddings").iterdir())
    shard.unlink()
    world.run(atlas, made_by=there)
    assert recording.seen == [shard.stem]
    assert world.hashes(atlas) == before
    shard.unlink()
    monkeypatch.setattr(Stub, "weights", "two")
    with pytest.raises(ConflictError, match="weights_sha256: one → two"):
        world.run(atlas, made_by=here)
    assert not shard.exists()
