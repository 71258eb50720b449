"""The cache: a file is made once, made again where it is damaged, and the folder belongs to nobody else."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from vidatlas.errors import UnavailableError
from vidatlas.storage.cache import folder, kept, kept_open


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the cache is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "home"


def without_home(home: Path) -> Path:
    """Make the cache impossible there; return where it goes then."""
    home.write_text("a file, not a folder")
    return Path(tempfile.gettempdir()) / f"vidatlas-cache-{os.getuid()}"


def test_a_file_is_made_once_and_removed_when_unused(home: Path) -> None:
    made = [kept("key", lambda at: at.write_text("whole")) for _ in range(2)]
    assert made == [home / "vidatlas" / "key"] * 2
    old, model = home / "vidatlas" / "old", home / "vidatlas" / "model"
    old.write_text("unused")
    model.mkdir()
    (model / "weights").write_text("unused")
    for unused in (old, model):
        os.utime(unused, (time.time() - 40 * 86_400,) * 2)
    assert kept("other", lambda at: at.write_text("x")).exists()
    assert (old.exists(), model.exists(), made[0].exists()) == (False, False, True)


def test_only_its_owner_can_read_it(home: Path) -> None:
    assert folder() == home / "vidatlas"
    assert folder().stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_made_again() -> None:
    def opening(path: Path) -> str:
        if (text := path.read_text()) != "whole":
            raise ValueError(text)
        return text

    kept("key", lambda at: at.write_text("cut"))
    assert kept_open("key", lambda at: at.write_text("whole"), opening, ValueError) == "whole"
    assert kept("key", lambda at: at.write_text("never")).read_text() == "whole"


def test_without_a_home_it_is_temporary(home: Path) -> None:
    shared = without_home(home)
    assert folder() == shared
    assert folder().stat().st_mode & 0o077 == 0


def test_a_link_in_the_shared_folder_is_not_followed(home: Path, tmp_path: Path) -> None:
    """Somebody else could have put it there, to have old files of ours removed."""
    documents = tmp_path / "documents"
    documents.mkdir()
    without_home(home).symlink_to(documents)
    with pytest.raises(UnavailableError, match="no folder for a cache"):
        kept("key", lambda at: at.write_text("x"))
    assert list(documents.iterdir()) == []
