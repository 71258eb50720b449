"""The cache on this machine: copies of files of remote atlases, and what is derived from an atlas to search it.

A file is named after a checksum of what it was made of, so it is never out of date; one that nobody used for a month is
removed. Nothing in it comes from an atlas unverified.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vidatlas.errors import UnavailableError
from vidatlas.types import T

_UNUSED_SECONDS = 30 * 86_400


def kept_open(key: str, make: Callable[[Path], object], opening: Callable[[Path], T], damaged: type[Exception]) -> T:
    """Return the cached file of a key, opened; one that cannot be opened (``damaged``) is made anew.

    Raises:
        UnavailableError: as ``kept``.
    """
    try:
        return opening(kept(key, make))
    except damaged:
        return opening(kept(key, make, renew=True))


def kept(key: str, make: Callable[[Path], object], renew: bool = False) -> Path:
    """Return the cached file of a key, made by ``make`` at the path that it is given unless it is there.

    Raises:
        UnavailableError: no folder for it can be written.
    """
    target = folder() / key
    if target.exists() and not renew:
        with suppress(OSError):
            os.utime(target)
        return target
    temporary = target.with_name(f".tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        make(temporary)
        temporary.replace(target)
    except OSError as error:
        raise UnavailableError(
            f"cannot write to the cache {target.parent}: {error.strerror or error}. Free space, or set XDG_CACHE_HOME."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    _sweep(target)
    return target


def folder() -> Path:
    """Return the folder of the cache, which only its owner can read; a temporary one where there is no home."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - may have no home
    shared = Path(tempfile.gettempdir()) / f"vidatlas-cache-{os.getuid()}"
    for at in (Path(home) / "vidatlas", shared):
        with suppress(OSError):
            at.mkdir(mode=0o700, parents=True, exist_ok=True)
            # In the shared folder for temporary files, somebody else may have made it, or a link to another folder.
            state = at.lstat() if at == shared else at.stat()
            if os.access(at, os.W_OK) and state.st_uid == os.getuid() and stat.S_ISDIR(state.st_mode):
                return at
    raise UnavailableError("there is no folder for a cache. Set XDG_CACHE_HOME to a folder that can be written.")


def _sweep(made: Path) -> None:
    oldest = time.time() - _UNUSED_SECONDS
    for file in made.parent.iterdir():
        with suppress(OSError):
            if file != made and file.stat().st_mtime < oldest:
                shutil.rmtree(file) if file.is_dir() else file.unlink()
