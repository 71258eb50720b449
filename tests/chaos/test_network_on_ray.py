"""A network that is trained by a Ray task gives the bytes of a plain loop."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Options

pytestmark = pytest.mark.chaos
CONTRACT = Path(__file__).resolve().parents[1] / "contract"
SMALL = {
    "encoder": {"kind": "tfidf", "dim": 60},
    "source.shard_rows": 40,
    "reduce.clusters.k": 3,
    "reduce.clusters.starts": 2,
    "reduce.reducer.hidden": [16, 12],
    "reduce.reducer.epochs": 4,
    "reduce.clusterer.max_updates": 5,
}


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, CONTRACT / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_same_bytes_on_ray_as_in_a_plain_loop(tmp_path: Path) -> None:
    inputs, recipe = [loaded("tables").films(tmp_path)], vidatlas.load_recipe("netflix", SMALL)
    for runner in ("serial", "ray"):
        vidatlas.run(recipe, inputs, tmp_path / runner, Options(runner=runner))
    hashes = loaded("world").World.hashes
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "serial")
