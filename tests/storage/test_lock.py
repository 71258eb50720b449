"""One run at a time holds an atlas; a dead one gives way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vidatlas import api as verbs
from vidatlas.errors import ConflictError
from vidatlas.recipe import Recipe
from vidatlas.storage import lock as module
from vidatlas.storage.folder import TEMPORARY
from vidatlas.storage.lock import LOCK, LOOK_SECONDS, STALE_SECONDS, Lock
from vidatlas.storage.store import Store, to_json
from vidatlas.types import Event


@pytest.fixture
def store(place: str) -> Store:
    return Store(place)


def held_by(store: Store, **changes: Any) -> None:
    """Leave the lock of another run."""
    holder = {"run": "other", "host": socket.gethostname(), "pid": os.getpid(), "since": "then", "beat": time.time()}
    holder["machine"] = module.machine()
    process = Path("/proc/self/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    store.folder.put(LOCK, to_json({**holder, "process": process, **changes}))


def holder_of(store: Store) -> str:
    return str(json.loads(store.read(LOCK))["run"])


def assert_taken_over(store: Store, take_over: bool = False) -> None:
    with Lock(store, take_over) as lock:
        lock.confirm()
        assert holder_of(store) != "other"
    assert store.folder.size(LOCK) is None


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_run_is_refused_and_told_who_holds_the_atlas(store: Store) -> None:
    with Lock(store) as first:
        with pytest.raises(ConflictError, match=rf"process {os.getpid()} on {socket.gethostname()} since .*take-over"):
            Lock(store).__enter__()
        first.confirm()
    assert_taken_over(store)


def test_the_lock_is_gone_at_the_end_even_of_a_failed_run(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), Lock(store):
        raise ZeroDivisionError
    assert store.folder.size(LOCK) is None


def test_the_lock_is_gone_after_a_signal_while_it_was_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(spare: str) -> None:
        assert store.folder.size(LOCK)
        raise SystemExit(143)

    monkeypatch.setattr(store.folder, "sweep", stopped)
    with pytest.raises(SystemExit), Lock(store):
        pass
    assert store.folder.size(LOCK) is None


def test_a_dead_process_gives_way(store: Store) -> None:
    held_by(store, pid=dead_pid())
    assert_taken_over(store)


def test_a_reused_process_id_gives_way(store: Store) -> None:
    held_by(store, process="1")
    assert_taken_over(store)


def test_a_living_process_of_this_host_holds_however_old_its_heartbeat(store: Store) -> None:
    held_by(store, beat=0)
    with pytest.raises(ConflictError):
        Lock(store).__enter__()
    assert holder_of(store) == "other"


class Clock:
    """Stand in for the module ``time`` and let hours pass at once; something may happen at a given second."""

    strftime = staticmethod(time.strftime)

    def __init__(self, second: float = float("inf"), happen: Callable[[], object] = lambda: None) -> None:
        self.passed, self._second, self._happen = 0.0, second, happen

    def time(self) -> float:
        return 1_000_000.0 + self.passed

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        if self.passed >= self._second:
            self._second = float("inf")
            self._happen()


def foreign(store: Store, age: float) -> None:
    """Leave the lock of a run on another host whose heart last beat so many seconds before the clock began."""
    held_by(store, host="elsewhere", machine="elsewhere", pid=dead_pid(), beat=1_000_000.0 - age)


@pytest.mark.parametrize("machine", [None, "another"])
def test_a_machine_of_the_same_name_is_another_one(
    machine: str | None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its process cannot be seen does not say that it is dead; its next heartbeat shows that it lives."""
    other = {"machine": machine} if machine else {}
    held_by(store, pid=dead_pid())
    holder = json.loads(store.read(LOCK))
    del holder["machine"]
    store.folder.put(LOCK, to_json({**holder, **other}))
    beat = partial(store.folder.put, LOCK, to_json({**holder, **other, "beat": 2_000_000.0}))
    monkeypatch.setattr(module, "time", clock := Clock(28.0, beat))
    with pytest.raises(ConflictError, match=f"on {socket.gethostname()}"):
        Lock(store).__enter__()
    assert clock.passed >= 28


def test_containers_of_one_machine_and_machines_of_one_name_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = module.machine()
    assert first == module.machine()
    assert len(first.split()) == 3, "host name, start of the machine, name space of process ids"
    monkeypatch.setattr(Path, "readlink", lambda self: Path("pid:[1]"))
    module.machine.cache_clear()
    second = module.machine()
    module.machine.cache_clear()
    assert second != first and second.split()[:2] == first.split()[:2]


