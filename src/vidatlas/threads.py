"""Limit linear algebra libraries to one thread: same bytes on any number of cores, and no contention among actors."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP of every loaded library use one thread."""
    limited: AbstractContextManager[Any] = _controller(len(sys.modules)).limit(limits=1)
    return limited


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """Search for libraries again only after imports: a search takes 20 ms, which would dominate for tiny groups."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
