"""What a person sees while it runs, with rates that count this run alone."""

from __future__ import annotations

import io
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from vidatlas.cli.progress import FILE_EVERY, LINE_EVERY, Reporter, describe
from vidatlas.storage.folder import LocalFolder
from vidatlas.types import Event


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """A reporter on a screen without a terminal, and what it wrote."""

    def __init__(self, atlas: Path, terminal: bool = False) -> None:
        self.clock, self.atlas, self.out = Clock(), atlas, io.StringIO()
        console = Console(file=self.out, width=200, force_terminal=terminal, color_system=None)
        self.reporter = Reporter(str(atlas), console, self.clock)

    def at(self, second: float, event: Event) -> None:
        self.clock.now = 1_000.0 + second
        self.reporter(event)

    @property
    def file(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.atlas / "progress.json").read_text(encoding="utf-8"))
        return found

    @property
    def lines(self) -> list[str]:
        return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in self.out.getvalue().splitlines()]


def embedded(done: int, total: int = 10, rejects: dict[str, int] | None = None) -> Event:
    facts = {"rows": 100 * done, "planned_rows": 100 * total, "texts": 400 * done, "distinct": 100 * done}
    more = {"tokens": 1_000 * done, "worker_seconds": 2.0 * done, "kept": 100 * done, "rejects": rejects or {}}
    return Event("embed", done, total, facts | more)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def test_rates_leave_out_what_earlier_runs_did_and_the_time_to_start(watch: Watch) -> None:
    with watch.reporter:
        watch.at(0, embedded(5))
        # Ray and the model took 60 seconds to start; the first shard itself took two.
        watch.at(62, embedded(6))
        assert watch.file["rows_per_second"] == 50.0
        watch.at(64, embedded(7))
    found = watch.file
    assert (found["rows_per_second"], found["texts_per_second"], found["tokens_per_second"]) == (50.0, 200.0, 500.0)
    assert found["eta_seconds"] == 6.0


def test_a_run_that_has_done_nothing_yet_promises_nothing(watch: Watch) -> None:
    with watch.reporter:
        watch.at(0, embedded(5))
        watch.at(30, embedded(5))
        assert (watch.file["rows_per_second"], watch.file["eta_seconds"]) == (0.0, None)


def test_the_file_says_all_that_is_known(watch: Watch) -> None:
    with watch.reporter:
        watch.at(0, embedded(0))
        watch.at(2, embedded(1, rejects={"no_text": 3}))
        assert watch.file["state"] == "running"
    found = watch.file
    expected = {"state": "finished", "stage": "embed", "done": 1, "total": 10, "rows": 100, "rejects": {"no_text": 3}}
    assert {key: found[key] for key in expected} == expected
    assert found["pid"] == os.getpid()
    assert found["updated"] > 0


def test_a_run_that_fails_is_said_to_have_stopped(watch: Watch) -> None:
    with pytest.raises(ZeroDivisionError), watch.reporter:
        watch.at(0, embedded(1))
        raise ZeroDivisionError
    assert watch.file["state"] == "stopped"


def test_a_run_without_events_writes_nothing(watch: Watch) -> None:
    with watch.reporter:
        pass
    assert list(watch.atlas.iterdir()) == []
    assert watch.out.getvalue() == ""


