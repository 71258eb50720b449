"""Keep libraries of linear algebra to one thread: equal bytes on any number of cores, and no fight among actors."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP of every library that is loaded use one thread."""
    limited: AbstractContextManager[Any] = _controller(len(sys.modules)).limit(limits=1)
    return limited


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """Look for libraries again whenever modules were imported: looking takes 20 ms, which tiny groups would feel."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
