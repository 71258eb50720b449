"""Ray does what the plain loop does, also when workers die; nothing hangs, and errors arrive as what they are."""

import os
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray
from ray import cloudpickle

from vidatlas.errors import ConflictError, InputError, UnavailableError, VidatlasError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.embed.totals import Totals
from vidatlas.pipeline.embed.worker import MAX_ATTEMPTS, EmbedWorker
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.runners import on_ray
from vidatlas.runners.on_ray import RayRunner
from vidatlas.runners.ray_data import MAX_READS
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import Store
from vidatlas.types import Json, Options, Receipt, Shard

# What is defined here travels to workers as a whole: they cannot import a test.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("ray_here")]
Worker = Callable[[pa.Table], Json]


def shard(number: int) -> Shard:
    return Shard("part", number, number * 2, 2, number, 2, 0, None, "nowhere", "plain")


def read(item: Shard) -> pa.Table:
    return pa.table({"row": [item.first_row, item.first_row + 1]}).replace_schema_metadata({"shard": item.name})


def receipt(table: pa.Table) -> Json:
    return {"shard": table.schema.metadata[b"shard"].decode(), "rows": table["row"].to_pylist()}


def key(found: Json) -> str:
    return str(found["shard"])


@pytest.mark.parametrize("count", [1, 7])
def test_every_shard_gives_exactly_the_receipt_of_the_plain_loop(count: int, runner: RayRunner) -> None:
    shards = [shard(number) for number in range(count)]
    expected = list(SerialRunner().embed(read, lambda: receipt, shards))
    assert sorted(runner.embed(read, lambda: receipt, shards), key=key) == expected


class Meeting:
    """Work on a shard until another one is begun in the same actor, so that a pool that never overlaps never ends."""

    def __init__(self) -> None:
        self._both = threading.Barrier(2, timeout=60)

    def __call__(self, table: pa.Table) -> Json:
        self._both.wait()
        return receipt(table) | {"thread": threading.get_ident()}


def test_an_actor_works_on_two_shards_at_once() -> None:
    shards = [shard(number) for number in range(6)]
    with RayRunner(Options(actors=(1, 1))) as alone:
        receipts = list(alone.embed(read, Meeting, shards))
    assert sorted(found["shard"] for found in receipts) == [item.name for item in shards]
    assert len({found["thread"] for found in receipts}) > 1


def test_more_actors_than_fit_never_keep_readers_out() -> None:
    """Actors hold their CPUs for as long as they live; those that find no place wait for another node."""
    shards = [shard(number) for number in range(9)]
    with RayRunner(Options(actors=(1, 9))) as crowded:
        found = [key(done) for done in crowded.embed(read, lambda: receipt, shards)]
    assert sorted(found) == [item.name for item in shards]


def test_a_job_survives_the_death_of_an_actor(runner: RayRunner, tmp_path: Path) -> None:
    def open_worker() -> Worker:
        def work(table: pa.Table) -> Json:
            done = receipt(table)
            marker = tmp_path / done["shard"]
            with marker.open("a") as file:
                file.write("x")
            if done["shard"].endswith("3") and len(marker.read_text()) == 1:
                os._exit(1)
            return done

        return work

    shards = [shard(number) for number in range(6)]
    found = Counter(key(done) for done in runner.embed(read, open_worker, shards))
    assert found == Counter(item.name for item in shards)
    assert len((tmp_path / "part-00003").read_text()) == 2


def test_a_job_survives_the_death_of_a_reader(runner: RayRunner, tmp_path: Path) -> None:
    def deadly(item: Shard) -> pa.Table:
        marker = tmp_path / "died"
        if item.number == 2 and not marker.exists():
            marker.touch()
            os._exit(1)
        return read(item)

    shards = [shard(number) for number in range(4)]
    found = Counter(key(done) for done in runner.embed(deadly, lambda: receipt, shards))
    assert found == Counter(item.name for item in shards)


@pytest.mark.chaos
def test_a_shard_that_always_kills_its_reader_ends_the_job_in_one_line(runner: RayRunner, tmp_path: Path) -> None:
    """Ray would begin it again for ever."""

    def deadly(item: Shard) -> pa.Table:
        if item.number == 2:
            with (tmp_path / "begun").open("a") as file:
                file.write("x")
            os._exit(1)
        return read(item)

    with pytest.raises(VidatlasError, match=f"shard {shard(2).name} .*crashed its reader {MAX_READS} times") as caught:
        list(runner.embed(deadly, lambda: receipt, [shard(number) for number in range(4)]))
    assert type(caught.value).exit_code == 1
    assert "\n" not in str(caught.value)
    assert len((tmp_path / "begun").read_text()) == MAX_READS


class Deadly:
    """End the process that encodes with it."""

    dim = 8

    def encode(self, texts: list[str], stats: Any) -> Any:
        os._exit(1)


@pytest.mark.chaos
def test_a_shard_that_always_kills_its_worker_ends_the_job_in_one_line(
    runner: RayRunner, world: Any, whole: Path, tmp_path: Path
) -> None:
    recipe, atlas, planned = world.recipe(), str(tmp_path / "atlas"), load_shards(Store(str(whole)))[:1]

    def open_worker() -> Worker:
        return EmbedWorker(Store(atlas), recipe, Deadly())

    def reading(item: Shard) -> pa.Table:
        return read_shard(item, recipe.record)

    with pytest.raises(VidatlasError, match=f"{planned[0].name} crashed its worker {MAX_ATTEMPTS} times") as caught:
        list(runner.embed(reading, open_worker, planned))
    assert "\n" not in str(caught.value)


