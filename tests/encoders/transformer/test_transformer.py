"""A model is loaded complete or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from vidatlas.encoders.clip import ClipSpec
from vidatlas.errors import UsageError
from vidatlas.pipeline.embed.worker import open_worker
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.storage.store import Store
from vidatlas.types import EncodeStats


@pytest.fixture
def copied(tiny_clip: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_clip, tmp_path / "model")


def load(path: Path) -> None:
    ClipSpec(model=str(path), dtype="float32").load(1)


def refused(path: Path, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_weights_cut_short_are_refused(copied: Path, share: float) -> None:
    weights = copied / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: int(len(data) * share)])
    refused(copied, "cannot be loaded")


def test_a_header_that_promises_too_much_is_refused(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(b"\xff" * 8 + weights.read_bytes()[8:])
    refused(copied, "cannot be loaded")


def test_missing_weights_are_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    refused(copied, r"lacks 1 weights \(text_projection\.weight")


def test_weights_of_another_shape_are_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["text_projection.weight"] = np.ones((24, 31), np.float32)
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    refused(copied, "cannot be loaded")


def test_weights_of_another_architecture_are_refused(copied: Path, tiny_bert: Path) -> None:
    shutil.copy(tiny_bert / "model.safetensors", copied / "model.safetensors")
    refused(copied, r"lacks \d+ weights")


def test_no_texts_give_no_rows(tiny_clip: Path) -> None:
    stats = EncodeStats()
    out = ClipSpec(model=str(tiny_clip), dtype="float32").load(1).encode([], stats)
    assert out.shape == (0, 24)
    assert stats == EncodeStats()


def test_a_vector_does_not_depend_on_order_or_repetition(tiny_clip: Path) -> None:
    encoder = ClipSpec(model=str(tiny_clip), dtype="float32").load(1)
    texts = ["one", "two", "three four", "five", "ONE"]
    stats = EncodeStats()
    first = encoder.encode(texts, stats)
    again = encoder.encode([*reversed(texts), "two"], EncodeStats())
    assert again[:5].tobytes() == first[::-1].tobytes()
    assert again[5].tobytes() == first[1].tobytes()
    assert (stats.texts, stats.distinct) == (5, 4)


def test_a_worker_with_a_model_knows_the_speed_of_its_device(
    tiny_clip: Path, hashing_recipe: Recipe, tmp_path: Path
) -> None:
    changes = {"encoder": {"kind": "clip", "model": str(tiny_clip), "dtype": "float32"}}
    recipe = load_recipe(hashing_recipe.model_dump(mode="json"), changes)
    worker = open_worker(Store(tmp_path / "clip"), recipe, 1)
    assert worker.hardware
    assert min(worker.flops_per_node, worker.limit) > 0
    without = open_worker(Store(tmp_path / "hashing"), hashing_recipe, 1)
    assert (without.hardware, without.flops_per_node, without.limit) == ("cpu", 0, 0)
