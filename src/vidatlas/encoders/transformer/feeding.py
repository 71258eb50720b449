"""Keep a device fed: copies that do not wait, one shard on the device at a time, and how long it stood idle."""

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
"""A point in a device's work: seconds of a clock, or a CUDA event."""
Span = tuple[Mark, Mark, Mark]
"""The end of the shard before, the begin and the end of one."""


class Feed:
    """Move arrays to one device and results back, and time what runs there.

    On CUDA everything is queued: a copy to the device starts from pinned memory and returns at once, and the processor
    waits for the device in ``fetch`` only. On a CPU there is nothing to queue, and the same calls are plain ones.

    Args:
        device: "cpu" or "cuda" ("meta" in tests: shapes without data).
    """

    def __init__(self, device: str) -> None:
        self.device, self._queued = device, device.startswith("cuda")
        self._turn = threading.Lock()
        self._last: Mark = None

    def upload(self, array: NDArray[Any]) -> torch.Tensor:
        """Return the array on the device; on CUDA the copy may still be under way."""
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._queued:
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def fetch(self, tensor: torch.Tensor) -> Floats:
        """Wait for a tensor [n, dim] of the device, and return it as float32."""
        if self._queued:
            here = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            here.copy_(tensor, non_blocking=True)
            self._mark().synchronize()
            tensor = here
        return np.asarray(tensor.float().cpu().numpy(), np.float32)

    @contextmanager
    def turn(self, spans: list[Span]) -> Iterator[None]:
        """Hold the device for one shard, and note when in ``spans``."""
        with self._turn:
            begun = self._mark()
            try:
                yield
            finally:
                ended = self._mark()
                spans.append((self._last, begun, ended))
                self._last = ended

    def add_times(self, spans: list[Span], stats: EncodeStats) -> None:
        """Add what the device computed and how long it had waited before, once all of it was fetched."""
        for before, begun, ended in spans:
            stats.seconds += self._between(begun, ended)
            stats.idle += self._between(before, begun) if before is not None else 0.0

    def release(self) -> None:
        """Give memory that is kept for reuse back to the device."""
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
