"""Progress of a run: a live line in a terminal, log lines elsewhere, ``progress.json`` for other shells."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from vidatlas.storage.store import PROGRESS, Store, to_json
from vidatlas.types import Event, Json
from vidatlas.views.text import duration

FILE_EVERY = 1.0
LINE_EVERY = 5.0
_VERBS = {"plan": "reading", "embed": "embedding", "reduce": "reducing", "publish": "publishing"}


@dataclass(slots=True)
class _Meter:
    """Measure the rates of a stage, or a step of it, from its first event on: what earlier runs did is no speed."""

    started: float
    first: Event
    last: Event

    def take(self, event: Event, now: float) -> None:
        if event.done > self.first.done == self.last.done and "worker_seconds" in event.facts:
            # The first shard: leave out the time that Ray and the model took to start.
            spent = event.facts["worker_seconds"] - self.first.facts["worker_seconds"]
            self.started = max(self.started, now - spent)
        self.last = event

    def rates(self, now: float) -> Json:
        seconds = max(now - self.started, 1e-6)
        keys = ("rows", "texts", "tokens") if self.first.stage == "embed" else ()
        gained = {key: (self.last.facts.get(key, 0) - self.first.facts.get(key, 0)) / seconds for key in keys}
        done, total = _inside(self.last)
        share = (done - _inside(self.first)[0]) / seconds
        left = (total - done) / share if share > 0 else None
        return {
            **{f"{key}_per_second": round(value, 1) for key, value in gained.items()},
            "eta_seconds": left and round(left, 1),
        }


def _inside(event: Event) -> tuple[int, int]:
    """Return how much is done, of how much: of the stage's current step where that is counted, else of the stage."""
    inside = event.facts.get("inside") or {"done": event.done, "total": event.total}
    return inside["done"], inside["total"]


@dataclass
class Reporter:
    """Report a run's progress, and keep ``progress.json`` in the atlas up to date."""

    atlas: str
    console: Console
    clock: Callable[[], float] = time.monotonic
    _meter: _Meter | None = None
    _shown: float = float("-inf")
    _written: float = float("-inf")
    _bar: Progress | None = None
    _tasks: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Reporter:
        self._start()
        return self

    @property
    def idle(self) -> bool:
        """Tell whether no stage had anything to do."""
        return self._meter is None

    def _start(self) -> None:
        if not self.console.is_terminal:
            return
        columns = (
            TextColumn("{task.description}", table_column=Column(min_width=10, no_wrap=True)),
            BarColumn(20, table_column=Column(min_width=20)),
            TextColumn("{task.fields[text]}", table_column=Column(ratio=1, no_wrap=False)),
            TimeElapsedColumn(),
        )
        self._tasks = {}
        self._bar = Progress(*columns, console=self.console, expand=True)
        self._bar.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to others: what they print stands below the bars so far, and above those to come."""
        if self._bar:
            self._bar.stop()
        yield
        self._start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if self._meter:
            self._write("finished" if error is None else "stopped")

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if event.stage == "wait":
            self._say(_waiting(event))
            return
        now = self.clock()
        if self._meter is None or _part(self._meter.first) != _part(event):
            self._meter = _Meter(now, event, event)
            self._shown = self._written = float("-inf")
        self._meter.take(event, now)
        due = event.done >= event.total
        if due or now - self._written >= FILE_EVERY:
            self._written = now
            self._write("running")
        if self._bar:
            self._draw(event)
            return
        if event.facts.get("last"):
            self._say("done " + " ".join(f"{key}={value}" for key, value in event.facts["last"].items()))
        if due or now - self._shown >= LINE_EVERY:
            self._shown = now
            self._say(f"{_VERBS[event.stage]} {self._text()}")

    def _say(self, text: str) -> None:
        self.console.print(f"{time.strftime('%H:%M:%S')} {escape(text)}", highlight=False, soft_wrap=True)

    def _draw(self, event: Event) -> None:
        assert self._bar
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._bar.add_task(_VERBS[event.stage], total=max(event.total, 1), text="")
        done, total = _inside(event)
        completed = event.done + (done / total if "inside" in event.facts else 0) if event.total else 1
        self._bar.update(
            self._tasks[event.stage], completed=completed, total=max(event.total, 1), text=escape(self._text())
        )

    def _text(self) -> str:
        assert self._meter
        return describe(self._meter.last, self._meter.rates(self.clock()))

    def _write(self, state: str) -> None:
        assert self._meter
        event = self._meter.last
        data = {
            "state": state,
            "stage": event.stage,
            "done": event.done,
            "total": event.total,
            **event.facts,
            **self._meter.rates(self.clock()),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "updated": round(time.time(), 1),
        }
        Store(self.atlas).folder.put(PROGRESS, to_json(data))


def _part(event: Event) -> tuple[str, Any]:
    return event.stage, event.facts.get("step")


def _waiting(event: Event) -> str:
    until = time.strftime("%H:%M:%S", time.localtime(event.facts["until"]))
    return (
        f"waiting for a heartbeat of the run that holds the lock ({event.facts['holder']}); if none comes until "
        f"{until}, this run takes over. If that run is certainly gone, --take-over does not wait"
    )


def describe(event: Event, rates: Mapping[str, Any]) -> str:
    """Return an event as one line for a person."""
    if event.stage == "plan":
        found, rows = event.facts.get("found_bytes"), event.facts.get("found_lines", event.facts.get("rows", 0))
        size = f"{(event.done if found is None else found) / 1e6:,.1f} of {event.total / 1e6:,.1f} MB"
        return f"{size}, {rows:,} rows" if found is None else f"finding lines: {size}, {rows:,} lines"
    if event.stage == "embed":
        return _describe_embedding(event, rates)
    step, inside = event.facts.get("step"), event.facts.get("inside")
    said = f"{event.done} of {event.total} steps" + (f", {step}" if step else "")
    if inside is None:
        return said
    left = f" · {duration(rates['eta_seconds'])} left of this step" if rates.get("eta_seconds") else ""
    return f"{said}: {inside['done']:,} of {inside['total']:,} {inside['unit']}{left}"


def _describe_embedding(event: Event, rates: Mapping[str, Any]) -> str:
    facts = event.facts
    parts = [f"{event.done:,}/{event.total:,} shards", f"{facts['rows']:,} of {facts['planned_rows']:,} records"]
    if rates.get("rows_per_second"):
        parts.append(f"{rates['rows_per_second']:,.0f} records/s, {rates['texts_per_second']:,.0f} texts/s")
    if facts["texts"]:
        parts.append(f"{facts['distinct'] / facts['texts']:.0%} distinct")
    elif event.done < event.total:
        parts.append("workers start and load the model")
    if facts.get("idle_share"):
        parts.append(f"device idle {facts['idle_share']:.0%}")
    if len(facts.get("batch_tokens", ())) > 1:
        parts.append(out_of_memory(facts["batch_tokens"]))
    if facts["rejects"]:
        parts.append("left out: " + ", ".join(f"{count:,} {reason}" for reason, count in facts["rejects"].items()))
    if rates.get("eta_seconds") is not None and event.done < event.total:
        parts.append(f"{duration(rates['eta_seconds'])} left")
    return " · ".join(parts)


def out_of_memory(batch_tokens: list[int]) -> str:
    """Say that some shards were computed in smaller batches, and why."""
    return f"out of memory at {batch_tokens[0]:,} tokens per batch, went on with {batch_tokens[-1]:,}"
