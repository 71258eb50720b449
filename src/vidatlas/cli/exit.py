"""Exit codes, signals and standard error: every error becomes one line and a code."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from vidatlas.errors import EXTRAS, UsageError, VidatlasError, require
from vidatlas.stderr import stderr_to

_STOPPED = "stopped. Nothing that was committed is lost; rerun the same command to resume."


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Redirect what libraries write to standard error into a temporary file while a command runs; an error names it.

    Raises:
        UsageError: the temporary folder cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix="vidatlas-", suffix=".log")
    except OSError as error:
        where = error.filename or "the temporary folder"
        raise UsageError(
            f"cannot write to {where}: {error.strerror}. Set TMPDIR to a folder that can be written."
        ) from error
    os.close(descriptor)
    log, named = Path(name), False
    try:
        with stderr_to(log):
            yield
    except VidatlasError as error:
        with suppress(FileNotFoundError):  # the system may clear its temporary folder meanwhile
            named = log.stat().st_size > 0
        if named:
            error.add_note(f"What libraries wrote meanwhile is in {log}.")
        raise
    finally:
        if not named:
            log.unlink(missing_ok=True)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def guard(command: Callable[[], object]) -> int:
    """Run a command; print its error in one line and return its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        _with_extras(command)
    except VidatlasError as error:
        return fail(" ".join([str(error), *getattr(error, "__notes__", ())]), error.exit_code)
    except KeyboardInterrupt:
        return fail(_STOPPED, 128 + signal.SIGINT)
    except SystemExit as stop:
        code = int(stop.code or 0)
        return fail(_STOPPED, code) if code in (128 + signal.SIGINT, 128 + signal.SIGTERM) else code
    except BrokenPipeError:
        # Whoever read our output has seen enough (``| head``); Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:  # noqa: BLE001 - the one place where anything may be caught
        return _unexpected(error)
    return 0


def _with_extras(command: Callable[[], object]) -> None:
    try:
        command()
    except ModuleNotFoundError as error:
        if error.name in EXTRAS:
            require("this command", error.name)
        raise


def _unexpected(error: Exception) -> int:
    # Typer's parser has its own copy of click's exceptions; what they share is this method.
    wording = getattr(error, "format_message", None)
    if wording is not None:
        command = getattr(getattr(error, "ctx", None), "command_path", None) or "vidatlas"
        said = wording().rstrip(".")
        return fail(f"{said}{'' if said.endswith('?') else '.'} See: {command} --help", UsageError.exit_code)
    traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}"
    return fail(f"this is a bug in vidatlas: {what}. Please report it with the lines above.", 1)


def printable(text: str) -> str:
    """Return a text in which nothing that it quotes of a file can steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def fail(message: str, code: int) -> int:
    """Print an error in one line; return the exit code."""
    sys.stderr.write("vidatlas: " + " ".join(printable(message).split()) + "\n")
    return code


def leave(code: int) -> NoReturn:
    """End the process with an exit code, as Python does, but without taking Python itself apart.

    Before Python 3.14 a thread of a library that lets go of an object of Python's in that moment aborts the process:
    some ``verify`` on a busy machine ended with 134 after it had said that all is well (python/cpython#87135).
    """
    threading._shutdown()  # type: ignore[attr-defined] # wait for threads, and what they registered
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # whoever read it is gone
            continue
    os._exit(code)
