"""Remote workers: what their errors become on the way to the driver, and which local files they must see."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vidatlas.errors import ConflictError, InputError, UnavailableError, UsageError, VidatlasError
from vidatlas.storage.folder import is_relative
from vidatlas.types import Json, R

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


_KINDS = {kind.__name__: kind for kind in (VidatlasError, UsageError, InputError, ConflictError, UnavailableError)}


def carry(error: VidatlasError) -> Json:
    """Return an error as JSON."""
    return {"error": type(error).__name__, "message": str(error)}


def raise_carried(data: Mapping[str, object]) -> None:
    """Raise the error that a worker sent, if it sent one."""
    if "error" in data:
        raise _KINDS[str(data["error"])](str(data["message"]))
