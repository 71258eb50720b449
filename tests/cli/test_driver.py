"""The driver of a cluster runs in a process of its own, whose end is told in one line whoever ended it."""

import os
import signal
import subprocess
import sys

import pytest

CODE = """
import os, signal, sys, time
from vidatlas.cli.driver import in_own_process
from vidatlas.cli.exit import guard
from vidatlas.errors import ConflictError

def command():
    print("ready", flush=True)
    {body}

sys.exit(guard(lambda: in_own_process(command, "{address}")))
"""
RAY_ENDED = "vidatlas: Ray ended this process: most likely the head of the cluster at HEAD:6379 is gone."
ENDS = {
    "as it should": ("pass", 0, ""),
    "an error of ours": ("raise ConflictError('locked')", 4, "vidatlas: locked"),
    "an error, then Ray": (
        "import atexit; atexit.register(os._exit, 1); raise ConflictError('locked')",
        4,
        "vidatlas: locked",
    ),
    "a code": ("sys.exit(3)", 3, ""),
    "a bug": ("1 / 0", 1, "Traceback"),
    "Ray's exit": ("os._exit(1)", 5, RAY_ENDED),
    "the kernel": ("os.kill(os.getpid(), signal.SIGKILL)", 137, "vidatlas: the process was killed, most likely"),
    "Ray's abort": ("os.kill(os.getpid(), signal.SIGABRT)", 5, RAY_ENDED),
}


def start(body: str, address: str = "HEAD:6379") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE.format(body=body, address=address)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("how", ENDS)
def test_a_command_ends_with_its_code_and_one_line(how: str) -> None:
    body, code, said = ENDS[how]
    process = start(body)
    out, err = process.communicate(timeout=120)
    assert (out, process.returncode) == ("ready\n", code), err
    assert err.startswith(said)
    assert len(err.splitlines()) == bool(said) or how == "a bug"


def test_ray_on_this_machine_is_told_apart_from_a_cluster() -> None:
    err = start("os._exit(1)", address="").communicate(timeout=120)[1]
    assert "(ulimit -n) ran out" in err and "--runner serial" in err and err.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_command_once(number: signal.Signals, code: int) -> None:
    process = start("time.sleep(60)")
    assert process.stdout and process.stdout.readline() == "ready\n"
    os.kill(process.pid, number)
    err = process.communicate(timeout=120)[1]
    assert process.returncode == code
    assert err.startswith("vidatlas: stopped.") and err.count("\n") == 1


def test_ctrl_c_in_a_terminal_reaches_the_command_once() -> None:
    """A terminal sends it to both processes."""
    import pty

    main, terminal = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-c", CODE.format(body="time.sleep(60)", address="")],
        stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    os.write(main, b"\x03")
    err = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert err.startswith("vidatlas: stopped.") and err.count("\n") == 1


def test_a_command_does_not_outlive_the_process_that_was_started() -> None:
    process = start("time.sleep(60)")
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.kill()
    # The child holds the other ends of both pipes until it ends.
    assert "vidatlas: stopped." in process.communicate(timeout=120)[1]
