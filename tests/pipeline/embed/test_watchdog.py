"""A run in which no shard is finished for long ends in one line; one that waits for machines goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vidatlas.errors import UnavailableError
from vidatlas.pipeline.embed.watchdog import watched
from vidatlas.pipeline.embed.worker import mark_attempt
from vidatlas.storage.store import Store
from vidatlas.types import Json

SHORT = 0.2 / 60


def receipts(store: Store, begun: list[str], hangs: float) -> Iterator[Json]:
    """Yield the receipt of the first shard that is begun, and then hang."""
    for shard in begun:
        mark_attempt(store, shard)
    yield {"shard": "part-00000"}
    time.sleep(hangs)
    yield {"shard": "last"}


def test_a_run_that_is_stuck_names_stage_shard_and_worker(tmp_path: Path) -> None:
    store = Store(tmp_path / "atlas")
    found = watched(receipts(store, ["part-00000", "part-00007"], hangs=60), store, SHORT)
    assert next(found)["shard"] == "part-00000"
    with pytest.raises(UnavailableError, match=r"embed finished no shard .* waits for part-00007 \(process \d+ on "):
        next(found)


def test_a_run_that_waits_for_machines_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "atlas")
    found = watched(receipts(store, ["part-00000"], hangs=5 * 60 * SHORT), store, SHORT)
    assert [receipt["shard"] for receipt in found] == ["part-00000", "last"]


def test_an_interrupt_of_the_user_stays_one(tmp_path: Path) -> None:
    def stopped() -> Iterator[Json]:
        yield {"shard": "part-00000"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(watched(stopped(), Store(tmp_path / "atlas"), SHORT))


def test_nothing_is_watched_with_0_minutes_or_in_another_thread(tmp_path: Path) -> None:
    store, found = Store(tmp_path / "atlas"), list[Json]()
    begun = ["part-00000", "part-00007"]
    assert len(list(watched(receipts(store, begun, hangs=4 * 60 * SHORT), store, 0))) == 2
    there = watched(receipts(store, begun, hangs=4 * 60 * SHORT), store, SHORT)
    thread = threading.Thread(target=lambda: found.extend(there))
    thread.start()
    thread.join()
    assert len(found) == 2


def test_a_run_whose_workers_are_lost_ends_at_once(tmp_path: Path) -> None:
    store, answers = Store(tmp_path / "atlas"), iter(["", "Ray stopped working"])
    found = watched(receipts(store, ["part-00000"], hangs=60), store, SHORT, lambda: next(answers, ""))
    next(found)
    with pytest.raises(UnavailableError, match=r"^Ray stopped working$"):
        next(found)
