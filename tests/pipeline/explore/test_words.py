"""The cached table and index of words of a large atlas: they find the same, and damaged ones are made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.pipeline.explore import videos, words
from vidatlas.storage.cache import folder


@pytest.fixture
def large(small_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], vidatlas.Atlas]:
    """Return what opens an atlas whose videos are too many for memory, with an empty cache at first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for module in (videos, words):
        monkeypatch.setattr(module, "IN_MEMORY", 10)
    return lambda: vidatlas.open_atlas(small_atlas.url)


def found(atlas: vidatlas.Atlas) -> list[str]:
    return [str(found) for found in atlas.search("guitar chord", 5)["id"]]


def test_a_large_atlas_finds_the_same_and_keeps_what_it_made(
    large: Callable[[], vidatlas.Atlas], small_atlas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = found(large())
    made = {file.name: file.stat().st_ino for file in folder().iterdir()}
    assert sorted(name.rpartition(".")[2] for name in made) == ["arrow", "sqlite"]
    assert found(large()) == first
    assert {file.name: file.stat().st_ino for file in folder().iterdir()} == made
    monkeypatch.undo()
    assert found(vidatlas.open_atlas(small_atlas.url)) == first


@pytest.mark.parametrize("ending", ["arrow", "sqlite"])
@pytest.mark.parametrize("damage", [0, 0.5, -1], ids=["empty", "cut", "zeros"])
def test_a_damaged_file_of_the_cache_is_made_again(
    damage: float, ending: str, large: Callable[[], vidatlas.Atlas]
) -> None:
    first = found(large())
    (file,) = folder().glob(f"*.{ending}")
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(bytes(len(whole)) if damage < 0 else whole[: int(len(whole) * damage)])
    assert found(large()) == first
    assert len(file.read_bytes()) == len(whole)
