"""Publish: an atlas is published anew when its format, and only when something of it, has changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vidatlas.pipeline import stage
from vidatlas.pipeline.publish import publish
from vidatlas.pipeline.stage import Run
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import Store
from vidatlas.types import Event, Options


def test_an_atlas_of_another_format_is_published_anew(small_atlas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(small_atlas.url)
    run = Run(small_atlas.recipe, store, SerialRunner(), Options(runner="serial"), lambda event: None)
    monkeypatch.setattr(publish, "commit", lambda *_: "published anew")
    assert publish.publish(run) == store.stage("publish")
    monkeypatch.setattr(publish, "FORMAT", publish.FORMAT + 1)
    assert publish.publish(run) == "published anew"


def test_every_step_is_told_and_counted(small_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event] = []
    store = Store(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    monkeypatch.setattr(publish, "FORMAT", publish.FORMAT + 1)
    publish.publish(Run(small_atlas.recipe, store, SerialRunner(), Options(runner="serial"), told.append))
    steps = {event.facts["step"].partition(stage._AGAIN)[0] for event in told}
    assert "training the search index" in steps
    assert {event.total for event in told} == {len(steps) - 1}
    assert {event.done for event in told} == set(range(len(steps)))