@pytest.mark.parametrize(("age", "longest"), [(age, STALE_SECONDS) for age in (100.0, 86_400.0, -3_600.0)])
def test_a_dead_run_of_another_host_is_waited_out(
    age: float, longest: float, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that host's clock was an hour ahead or a day behind: what counts is how long nothing was seen here."""
    monkeypatch.setattr(module, "time", clock := Clock())
    foreign(store, age)
    told: list[Event] = []
    with Lock(store, listener=told.append):
        assert holder_of(store) != "other"
    assert longest <= clock.passed <= longest + LOOK_SECONDS
    (event,) = told
    assert event.stage == "wait"
    assert "on elsewhere since then" in event.facts["holder"]
    assert event.facts["until"] == 1_000_000 + longest


def test_a_living_run_of_another_host_is_noticed_at_its_next_heartbeat(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", clock := Clock(28.0, lambda: foreign(store, -28)))
    foreign(store, 2)
    with pytest.raises(ConflictError, match="on elsewhere"):
        Lock(store).__enter__()
    assert 28 <= clock.passed <= 28 + LOOK_SECONDS
    assert holder_of(store) == "other"


def test_a_run_of_another_host_that_ends_meanwhile_lets_the_next_one_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", clock := Clock(12.0, lambda: store.folder.delete(LOCK)))
    foreign(store, 2)
    assert_taken_over(store)
    assert clock.passed <= 12 + LOOK_SECONDS


def test_of_two_that_wait_for_the_same_dead_run_one_proceeds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has waited too, and took over a moment before."""
    monkeypatch.setattr(module, "time", clock := Clock())
    foreign(store, 300)
    first, second = Lock(store), Lock(store)
    clock._second, clock._happen = STALE_SECONDS, first.__enter__
    with pytest.raises(ConflictError, match=f"on {socket.gethostname()}"):
        second.__enter__()
    first.confirm()
    first.__exit__(None, None, None)


def test_a_claim_whose_run_died_before_it_took_the_lock_is_waited_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", clock := Clock())
    foreign(store, 300)
    store.folder.put(f"{module.CLAIMS}/other", store.read(LOCK).replace(b'"other"', b'"rival"'))
    assert_taken_over(store)
    assert clock.passed <= STALE_SECONDS + LOOK_SECONDS
    assert store.folder.list(module.CLAIMS) == []


def test_claims_in_a_circle_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run writes them, but a stranger's atlas may have them."""
    monkeypatch.setattr(module, "time", Clock())
    foreign(store, 300)
    for name in ("other", "rival"):
        store.folder.put(f"{module.CLAIMS}/{name}", store.read(LOCK).replace(b'"other"', b'"rival"'))
    with pytest.raises(ConflictError):
        Lock(store).__enter__()


def test_a_claim_that_came_while_this_run_waited_stands(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(store, 300)
    rival = store.read(LOCK).replace(b'"other"', b'"rival"')
    claimed = partial(store.folder.put, f"{module.CLAIMS}/other", rival)
    monkeypatch.setattr(module, "time", Clock(STALE_SECONDS - LOOK_SECONDS, claimed))
    with pytest.raises(ConflictError, match="on elsewhere"):
        Lock(store).__enter__()
    assert holder_of(store) == "other"


def test_whoever_waits_in_vain_leaves_nothing_in_the_atlas_of_the_other(
    tmp_path: Path, make_lines: Callable[..., bytes], hashing_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, store, told = tmp_path / "part.jsonl", Store(str(tmp_path / "atlas")), list[Event]()
    part.write_bytes(make_lines(3))
    monkeypatch.setattr(module, "time", Clock(28.0, lambda: foreign(store, -28)))
    foreign(store, 2)
    with pytest.raises(ConflictError, match="on elsewhere"):
        verbs.plan(hashing_recipe, part, store.url, verbs.Options(runner="serial"), told.append)
    assert [event.stage for event in told] == ["wait"]
    assert [path.name for path in (tmp_path / "atlas").rglob("*")] == [LOCK]


def test_take_over_does_not_wait_for_another_host(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", clock := Clock())
    foreign(store, 2)
    assert_taken_over(store, take_over=True)
    assert clock.passed == 0


def test_take_over_takes_from_the_living(store: Store) -> None:
    held_by(store)
    assert_taken_over(store, take_over=True)


@pytest.mark.parametrize("data", [b"", b"not json", b"[]", b"{}"])
def test_a_lock_that_cannot_be_read_gives_way(store: Store, data: bytes) -> None:
    store.folder.put(LOCK, data)
    assert_taken_over(store)


def test_a_run_that_was_taken_over_notices_and_leaves_the_new_lock_alone(store: Store) -> None:
    with Lock(store) as first:
        held_by(store)
        with pytest.raises(ConflictError, match="taken over by another run"):
            first.confirm()
    assert holder_of(store) == "other"


def test_entering_sweeps_what_killed_runs_left(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "atlas"))
    store.put("receipts/a.json", b"{}")
    leftover = tmp_path / "atlas" / "receipts" / f"{TEMPORARY}1-x-b.json"
    leftover.write_bytes(b"{")
    with Lock(store):
        assert not leftover.exists()
    assert store.folder.list("receipts") == ["receipts/a.json"]


def test_the_heart_beats_while_the_lock_is_held(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.001)
    beats = threading.Semaphore(0)
    real = store.folder.put

    def put(name: str, data: bytes) -> None:
        real(name, data)
        if name == LOCK:
            beats.release()

    monkeypatch.setattr(store.folder, "put", put)
    with Lock(store):
        first = json.loads(store.read(LOCK))
        for _ in range(3):
            assert beats.acquire(timeout=60)
        later = json.loads(store.read(LOCK))
    assert later["run"] == first["run"]
    assert later["beat"] >= first["beat"]


def test_of_twenty_racing_runs_exactly_one_gets_the_atlas(store: Store) -> None:
    start, done = threading.Barrier(20, timeout=60), threading.Barrier(20, timeout=60)

    def enter() -> bool:
        start.wait()
        lock = Lock(store)
        try:
            lock.__enter__()
        except ConflictError:
            return False
        finally:
            done.wait()
        lock.__exit__(None, None, None)
        return True

    with ThreadPoolExecutor(20) as pool:
        outcomes = [running.result() for running in [pool.submit(enter) for _ in range(20)]]
    assert sorted(outcomes) == [False] * 19 + [True]
    assert store.folder.size(LOCK) is None
