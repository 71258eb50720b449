"""The auto-encoder learns, the same every time, and goes on from a checkpoint as if nothing had happened."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from vidatlas.encoders.images.autoencoder import DenoisingSpec, encode_pictures, train

SPEC = DenoisingSpec(width=16, height=8, channels=(4, 8), latent=6, epochs=6, batch=16, learning_rate=5e-3)


def pictures(rows: int = 96) -> np.ndarray:
    """Return pictures uint8 [rows, 8, 16] of a bright half: left, right, upper or lower."""
    found = np.full((rows, 8, 16), 30, np.uint8)
    for row, picture in enumerate(found):
        half = [np.s_[:, :8], np.s_[:, 8:], np.s_[:4], np.s_[4:]][row % 4]
        picture[half] = 220
    return found


def test_the_error_falls_and_like_pictures_have_like_vectors() -> None:
    states = list(train(pictures(), SPEC))
    losses = states[-1].losses
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]
    vectors = encode_pictures(pictures(8), SPEC, states[-1].tensors)
    assert vectors.shape == (8, 6)
    assert vectors.dtype == np.float32
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    assert apart[0, 4] < 1e-4 < apart[0, 1]
    assert encode_pictures(pictures(0), SPEC, states[-1].tensors).shape == (0, 6)


def test_going_on_from_any_epoch_gives_the_same_bytes() -> None:
    states = list(train(pictures(), SPEC))
    for begun in states[1:5:3]:
        *_, last = train(pictures(), SPEC, begun)
        assert last.losses == states[-1].losses
        assert {name: value.tobytes() for name, value in last.tensors.items()} == {
            name: value.tobytes() for name, value in states[-1].tensors.items()
        }


def test_every_layer_halves() -> None:
    with pytest.raises(ValidationError, match="multiples of 8"):
        DenoisingSpec(width=100, height=72)
