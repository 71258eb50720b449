"""Feeding a device: asynchronous copies, one shard at a time, and a measure of its idle time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vidatlas.types import EncodeStats, Floats

Mark = Any
"""A point in time of a device: seconds, or a CUDA event."""
Span = tuple[Mark, Mark, Mark]
"""The end of the previous shard, the start and the end of this one."""


class Feed:
    """Feed one device: copy arrays to it and results back, and time its computations.

    On CUDA everything is asynchronous: a copy to the device starts from pinned memory and returns at once, and the CPU
    waits for the device only in ``fetch``. On a CPU the same calls are synchronous.

    Args:
        device: "cpu" or "cuda" ("meta" in tests: shapes without data).
    """

    def __init__(self, device: str) -> None:
        self.device, self._queued = device, device.startswith("cuda")
        self._turn = threading.Lock()
        self._last: Mark = None

    def upload(self, array: NDArray[Any]) -> torch.Tensor:
        """Return the array on the device; on CUDA the copy may still be in progress."""
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._queued:
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def fetch(self, tensor: torch.Tensor) -> Floats:
        """Wait for a tensor [n, dim] on the device, and return it as float32."""
        if self._queued:
            here = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            here.copy_(tensor, non_blocking=True)
            self._mark().synchronize()
            tensor = here
        return np.asarray(tensor.float().cpu().numpy(), np.float32)

    @contextmanager
    def turn(self, spans: list[Span]) -> Iterator[None]:
        """Reserve the device for one shard, and record its times in ``spans``."""
        with self._turn:
            begun = self._mark()
            try:
                yield
            finally:
                ended = self._mark()
                spans.append((self._last, begun, ended))
                self._last = ended

    def add_times(self, spans: list[Span], stats: EncodeStats) -> None:
        """Add the device's compute time and the idle time before it, after everything was fetched."""
        for before, begun, ended in spans:
            stats.seconds += self._between(begun, ended)
            stats.idle += self._between(before, begun) if before is not None else 0.0

    def release(self) -> None:
        """Return cached memory to the device."""
        if self._queued:
            torch.cuda.empty_cache()

    def _mark(self) -> Mark:
        if not self._queued:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, first: Mark, second: Mark) -> float:
        return first.elapsed_time(second) / 1e3 if self._queued else float(second - first)
