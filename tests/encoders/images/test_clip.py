"""Our features of pictures are those of transformers' CLIP on the pixels that its own processor makes of the files."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from transformers import CLIPModel

from vidatlas.encoders.images.clip import ClipPicturesSpec
from vidatlas.encoders.images.preprocessing import Preparation, read_preparation
from vidatlas.encoders.images.tower import ImageTower
from vidatlas.errors import UnavailableError, UsageError
from vidatlas.recipe import load_recipe
from vidatlas.threads import one_thread

try:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
except ModuleNotFoundError:  # in transformers 5.0
    from transformers import CLIPImageProcessor as CLIPImageProcessorPil

OWN: dict[str, Any] = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
OLD = {"size": 32, "crop_size": 32, "resample": 3, "feature_extractor_type": "CLIPFeatureExtractor"}
"""As the first files were written, that of openai/clip-vit-large-patch14 among them."""


@pytest.fixture
def copied(tiny_clip_whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_clip_whole, tmp_path / "model")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return pictures wide, high, tiny, square, grey, and with a palette and an alpha channel."""
    random = np.random.default_rng(3)
    shapes = {"wide.jpg": (60, 133), "high.png": (97, 41), "tiny.png": (3, 2), "square.webp": (32, 32)}
    found = []
    for name, (high, wide) in shapes.items():
        Image.fromarray(random.integers(0, 256, (high, wide, 3), np.uint8)).save(tmp_path / name)
        found.append(tmp_path / name)
    whole = Image.open(tmp_path / "wide.jpg")
    for name, mode in (("grey.jpg", "L"), ("palette.png", "P"), ("alpha.png", "RGBA")):
        whole.convert(mode).save(tmp_path / name)
        found.append(tmp_path / name)
    return found


def tower(path: Path, batch: int = 4) -> ImageTower:
    return ClipPicturesSpec(model=str(path), dtype="float32", batch=batch).load()


@pytest.mark.parametrize("settings", [None, OWN, OWN | {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}])
def test_features_are_those_of_transformers(copied: Path, files: list[Path], settings: dict[str, Any] | None) -> None:
    if settings:
        (copied / "preprocessor_config.json").write_text(json.dumps(settings))
    theirs = CLIPImageProcessorPil(**(settings or {"size": {"shortest_edge": 32}, "crop_size": 32}))
    pixels = theirs([Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    model = CLIPModel.from_pretrained(str(copied), local_files_only=True).eval()
    with torch.inference_mode():
        expected = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
    ours = tower(copied)
    pictures = np.array([ours.read(file) for file in files])
    assert pictures.shape == (len(files), 32, 32, 3)
    found = ours.encode(pictures)
    assert found.dtype == np.float32
    assert found.shape == (len(files), 24)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3  # random weights: how far apart pictures are is by version


def test_equal_pictures_give_equal_bytes(tiny_clip_whole: Path, files: list[Path]) -> None:
    with one_thread():
        first, second = tower(tiny_clip_whole), tower(tiny_clip_whole)
        pictures = np.array([first.read(file) for file in files])
        assert first.encode(pictures).tobytes() == second.encode(pictures).tobytes()
        assert first.encode(pictures[:0]).shape == (0, 24)
    assert first.identity == second.identity
    assert first.identity["dim"] == first.dim == 24


def test_a_batch_that_does_not_fit_is_said_to_be_so(tiny_clip_whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tower(tiny_clip_whole, batch=7)

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(ours, "_model", full)
    with pytest.raises(UnavailableError, match=r"no memory for 7 images.*publish\.pictures\.batch"):
        ours.encode(np.zeros((1, 32, 32, 3), np.uint8))


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(UsageError, match="only pickled weights"):
        ClipPicturesSpec(model=str(copied)).find()


def test_a_checkpoint_without_an_image_tower_is_refused(tiny_clip: Path, tiny_bert: Path) -> None:
    for path in (tiny_clip, tiny_bert):
        with pytest.raises(UsageError, match=r"lacks|cannot be loaded"):
            tower(path)


def test_the_first_files_of_settings_are_read(copied: Path) -> None:
    (copied / "preprocessor_config.json").write_text(json.dumps(OLD))
    checkpoint = ClipPicturesSpec(model=str(copied)).find()
    assert read_preparation(checkpoint, 32) == Preparation(32, 32)


@pytest.mark.parametrize(
    "change",
    [{"resample": 2}, {"do_center_crop": False}, {"do_normalize": False}, {"crop_size": 16}, {"size": 20},
     {"rescale_factor": 1.0}, {"image_std": [0, 1, 1]}],
    ids=str,
)  # fmt: skip
def test_another_rule_than_that_of_clip_is_refused(copied: Path, change: dict[str, Any]) -> None:
    (copied / "preprocessor_config.json").write_text(json.dumps(OLD | change))
    with pytest.raises(UsageError, match="other image preprocessing"):
        tower(copied)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"size": 32}', '{"size": {"height": 32, "width": 32}, "crop_size": 32}']
)
def test_settings_that_cannot_be_read_are_refused(copied: Path, text: str) -> None:
    (copied / "preprocessor_config.json").write_text(text)
    with pytest.raises(UsageError, match=r"cannot read .*preprocessor_config\.json"):
        tower(copied)


def test_the_default_is_the_checkpoint_of_youniverse_at_its_revision() -> None:
    pinned = load_recipe("youniverse").encoder.model_dump()
    assert ClipPicturesSpec().model_dump(include={"model", "revision"}) == {
        key: pinned[key] for key in ("model", "revision")
    }
    assert ClipPicturesSpec(model="some/other").revision is None
    assert ClipPicturesSpec(revision="abc").revision == "abc"
    with pytest.raises(ValidationError):
        ClipPicturesSpec(batch=0)
