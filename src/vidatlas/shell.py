"""Between the commands and the operating system: signals, standard error, exit codes, one line for every error."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from vidatlas.types import UsageError, VidatlasError

_STOPPED = "stopped. Nothing that was finished is lost; give the same command again to go on."


class QuietLibraries:
    """Send what libraries write to standard error into a log file while a command works."""

    def __init__(self, atlas: str) -> None:
        self._atlas = atlas

    def __enter__(self) -> None:
        import tempfile

        from vidatlas.folder import is_remote, local_path

        folder = Path(tempfile.gettempdir()) if is_remote(self._atlas) else local_path(self._atlas) / "logs"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            log = os.open(folder / "libraries.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UsageError(
                f"cannot write to {self._atlas}: {error.strerror}. Choose another output folder."
            ) from error
        self._log = folder / "libraries.log"
        sys.stderr.flush()
        self._saved = os.dup(2)
        os.dup2(log, 2)
        os.close(log)

    def __exit__(self, *error: object) -> None:
        sys.stderr.flush()
        os.dup2(self._saved, 2)
        os.close(self._saved)
        # A command that failed before it had anything to log leaves no folder behind.
        if self._log.stat().st_size == 0:
            self._log.unlink()
            with suppress(OSError):
                self._log.parent.rmdir()
                self._log.parent.parent.rmdir()


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
        return _fail(_STOPPED, stop.code) if stop.code == 128 + signal.SIGTERM else int(stop.code or 0)
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
