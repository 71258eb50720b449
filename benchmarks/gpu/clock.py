"""A clock for a device whose work is queued: warm first, wait before and after, things compared take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

Work = Callable[[], object]
_LEAST, _MOST_CALLS = 0.02, 200


def wait(device: str) -> None:
    """Wait until a device has nothing left to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(device: str, work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many seconds some work took until the device was done, and its result."""
    wait(device)
    started = time.perf_counter()
    result = work()
    wait(device)
    return time.perf_counter() - started, result


def in_turn(device: str, ways: Mapping[str, Work], rounds: int, warm: bool = True) -> dict[str, list[float]]:
    """Return the seconds of each way in each round; all ways run once before, unwatched, then in turn."""
    if warm:
        for work in ways.values():
            timed(device, work)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            times[name].append(timed(device, work)[0])
    return times


def each_call(device: str, ways: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Return the median seconds of one call of each way, of rounds of as many calls as fill 20 ms."""
    calls: dict[str, int] = {}
    for name, work in ways.items():
        timed(device, work)
        calls[name] = min(_MOST_CALLS, max(1, int(_LEAST / max(timed(device, work)[0], 1e-6))))
    many = {name: _repeated(work, calls[name]) for name, work in ways.items()}
    found = in_turn(device, many, rounds, warm=False)
    return {name: statistics.median(seconds) / calls[name] for name, seconds in found.items()}


def _repeated(work: Work, calls: int) -> Work:
    def repeat() -> None:
        for _ in range(calls):
            work()

    return repeat
