"""A worker joins an atlas only with the encoder and the language detector that the other shards were made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidatlas.errors import ConflictError
from vidatlas.pipeline.embed.worker import open_worker
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.storage.store import Store

DETECTOR = "vidatlas.pipeline.embed.worker.detector"


def test_nodes_with_and_without_the_language_detector_do_not_mix(
    tmp_path: Path, hashing_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "atlas"))
    changes = {"record.columns.language": {"type": "language"}}
    telling = load_recipe(hashing_recipe.model_dump(mode="json"), changes)
    monkeypatch.setattr(DETECTOR, lambda: "pycld2 0.42")
    open_worker(store, telling, 1)
    assert json.loads(store.read("encoder.json"))["languages"] == "pycld2 0.42"
    open_worker(store, telling, 1)
    for other in (None, "pycld2 0.43"):
        monkeypatch.setattr(DETECTOR, lambda other=other: other)
        with pytest.raises(ConflictError, match=rf"languages: pycld2 0\.42 → {other}"):
            open_worker(store, telling, 1)


def test_a_recipe_without_languages_does_not_ask(
    tmp_path: Path, hashing_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "atlas"))
    plain = load_recipe(hashing_recipe.model_dump(mode="json"), {"record.columns": {}})
    for found in ("pycld2 0.42", None):
        monkeypatch.setattr(DETECTOR, lambda found=found: found)
        open_worker(store, plain, 1)