def test_the_file_is_written_whole_and_not_at_every_event(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    real = LocalFolder.put
    monkeypatch.setattr(LocalFolder, "put", lambda self, name, data: (written.append(name), real(self, name, data)))
    with watch.reporter:
        for tick in range(100):
            watch.at(tick * FILE_EVERY / 10, embedded(0))
    assert set(written) == {"progress.json"}
    assert 10 <= len(written) <= 12
    assert [file.name for file in watch.atlas.iterdir()] == ["progress.json"]


def test_without_a_terminal_there_are_plain_lines_now_and_then(watch: Watch) -> None:
    with watch.reporter:
        for tick in range(11):
            watch.at(tick * LINE_EVERY / 5, Event("plan", tick * 100_000, 1_000_000, {"rows": tick * 1_000}))
        watch.at(20, embedded(0))
    assert watch.lines == [
        "reading 0.0 of 1.0 MB, 0 rows",
        "reading 0.5 of 1.0 MB, 5,000 rows",
        "reading 1.0 of 1.0 MB, 10,000 rows",
        "embedding 0/10 shards · 0 of 1,000 records · workers start and load the model",
    ]
    assert "\x1b" not in watch.out.getvalue()


def test_a_new_step_is_said_at_once(watch: Watch) -> None:
    with watch.reporter:
        for second, done, step in ((0, 0, "rows"), (0.1, 1, "rows"), (0.2, 1, "network"), (90, 2, "network")):
            watch.at(second, Event("reduce", done, 4, {"step": step}))
            assert (watch.file["step"], watch.clock.now) == (step, 1_000.0 + second)
    assert watch.lines == [
        "reducing 0 of 4 steps, rows",
        "reducing 1 of 4 steps, network",
        "reducing 2 of 4 steps, network",
    ]


def counted(step: str, done: int, of: int, unit: str = "shards") -> Event:
    return Event("publish", 2, 9, {"step": step, "inside": {"done": done, "total": of, "unit": unit}})


def test_a_step_that_counts_has_a_rate_of_its_own(watch: Watch) -> None:
    with watch.reporter:
        watch.at(0, Event("publish", 1, 9, {"step": "drawing a sample"}))
        watch.at(100, counted("layout", 0, 750, "iterations"))
        watch.at(110, counted("layout", 250, 750, "iterations"))
        # What the sample took says nothing of what the layout takes.
        assert (watch.file["eta_seconds"], watch.file["inside"]["done"]) == (20.0, 250)
        watch.at(111, counted("placing", 0, 4))
        assert watch.file["eta_seconds"] is None
    assert watch.lines == [
        "publishing 1 of 9 steps, drawing a sample",
        "publishing 2 of 9 steps, layout: 0 of 750 iterations",
        "publishing 2 of 9 steps, layout: 250 of 750 iterations · 20 s left of this step",
        "publishing 2 of 9 steps, placing: 0 of 4 shards",
    ]


def test_the_bar_of_a_step_that_counts_moves(tmp_path: Path) -> None:
    watch = Watch(tmp_path, terminal=True)
    with watch.reporter:
        watch.at(0, counted("layout", 250, 500, "iterations"))
        assert watch.reporter._bar
        assert watch.reporter._bar.tasks[0].completed == 2.5


def test_a_log_has_a_line_for_every_shard(watch: Watch) -> None:
    shards = [{"shard": f"videos-1a2b-0000{number}", "rows": 10, "kept": 9, "attempt": 1} for number in range(3)]
    with watch.reporter:
        for number, shard in enumerate(shards):
            watch.at(number / 100, Event("embed", number + 1, 10, {**embedded(number + 1).facts, "last": shard}))
    lines = [line for line in watch.lines if line.startswith("done ")]
    assert lines == [f"done shard=videos-1a2b-0000{number} rows=10 kept=9 attempt=1" for number in range(3)]
    assert len(watch.lines) == 4  # and one of progress: the next is due five seconds later
    assert watch.file["last"] == shards[2]


def test_waiting_for_another_run_is_said_and_leaves_that_run_s_file_alone(watch: Watch) -> None:
    holder = "process 7 on elsewhere since then"
    with watch.reporter:
        watch.at(0, Event("wait", 0, 600, {"holder": holder, "until": 1_700_000_000.0}))
    assert list(watch.atlas.iterdir()) == []
    (line,) = watch.lines
    until = time.strftime("%H:%M:%S", time.localtime(1_700_000_000))
    assert line.startswith("waiting for a heartbeat of the run that holds the lock (process 7 on elsewhere")
    assert line.endswith(
        f"if none comes until {until}, this run takes over. If that run is certainly gone, --take-over does not wait"
    )


def test_a_new_stage_starts_its_own_rates(watch: Watch) -> None:
    with watch.reporter:
        watch.at(0, Event("plan", 0, 10, {"rows": 0}))
        watch.at(10, Event("plan", 10, 10, {"rows": 100}))
        watch.at(11, Event("reduce", 0, 4, {"step": "moments"}))
        watch.at(13, Event("reduce", 1, 4, {"step": "moments"}))
        assert (watch.file["stage"], watch.file["eta_seconds"], watch.file["step"]) == ("reduce", 6.0, "moments")
        assert "rows_per_second" not in watch.file


def test_a_terminal_gets_a_bar_that_ends(tmp_path: Path) -> None:
    watch = Watch(tmp_path, terminal=True)
    with watch.reporter:
        watch.at(0, embedded(0))
        watch.at(9, embedded(10))
        watch.at(10, Event("publish", 0, 0))
    assert "10/10 shards" in watch.out.getvalue().replace("\n", "")
    assert "publishing" in watch.out.getvalue()


def test_an_event_is_described_in_one_line() -> None:
    rates = {"rows_per_second": 1_234.5, "texts_per_second": 9_999.0, "eta_seconds": 100.0}
    assert describe(embedded(3, rejects={"no_text": 2, "duplicate_id": 1}), rates) == (
        "3/10 shards · 300 of 1,000 records · 1,234 records/s, 9,999 texts/s · 25% distinct"
        " · left out: 2 no_text, 1 duplicate_id · 1 min 40 s left"
    )
    assert describe(embedded(10), rates).endswith("25% distinct")
    found = {"rows": 0, "found_lines": 7_000, "found_bytes": 3_000_000}
    assert describe(Event("plan", 0, 9_000_000, found), {}) == "finding lines: 3.0 of 9.0 MB, 7,000 lines"
    assert describe(Event("plan", 1_000_000, 9_000_000, {"rows": 2_000}), {}) == "1.0 of 9.0 MB, 2,000 rows"
    assert describe(Event("reduce", 1, 4, {"step": "clusters"}), {}) == "1 of 4 steps, clusters"
    assert describe(Event("publish", 1, 4, {"step": "search index"}), {}) == "1 of 4 steps, search index"


def test_what_is_printed_in_a_pause_stands_between_the_bars(tmp_path: Path) -> None:
    watch = Watch(tmp_path, terminal=True)
    with watch.reporter as reporter:
        watch.at(0, Event("plan", 10, 10, {"rows": 3}))
        with reporter.paused():
            reporter.console.print("the plan")
        watch.at(1, embedded(10))
    text = watch.out.getvalue()
    after = text[text.index("the plan") :]
    assert "reading" in text[: text.index("the plan")]
    assert "reading" not in after
    assert "embedding" in after
