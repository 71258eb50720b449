"""Make sure that a worker sees the local files that its driver sees: a cluster's machines have disks of their own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from vidatlas.folder import is_relative
from vidatlas.types import UsageError

R = TypeVar("R")
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets this in the process that it starts for a job."""


def see_first(files: tuple[Path, ...], function: Callable[..., R], *arguments: Any) -> R:
    """Call a function where every file is there.

    Raises:
        UsageError: one is not: this machine has another disk than the driver's.
    """
    for path in files:
        if not path.exists():
            raise UsageError(
                f"{path} is not there on {socket.gethostname()}, a node of the cluster. Put input and atlas into "
                "an object store (s3://…), or on a disk that every node mounts at the same place."
            )
    return function(*arguments)


def refuse_relative(places: Iterable[str]) -> None:
    """Raise UsageError in a Ray job where a place is relative: its folder is a copy that goes with the job."""
    for place in places:
        if IN_A_JOB in os.environ and is_relative(place):
            raise UsageError(
                f"{place}: a job's own folder goes when the job ends. Give a URL such as s3://…, or an absolute path "
                "that every node sees."
            )
