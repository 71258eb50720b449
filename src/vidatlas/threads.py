"""Threads: linear algebra libraries limited to one (same bytes on any number of cores), and what is made but once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any, TypeVar

T = TypeVar("T")


class once(cached_property[T]):  # noqa: N801 - written like a property
    """Make a property that the first thread computes while others wait for it: Python's own does not wait."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        super().__init__(make)
        self._making = RLock()

    def __get__(self, instance: object, owner: type[Any] | None = None) -> T:  # type: ignore[override]
        with self._making:
            return super().__get__(instance, owner)


def cpus() -> int:
    """Return the CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP of every loaded library use one thread."""
    limited: AbstractContextManager[Any] = _controller(len(sys.modules)).limit(limits=1)
    return limited


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """Search for libraries again only after imports: a search takes 20 ms, which would dominate for tiny groups."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
