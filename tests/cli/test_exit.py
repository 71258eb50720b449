"""Where the words of libraries go, and what stays behind of it."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from vidatlas.cli.exit import guard, quiet_libraries
from vidatlas.errors import UsageError

Capture = pytest.CaptureFixture[str]
REMOTE = "s3://videos/atlas"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that TMPDIR names: empty, as is the one it lies in."""
    folder = tmp_path / "parent" / "temporary"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tempfile.gettempdir() == str(folder)
    return folder


def command(atlas: str, noise: bytes = b"", error: Exception | None = None) -> None:
    with quiet_libraries(atlas):
        os.write(2, noise)
        if error:
            raise error


@pytest.mark.parametrize("noise", [b"", b"a warning\n"])
def test_a_remote_atlas_leaves_the_temporary_folder_as_it_was(temporary: Path, noise: bytes, capfd: Capture) -> None:
    command(REMOTE, noise)
    assert list(temporary.iterdir()) == []
    assert not capfd.readouterr().err


def test_a_log_of_somebody_else_is_in_nobody_s_way(temporary: Path, capfd: Capture) -> None:
    foreign = temporary / "libraries.log"
    foreign.touch()
    assert guard(lambda: command(REMOTE, b"noise", UsageError("no such model."))) == 2
    assert foreign.stat().st_size == 0
    assert capfd.readouterr().err.startswith("vidatlas: no such model. What libraries wrote meanwhile is in ")


@pytest.mark.parametrize("remote", [True, False])
def test_a_failure_names_the_log_that_holds_what_libraries_wrote(
    remote: bool, temporary: Path, tmp_path: Path, capfd: Capture
) -> None:
    atlas = REMOTE if remote else str(tmp_path / "atlas")
    assert guard(lambda: command(atlas, b"segmentation of a fault\n", UsageError("no such model."))) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    log = re.fullmatch(r"vidatlas: no such model\. What libraries wrote meanwhile is in (\S+)\.\n", said)
    assert log
    assert Path(log[1]).read_text() == "segmentation of a fault\n"
    assert Path(log[1]).is_relative_to(temporary if remote else atlas)
    # What an earlier command left there is no news.
    if not remote:
        assert guard(lambda: command(atlas, b"", UsageError("no such model."))) == 2
        assert capfd.readouterr().err == "vidatlas: no such model.\n"


@pytest.mark.parametrize("remote", [True, False])
def test_a_failure_without_a_word_of_libraries_leaves_nothing(
    remote: bool, temporary: Path, tmp_path: Path, capfd: Capture
) -> None:
    atlas = tmp_path / "atlas"
    assert guard(lambda: command(REMOTE if remote else str(atlas), b"", UsageError("no such model."))) == 2
    assert capfd.readouterr().err == "vidatlas: no such model.\n"
    assert list(temporary.iterdir()) == []
    assert not atlas.exists()


def test_a_temporary_folder_that_cannot_be_written_is_named(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary / "gone"))
        assert guard(lambda: command(REMOTE)) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"vidatlas: cannot write to {temporary}/gone/vidatlas-")
    assert "Set TMPDIR" in said


def test_a_message_cannot_steer_the_terminal(capfd: Capture) -> None:
    def command() -> None:
        raise UsageError("no file \x1b]0;title\x07\x1b[2J\u202ename")

    assert guard(command) == 2
    assert capfd.readouterr().err == "vidatlas: no file ]0;title [2J name\n"


def test_a_log_that_is_a_link_is_refused(tmp_path: Path, capfd: Capture) -> None:
    mine = tmp_path / "mine"
    mine.write_text("kept")
    (tmp_path / "atlas" / "logs").mkdir(parents=True)
    (tmp_path / "atlas" / "logs" / "libraries.log").symlink_to(mine)
    assert guard(lambda: command(str(tmp_path / "atlas"), b"noise")) == 2
    assert "symbolic link" in capfd.readouterr().err
    (tmp_path / "other").symlink_to(tmp_path / "atlas")
    assert mine.read_text() == "kept"
