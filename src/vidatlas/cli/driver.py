"""The driver of Ray as a process of its own: Ray ends it at once, in C++, when the head of its cluster is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from vidatlas.cli.exit import fail
from vidatlas.errors import UnavailableError, VidatlasError
from vidatlas.types import T

_WATCHED = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
_DIE_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of Linux."""


def in_own_process(command: Callable[[], T], address: str) -> T:
    """Run a command in a child process and return only there; this process ends when that one has, with its exit code.

    Where Ray ended the child, this process says so in one line and ends with 5. Without Linux's signals, or where Ray
    is in use already, the command runs here. ``address`` is that of the cluster; empty: Ray on this machine.
    """
    if not hasattr(signal, "sigwaitinfo") or "ray" in sys.modules:
        return command()
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    child = os.fork()
    if child:
        os.close(write)
        _end_as(child, read, address)
    os.close(read)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    return _reporting(command, write)


def _reporting(command: Callable[[], T], pipe: int) -> T:
    """Run a command; write the exit code that it asks for into a pipe, whatever ends the process afterwards."""
    code = VidatlasError.exit_code
    try:
        result = command()
        code = 0
        return result
    except VidatlasError as error:
        code = error.exit_code
        raise
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
        raise
    except SystemExit as stop:
        code = int(stop.code or 0)
        raise
    finally:
        with suppress(BrokenPipeError):  # the process that waits was killed
            os.write(pipe, bytes([code]))


def _end_as(child: int, pipe: int, address: str) -> NoReturn:
    """Pass signals on to a process until it has ended, then end as it did."""
    while True:
        found = signal.sigwaitinfo(_WATCHED)
        # A terminal sends Ctrl-C to both; only a signal that another process sent is for this one alone.
        if found.si_signo == signal.SIGTERM or (found.si_signo == signal.SIGINT and found.si_code <= 0):
            os.kill(child, found.si_signo)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            os._exit(_code(os.read(pipe, 1), status, address))


def _code(asked: bytes, status: int, address: str) -> int:
    if asked:
        return asked[0]
    if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
        why = "the process was killed, most likely because memory ran out. Rerun the same command to resume."
        return fail(why, 128 + signal.SIGKILL)
    if address:
        why, then = f"most likely the head of the cluster at {address} is gone", ", on a cluster that runs"
    else:
        why, then = "most likely memory or file handles (ulimit -n) ran out", "; --runner serial needs no Ray"
    kept = f"Nothing that was committed is lost; rerun the same command to resume{then}."
    return fail(f"Ray ended this process: {why}. {kept}", UnavailableError.exit_code)
