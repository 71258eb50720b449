"""The preview shows the exact texts, counts and costs before anything is encoded."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import vidatlas
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import UnavailableError, UsageError
from vidatlas.pipeline.embed.preview import Preview, language_words, preview
from vidatlas.recipe import Recipe
from vidatlas.storage import folder

ROWS = [
    {"display_id": "a", "categories": "Music", "title": "x" * 100, "tags": "one, two," + "y" * 99},
    {"display_id": "b", "categories": "Music", "title": "only a title", "tags": None},
    {"display_id": "c", "categories": "Music", "title": "t", "tags": "three"},
    {"display_id": "a", "categories": "Music", "title": "again", "tags": "x"},
]


@pytest.fixture
def planned(tmp_path: Path, hashing_recipe: Recipe) -> str:
    part = tmp_path / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    atlas = str(tmp_path / "atlas")
    vidatlas.plan(hashing_recipe, [str(part)], atlas, vidatlas.Options(runner="serial"))
    return atlas


@pytest.fixture
def shown(planned: str, hashing_recipe: Recipe) -> Preview:
    return preview(hashing_recipe, planned)


def test_counts_and_sizes_are_those_of_the_plan(shown: Preview, tmp_path: Path) -> None:
    assert {key: shown.counts[key] for key in ("read", "kept", "rejected", "duplicates")} == {
        "read": 4,
        "kept": 3,
        "rejected": 0,
        "duplicates": 1,
    }
    assert shown.input_bytes == (tmp_path / "videos.jsonl").stat().st_size
    assert (shown.shards, shown.encoder.dim, shown.compute_seconds) == ((1, 0), 64, None)
    assert 0 < shown.disk_bytes < (shown.free_bytes or 0)


def test_texts_are_shown_as_they_will_be_encoded(shown: Preview) -> None:
    assert shown.examples[0] == {
        "id": "a",
        "group": "Music",
        "texts": {"title": ["x" * 77], "tags": ["one", "two", "y" * 77]},
    }
    assert [example["id"] for example in shown.examples] == ["a", "c", "a"]


def test_fields_are_counted_over_usable_rows(shown: Preview) -> None:
    assert shown.fill == {"title": (1.0, 1.0), "tags": (0.75, 5 / 3)}


def test_what_is_embedded_already_is_said(planned: str, hashing_recipe: Recipe, tmp_path: Path) -> None:
    vidatlas.embed(hashing_recipe, [str(tmp_path / "videos.jsonl")], planned, vidatlas.Options(runner="serial"))
    assert preview(hashing_recipe, planned).shards == (1, 1)


def test_an_atlas_that_cannot_fit_is_refused(
    planned: str, hashing_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder.LocalFolder, "free_bytes", lambda self: 10)
    with pytest.raises(UnavailableError, match="the atlas will take about"):
        preview(hashing_recipe, planned)


def test_without_a_plan_there_is_nothing_to_show(tmp_path: Path, hashing_recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="plan is not done yet"):
        preview(hashing_recipe, str(tmp_path))


def test_an_encoder_of_english_is_told_how_many_titles_are_in_other_scripts() -> None:
    scripts = Counter({"Latin": 80, "Cyrillic": 15, "Thai": 5})
    words = language_words("English only", scripts)
    assert words.startswith("At least 20.0% of the titles are not in English (Cyrillic 15.0%, Thai 5.0%)")
    assert "--set encoder.model=" in words
    for known in ("multilingual", "any", "unknown"):
        assert language_words(known, scripts) == ""
    assert language_words("English only", Counter({"Latin": 99, "Thai": 1})) == ""
    assert language_words("English only", Counter()) == ""


def test_the_preview_counts_the_scripts_of_the_first_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "videos.jsonl"
    rows = [
        {"display_id": f"v{at}", "categories": "Music", "title": title, "tags": ""}
        for at, title in enumerate(["a", "привет"])
    ]
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = vidatlas.load_recipe("demo", {"encoder.kind": "sentence", "encoder.model": "packaged:all-MiniLM-L6-v2"})
    vidatlas.plan(recipe, [str(part)], tmp_path / "atlas", vidatlas.Options(runner="serial"))
    monkeypatch.setattr(SentenceSpec, "inspect", lambda _: Inspection("tiny", 8, None, len))
    assert "At least 50.0% of the titles" in preview(recipe, str(tmp_path / "atlas")).warning
