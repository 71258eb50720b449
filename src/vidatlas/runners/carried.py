"""Errors of ours on their way from a worker to the driver, as data: Ray wraps, rewords or retries exceptions."""

from __future__ import annotations

from collections.abc import Mapping

from vidatlas.types import (
    ConflictError,
    InputError,
    Json,
    UnavailableError,
    UsageError,
    VidatlasError,
)

_KINDS = {kind.__name__: kind for kind in (VidatlasError, UsageError, InputError, ConflictError, UnavailableError)}


def carry(error: VidatlasError) -> Json:
    """Return an error as JSON."""
    return {"error": type(error).__name__, "message": str(error)}


def raise_carried(data: Mapping[str, object]) -> None:
    """Raise the error that a worker sent, if it sent one."""
    if "error" in data:
        raise _KINDS[str(data["error"])](str(data["message"]))