def test_a_shard_that_was_begun_twice_says_so(runner: RayRunner, world: Any, whole: Path, tmp_path: Path) -> None:
    recipe, atlas, planned = world.recipe(), str(tmp_path / "atlas"), load_shards(Store(str(whole)))[:3]
    first, marker = planned[0].name, tmp_path / "died"

    def open_worker() -> Worker:
        worker = EmbedWorker(Store(atlas), recipe, recipe.encoder.load(1))
        # A worker of its own: another shard that is encoded in the same actor must not die in its place.
        deadly = EmbedWorker(Store(atlas), recipe, Deadly())

        def work(table: pa.Table) -> Json:
            if table.schema.metadata[b"shard"].decode() == first and not marker.exists():
                marker.touch()
                return deadly(table)
            return worker(table)

        return work

    def reading(item: Shard) -> pa.Table:
        return read_shard(item, recipe.record)

    found = {done["shard"]: done for done in runner.embed(reading, open_worker, planned)}
    assert found[first]["attempt"] == 2
    assert {done["host"] for done in found.values()} == {socket.gethostname()}
    assert Totals(Receipt(**done) for done in found.values()).facts()["redone"] >= 1


def refusing(kind: type[VidatlasError]) -> Callable[[Any], Any]:
    def refuse(item: Any) -> Any:
        raise kind("one line from afar")

    return refuse


def test_an_error_of_ours_arrives_from_a_worker(runner: RayRunner) -> None:
    with pytest.raises(ConflictError, match=r"^one line from afar$"):
        list(runner.embed(read, lambda: refusing(ConflictError), [shard(0), shard(1)]))


def test_an_error_of_ours_arrives_from_reading(runner: RayRunner) -> None:
    with pytest.raises(InputError, match=r"^one line from afar$"):
        list(runner.embed(refusing(InputError), lambda: receipt, [shard(0), shard(1)]))


def test_an_error_of_ours_arrives_from_opening_a_worker(runner: RayRunner) -> None:
    """A model that is gone, or other weights, must stop the job as what it is: exit 2 or 4, not 5."""

    def open_worker() -> Worker:
        raise ConflictError("one line from afar")

    with pytest.raises(ConflictError, match=r"^one line from afar$"):
        list(runner.embed(read, open_worker, [shard(0), shard(1)]))


def test_an_error_of_ours_arrives_from_a_task(runner: RayRunner) -> None:
    with pytest.raises(InputError, match=r"^one line from afar$"):
        list(runner.map(refusing(InputError), [1, 2, 3]))


def test_a_bug_arrives_as_a_bug(runner: RayRunner) -> None:
    def broken(item: int) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        list(runner.map(broken, [1, 0]))


def test_map_keeps_the_order_and_draws_items_as_they_are_needed(runner: RayRunner) -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        while drawn < 60:
            drawn += 1
            yield drawn

    ahead = 4 * int(ray.cluster_resources()["CPU"])
    for taken, result in enumerate(runner.map(lambda item: item * item, items()), start=1):
        assert result == taken * taken
        assert drawn - taken <= ahead
    assert drawn == 60


def test_map_survives_the_death_of_a_worker(runner: RayRunner, tmp_path: Path) -> None:
    def deadly(item: int) -> int:
        marker = tmp_path / "died"
        if item == 3 and not marker.exists():
            marker.touch()
            os._exit(1)
        return item

    assert list(runner.map(deadly, range(6))) == list(range(6))


def test_a_task_that_always_kills_its_worker_ends_the_job_in_one_line(runner: RayRunner) -> None:
    with pytest.raises(UnavailableError, match="Ray stopped working") as caught:
        list(runner.map(lambda item: os._exit(1), [1]))
    assert "\n" not in str(caught.value)


def test_a_task_that_hangs_ends_the_job_in_one_line_that_says_where(
    runner: RayRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "LOOK", 0.1)
    stalled = RayRunner(Options(stalled_after=1 / 60))
    where = rf"a task was not finished in 0\.0166667 minutes on {re.escape(socket.gethostname())} \(process \d+\)\."
    with pytest.raises(UnavailableError, match=where):
        list(stalled.map(time.sleep, [8]))  # it holds a processor for so long


@pytest.mark.usefixtures("runner")
def test_a_task_that_waits_for_a_machine_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take_all() -> None:
        (tmp_path / "begun").touch()
        time.sleep(3)
        (tmp_path / "ended").touch()

    monkeypatch.setattr(on_ray, "LOOK", 0.1)
    ray.remote(num_cpus=ray.cluster_resources()["CPU"])(take_all).remote()
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    assert list(RayRunner(Options(stalled_after=1 / 60)).map(str, [7])) == ["7"]
    assert (tmp_path / "ended").exists()


def test_a_task_whose_node_is_gone_waits_for_another_one(runner: RayRunner) -> None:
    assert runner._stuck(on_ray.Began("gone", "host (process 1)"), 1e9) == ""
    here = on_ray.Began(ray.get_runtime_context().get_node_id(), "host (process 1)")
    assert "on host (process 1)" in runner._stuck(here, 1e9)
    assert runner._stuck(here, 1.0) == runner._stuck(None, 1e9) == ""
    assert RayRunner(Options(stalled_after=0))._stuck(here, 1e9) == ""
    alone = RayRunner(Options(stalled_after=3))
    alone._own = True
    assert alone._stuck(None, 100) == ""
    assert alone._stuck(None, 200).startswith("a task was not begun in 3 minutes. ")


def test_ray_starts_with_the_first_use_only() -> None:
    """A finished job that is given again must not wait for a cluster."""
    started = threading.Event()
    with RayRunner(Options()) as found:
        found._start = started.set  # type: ignore[method-assign]
    assert not started.is_set()
