"""Publish: an atlas is published anew when its format, and only when something of it, has changed."""

from __future__ import annotations

from typing import Any

import pytest

from vidatlas.pipeline.publish import publish
from vidatlas.pipeline.stage import Run
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import Store
from vidatlas.types import Options


def test_an_atlas_of_another_format_is_published_anew(small_atlas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(small_atlas.url)
    run = Run(small_atlas.recipe, store, SerialRunner(), Options(runner="serial"), lambda event: None)
    monkeypatch.setattr(publish, "commit", lambda *_: "published anew")
    assert publish.publish(run) == store.stage("publish")
    monkeypatch.setattr(publish, "FORMAT", publish.FORMAT + 1)
    assert publish.publish(run) == "published anew"
