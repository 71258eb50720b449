"""The auto-encoder learns, the same every time, and goes on from a checkpoint as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vidatlas.encoders.images import autoencoder
from vidatlas.encoders.images.autoencoder import DenoisingSpec, encode_pictures, train

SPEC = DenoisingSpec(width=16, height=8, channels=(4, 8), latent=6, epochs=6, batch=16, learning_rate=5e-3)


def pictures(rows: int = 96) -> np.ndarray:
    """Return pictures uint8 [rows, 8, 16] of a bright half: left, right, upper or lower."""
    found = np.full((rows, 8, 16), 30, np.uint8)
    for row, picture in enumerate(found):
        half = [np.s_[:, :8], np.s_[:, 8:], np.s_[:4], np.s_[4:]][row % 4]
        picture[half] = 220
    return found


def test_the_error_falls_and_like_pictures_have_like_vectors(tmp_path: Path, stopping: Any) -> None:
    weights, losses = train(pictures(), SPEC, stopping(tmp_path))
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]
    vectors = encode_pictures(pictures(8), SPEC, weights)
    assert vectors.shape == (8, 6)
    assert vectors.dtype == np.float32
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    assert apart[0, 4] < 1e-4 < apart[0, 1]
    assert encode_pictures(pictures(0), SPEC, weights).shape == (0, 6)


@pytest.mark.parametrize("epochs", [2, 5])
def test_training_that_was_stopped_after_any_epoch_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopping: Any, epochs: int
) -> None:
    monkeypatch.setattr(autoencoder, "EVERY", 1)
    whole, losses = train(pictures(), SPEC, stopping(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(pictures(), SPEC, stopping(tmp_path, epochs))
    rest = stopping(tmp_path)
    weights, curve = train(pictures(), SPEC, rest)
    assert rest.saves == 5 - epochs
    assert curve == losses
    assert {name: value.tobytes() for name, value in weights.items()} == {
        name: value.tobytes() for name, value in whole.items()
    }


def test_it_trains_and_encodes_on_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopping: Any) -> None:
    """Also where nobody limited torch before, as in a process that loads it only here."""
    import torch

    seen, scaled = [], autoencoder._scaled
    monkeypatch.setattr(autoencoder, "_scaled", lambda found: seen.append(torch.get_num_threads()) or scaled(found))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        weights, _ = train(pictures(), SPEC, stopping(tmp_path))
        encode_pictures(pictures(), SPEC, weights)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_every_layer_halves() -> None:
    with pytest.raises(ValidationError, match="multiples of 8"):
        DenoisingSpec(width=100, height=72)
