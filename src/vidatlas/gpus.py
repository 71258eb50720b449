"""GPUs: whether torch sees one, which it must where the process was given one."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextvars import ContextVar
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from vidatlas.errors import UnavailableError
from vidatlas.types import R

_given = ContextVar("given", default=False)


def with_gpu(function: Callable[..., R], *arguments: Any) -> R:
    """Call a function in a process that was given a GPU: it must run there or fail, never fall back to the CPU."""
    token = _given.set(True)
    try:
        return function(*arguments)
    finally:
        _given.reset(token)


def sees_gpu() -> bool:
    """Tell whether torch sees a GPU in this process.

    Raises:
        UnavailableError: it sees none, but this process was given one.
    """
    if not _given.get():
        if find_spec("torch") is None:
            return False
        if "torch" not in sys.modules and version("torch").endswith("+cpu"):
            return False  # built without GPUs: importing it, which takes seconds, would tell nothing else
    import torch

    if torch.cuda.is_available():
        return True
    if _given.get():
        # Continuing would occupy the GPU but compute on the CPU, at a hundredth of the speed.
        raise UnavailableError(
            f"a worker on {socket.gethostname()} was given a GPU, but torch {torch.__version__} sees none. Check the "
            "driver there (nvidia-smi) and that torch is built for CUDA, or run with --gpus 0."
        )
    return False
