"""Input files: how rows are split over files never changes the answer, and many small files share their writes."""

import os
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.errors import UsageError
from vidatlas.pipeline.publish.wording import absence_words
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.storage.folder import LocalFolder
from vidatlas.storage.store import Store
from vidatlas.types import Event
from vidatlas.views.nouns import Nouns

SERIAL = vidatlas.Options(runner="serial", max_rejects=1.0)


@pytest.fixture
def recipe() -> Recipe:
    changes = {"encoder": {"kind": "hashing", "dim": 8}, "source.shard_rows": 20, "reduce.clusters.k": 2}
    return load_recipe("demo", changes | {"reduce.pca.components": 2})


def write(path: Path, data: bytes) -> str:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return str(path)


def words(entry: Any) -> tuple[str, ...]:
    return absence_words(entry, Nouns())


def test_a_file_that_is_named_twice_holds_duplicates(recipe: Recipe, tmp_path: Path, make_lines: Any) -> None:
    file = write(tmp_path / "a.jsonl", make_lines(50))
    once = vidatlas.plan(recipe, file, tmp_path / "once", SERIAL)
    twice = vidatlas.plan(recipe, [file, file], tmp_path / "twice", SERIAL)
    assert twice["counts"]["kept"] == once["counts"]["kept"]
    assert twice["counts"]["read"] == 2 * once["counts"]["read"]
    assert twice["counts"]["duplicates"] == once["counts"]["kept"] + 2 * once["counts"]["duplicates"]
    assert words(twice) == ("1 of 2 files holds the same rows as an earlier one: a.jsonl",)
    assert vidatlas.plan(recipe, [file, file], tmp_path / "twice", SERIAL) == twice


def test_files_of_one_name_and_content_are_told_apart(recipe: Recipe, tmp_path: Path, make_lines: Any) -> None:
    lines = make_lines(30)
    files = [write(tmp_path / day / "videos.jsonl", lines if day < "3" else b"") for day in "12345"]
    atlas = vidatlas.run(recipe, files, tmp_path / "atlas", SERIAL)
    entry = Store(atlas.url).stage("plan")
    assert len(set(entry["parts"])) == 5
    assert words(entry) == (
        "3 of 5 files hold no rows: 3/videos.jsonl, 4/videos.jsonl, 5/videos.jsonl",
        "1 of 5 files holds the same rows as an earlier one: 2/videos.jsonl",
    )
    vidatlas.verify(atlas.url)
    alone = vidatlas.run(recipe, files[0], tmp_path / "alone", SERIAL)
    assert atlas.assignments()["id"].tolist() == alone.assignments()["id"].tolist()


def test_the_parts_of_a_plan_do_not_depend_on_where_it_was_interrupted(
    recipe: Recipe, tmp_path: Path, make_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(tmp_path / f"{number}" / "v.jsonl", make_lines(20, number // 2)) for number in range(6)]
    whole = vidatlas.plan(recipe, files, tmp_path / "whole", SERIAL)
    monkeypatch.setattr("vidatlas.pipeline.plan.inputs.WRITE_EVERY", 0.0)
    real, puts = LocalFolder.put_all, []

    def stop(folder: LocalFolder, data: Any) -> None:
        if any(name.startswith("plan/") for name in data):
            puts.append(data)
            if len(puts) == 4:
                raise KeyboardInterrupt
        real(folder, data)

    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, "put_all", stop)
        with pytest.raises(KeyboardInterrupt):
            vidatlas.plan(recipe, files, tmp_path / "stopped", SERIAL)
    assert len(list((tmp_path / "stopped" / "plan").glob("*.ids.parquet"))) == 3
    resumed = vidatlas.plan(recipe, files, tmp_path / "stopped", SERIAL)
    assert (resumed["digest"], resumed["parts"]) == (whole["digest"], whole["parts"])


def test_small_files_share_their_writes(
    recipe: Recipe, tmp_path: Path, make_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(tmp_path / f"{number}.jsonl", make_lines(2, number)) for number in range(40)]
    monkeypatch.setattr("vidatlas.pipeline.plan.inputs.WRITE_EVERY", 3_600.0)
    real, synced = os.fsync, []
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(os.fstat(number).st_mode), real(number)))
    vidatlas.plan(recipe, files, tmp_path / "atlas", SERIAL)
    folders = [mode for mode in synced if os.path.stat.S_ISDIR(mode)]
    assert len(folders) < 20, "each file synced its folder"


def test_a_pattern_without_a_file_is_said(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file matches"):
        vidatlas.plan(recipe, f"{tmp_path}/*.jsonl", tmp_path / "atlas", SERIAL)
    with pytest.raises(UsageError, match="no input"):
        vidatlas.plan(recipe, [], tmp_path / "atlas", SERIAL)


def test_large_files_are_split_and_small_ones_are_not(
    recipe: Recipe, tmp_path: Path, make_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes of lines that are found, then of rows that are parsed, each from 0 to all of them."""
    lines = make_lines(1_500)
    large, small = write(tmp_path / "large.jsonl", lines), [write(tmp_path / f"{n}.jsonl", lines[:900]) for n in "12"]
    for module in ("sources.scan", "sources.compression"):
        monkeypatch.setattr(f"vidatlas.{module}.CHUNK", 20_000)
    monkeypatch.setattr("vidatlas.pipeline.plan.part.SEGMENT_BYTES", 10_000)
    whole = vidatlas.plan(recipe, [small[0], large, small[1]], tmp_path / "whole", SERIAL)
    monkeypatch.setattr("vidatlas.pipeline.plan.inputs.SPLIT_FROM", 20_000)
    events: list[Event] = []
    split = vidatlas.plan(recipe, [small[0], large, small[1]], tmp_path / "split", SERIAL, events.append)
    assert (split["digest"], split["counts"]) == (whole["digest"], whole["counts"])
    found = [event for event in events if "found_bytes" in event.facts]
    assert len(found) > 1
    assert found[-1].facts["found_bytes"] == len(lines)
    assert {(event.done, event.facts["rows"]) for event in found} == {(900, found[0].facts["rows"])}
    parsed = events[events.index(found[-1]) + 1 :]
    assert len(parsed) > 3
    assert [event.done for event in parsed] == sorted(event.done for event in parsed)
    assert [event.facts["rows"] for event in parsed] == sorted(event.facts["rows"] for event in parsed)
    assert (parsed[-1].done, parsed[-1].facts["rows"]) == (len(lines) + 1_800, split["counts"]["read"])
