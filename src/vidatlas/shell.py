"""Between the commands and the operating system: signals, standard error, exit codes, one line for every error."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from vidatlas.folder import is_remote, local_path
from vidatlas.stderr import stderr_to
from vidatlas.types import UsageError, VidatlasError

_STOPPED = "stopped. Nothing that was finished is lost; give the same command again to go on."


@contextmanager
def quiet_libraries(atlas: str) -> Iterator[None]:
    """Send what libraries write to standard error into the atlas's log while a command works.

    Raises:
        UsageError: the atlas's folder cannot be written.
    """
    folder = Path(tempfile.gettempdir()) if is_remote(atlas) else local_path(atlas) / "logs"
    log = folder / "libraries.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log.touch(mode=0o600)
    except OSError as error:
        raise UsageError(f"cannot write to {atlas}: {error.strerror}. Choose another output folder.") from error
    try:
        with stderr_to(log):
            yield
    finally:
        # A command that failed before it had anything to log leaves no folder behind.
        if log.exists() and log.stat().st_size == 0:
            log.unlink()
            with suppress(OSError):
                folder.rmdir()
                folder.parent.rmdir()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def guard(command: Callable[[], object]) -> int:
    """Run a command; return its exit code, having said in one line what went wrong."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        command()
    except VidatlasError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail(_STOPPED, 128 + signal.SIGINT)
    except SystemExit as stop:
        code = int(stop.code or 0)
        return _fail(_STOPPED, code) if code in (128 + signal.SIGINT, 128 + signal.SIGTERM) else code
    except BrokenPipeError:
        # Whoever read our output has seen enough (``| head``); Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:  # noqa: BLE001 - the one place where anything may be caught
        return _unexpected(error)
    return 0


def _unexpected(error: Exception) -> int:
    # Typer's parser has its own copy of click's exceptions; what they share is this method.
    wording = getattr(error, "format_message", None)
    if wording is not None:
        return _fail(f"{wording().rstrip('.')}. See: vidatlas --help", UsageError.exit_code)
    traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}"
    return _fail(f"this is a bug in vidatlas: {what}. Please report it with the lines above.", 1)


def _fail(message: str, code: int) -> int:
    sys.stderr.write("vidatlas: " + " ".join(message.split()) + "\n")
    return code
