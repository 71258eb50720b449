"""Which encoders use a GPU, and that the runner is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Options
from vidatlas.pipeline.embed import embed
from vidatlas.pipeline.embed.encoder import uses_gpu
from vidatlas.recipe import Recipe
from vidatlas.runners.serial import SerialRunner


def test_only_transformers_use_a_gpu() -> None:
    recipes = ("youniverse", "movielens-1m", "demo", "movielens-factors", "tiktok-hashtags")
    kinds = {(recipe.encoder.kind, uses_gpu(recipe)) for recipe in map(vidatlas.load_recipe, recipes)}
    assert kinds >= {("clip", True), ("universal", False), ("factors", False)}
    assert uses_gpu(vidatlas.load_recipe("demo", {"encoder": {"kind": "sentence", "model": "a/b"}}))


@pytest.mark.parametrize("uses", [True, False])
def test_the_runner_is_told_whether_a_gpu_is_used(
    uses: bool,
    tmp_path: Path,
    hashing_recipe: Recipe,
    make_lines: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[bool] = []
    real = SerialRunner.embed

    def record(self: SerialRunner, read: Any, open_worker: Any, shards: Any, gpus: bool) -> Any:
        told.append(gpus)
        return real(self, read, open_worker, shards, gpus)

    monkeypatch.setattr(SerialRunner, "embed", record)
    monkeypatch.setattr(embed, "uses_gpu", lambda recipe: uses)
    (tmp_path / "videos.jsonl").write_bytes(make_lines(10))
    vidatlas.embed(hashing_recipe, str(tmp_path / "videos.jsonl"), tmp_path / "atlas", Options(runner="serial"))
    assert told == [uses]
