"""One run at a time holds an atlas; a dead one gives way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vidatlas import lock as module
from vidatlas.folder import TEMPORARY
from vidatlas.lock import LOCK, STALE_SECONDS, Lock
from vidatlas.store import Store, to_json
from vidatlas.types import ConflictError


@pytest.fixture
def store(place: str) -> Store:
    return Store(place)


def held_by(store: Store, **changes: Any) -> None:
    """Leave the lock of another run."""
    holder = {"run": "other", "host": socket.gethostname(), "pid": os.getpid(), "since": "then", "beat": time.time()}
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


def test_another_host_holds_while_its_heart_beats(store: Store) -> None:
    held_by(store, host="elsewhere", pid=dead_pid())
    with pytest.raises(ConflictError, match="on elsewhere"):
        Lock(store).__enter__()
    held_by(store, host="elsewhere", beat=time.time() - STALE_SECONDS - 1)
    assert_taken_over(store)


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
