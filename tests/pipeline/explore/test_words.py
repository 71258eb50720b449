"""The cached table and index of words of a large atlas: they find the same, and damaged ones are made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import vidatlas
from vidatlas.errors import UnavailableError
from vidatlas.pipeline.explore import search, videos, words
from vidatlas.pipeline.explore.words import Words
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


def test_a_disk_that_is_full_is_no_damage(large: Callable[[], vidatlas.Atlas], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(database: sqlite3.Connection, videos: object) -> None:
        database.execute("PRAGMA max_page_count=1")
        database.execute("CREATE TABLE more(text)")

    monkeypatch.setattr(words, "_fill", full)
    with pytest.raises(UnavailableError) as error:
        found(large())
    assert str(error.value) == (
        f"cannot write to the cache {folder()}: database or disk is full. Free space, or set XDG_CACHE_HOME."
    )
    assert {file.suffix for file in folder().iterdir()} == {".arrow"}


class Titles(list[str]):
    """Stand in for the videos of an atlas, of which the index of words reads nothing but titles."""

    def column(self, name: str) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array(self)])


TITLES = Titles(
    [
        *("हिन्दी गाने", "नया गाना हद", "தமிழ் பாடல்", "İstanbul gezisi", "istanbul turu", "❤️love 1️⃣"),
        *("Café", "e\u0301te\u0301", "東京タワー", "قرآن مُحَمَّد", "محمد", "می\u200cخواهم", "ภาษาไทย"),
    ]
)


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("हिन्दी", ["हिन्दी गाने"]),
        ("गाने", ["हिन्दी गाने"]),
        ("हद", ["नया गाना हद"]),
        ("गन", []),
        ("தமிழ்", ["தமிழ் பாடல்"]),
        ("மத", []),
        ("İstanbul", ["İstanbul gezisi", "istanbul turu"]),
        ("istanbul", ["İstanbul gezisi", "istanbul turu"]),
        ("love", ["❤️love 1️⃣"]),
        ("1", ["❤️love 1️⃣"]),
        ("cafe", ["Café"]),
        ("été", ["e\u0301te\u0301"]),
        ("東京", ["東京タワー"]),
        ("محمد", ["قرآن مُحَمَّد", "محمد"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ไทย", ["ภาษาไทย"]),
    ],
)
def test_words_are_found_in_any_script(text: str, has: list[str]) -> None:
    assert sorted(TITLES[row] for row in Words(TITLES, "").find(text, 10).every) == sorted(has)  # type: ignore[arg-type]


def test_a_word_that_sqlite_parts_is_in_no_title() -> None:
    assert Words(TITLES, "")._counts(["istanbul-gezisi", "istanbul"]) == {"istanbul-gezisi": 0, "istanbul": 2}  # type: ignore[arg-type]


def test_titles_with_a_word_of_very_many_stand_as_their_vectors_do(
    small_atlas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_COMMON", 5)
    monkeypatch.setattr(search, "_IN_EACH_LIST", 30)
    finder = vidatlas.open_atlas(small_atlas.url).finder
    near = [row for row, _ in finder.near_vector(finder.text_vector("guitar"), 30)]
    has = [row for row, record in zip(near, finder.records(near), strict=True) if "guitar" in record["title"]]
    hits = finder.hits("guitar", 10, search.Filter())
    assert [hit.row for hit in hits] == has[:10]
    assert {hit.match for hit in hits} == {"words"}
    without = [hit.row for hit in finder.hits("guitar", 10, search.Filter(), vectors=False)]
    assert without == sorted(without) != has[:10]
