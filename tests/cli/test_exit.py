"""Where the words of libraries go, and what stays behind of it."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vidatlas.cli.exit import guard, quiet_libraries
from vidatlas.errors import UsageError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that TMPDIR names: empty, as is the one it lies in."""
    folder = tmp_path / "parent" / "temporary"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tempfile.gettempdir() == str(folder)
    return folder


def command(noise: bytes = b"", error: Exception | None = None) -> None:
    with quiet_libraries():
        os.write(2, noise)
        if error:
            raise error


@pytest.mark.parametrize("noise", [b"", b"a warning\n"])
def test_a_command_leaves_the_temporary_folder_as_it_was(temporary: Path, noise: bytes, capfd: Capture) -> None:
    command(noise)
    assert list(temporary.iterdir()) == []
    assert not capfd.readouterr().err


def test_a_failure_names_the_log_that_holds_what_libraries_wrote(temporary: Path, capfd: Capture) -> None:
    assert guard(lambda: command(b"segmentation of a fault\n", UsageError("no such model."))) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    log = re.fullmatch(r"vidatlas: no such model\. What libraries wrote meanwhile is in (\S+)\.\n", said)
    assert log
    assert Path(log[1]).read_text() == "segmentation of a fault\n"
    assert Path(log[1]).is_relative_to(temporary)


def test_a_failure_without_a_word_of_libraries_leaves_nothing(temporary: Path, capfd: Capture) -> None:
    assert guard(lambda: command(b"", UsageError("no such model."))) == 2
    assert capfd.readouterr().err == "vidatlas: no such model.\n"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("error", [None, UsageError("no such model.")])
def test_a_log_that_was_removed_meanwhile_is_no_bug(temporary: Path, error: Exception | None, capfd: Capture) -> None:
    def cleared() -> None:
        with quiet_libraries():
            for log in temporary.iterdir():
                log.unlink()
            if error:
                raise error

    assert guard(cleared) == (2 if error else 0)
    assert capfd.readouterr().err == ("vidatlas: no such model.\n" if error else "")


def test_a_temporary_folder_that_cannot_be_written_is_named(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary / "gone"))
        assert guard(command) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"vidatlas: cannot write to {temporary}/gone/vidatlas-")
    assert "Set TMPDIR" in said


def test_a_message_cannot_steer_the_terminal(capfd: Capture) -> None:
    def command() -> None:
        raise UsageError("no file \x1b]0;title\x07\x1b[2J\u202ename")

    assert guard(command) == 2
    assert capfd.readouterr().err == "vidatlas: no file ]0;title [2J name\n"


LEAVING = """
import atexit
import threading
import time
from vidatlas.cli.exit import leave
atexit.register(print, "registered", end="")
threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
leave(3)
"""


def test_a_process_ends_after_its_threads_and_what_was_registered() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "thread\nregistered", "")
