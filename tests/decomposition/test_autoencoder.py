"""An auto-encoder is a plain value: its shape, its scale, and arrays that give it back."""

from __future__ import annotations

import numpy as np
import pytest

from vidatlas.decomposition.autoencoder import (
    AutoencoderReducer,
    from_arrays,
    new_autoencoder,
    restored_share,
    to_arrays,
)
from vidatlas.types import Floats

SPEC = AutoencoderReducer(hidden=(7, 5), latent=3)


@pytest.fixture(scope="module")
def vectors() -> Floats:
    return np.random.default_rng(0).normal(0, 0.05, (40, 11)).astype(np.float32)


def test_it_is_symmetric_and_drawn_as_glorot_says(vectors: Floats) -> None:
    model = new_autoencoder(vectors, SPEC)
    assert [weights.shape for weights, _ in model.encoder] == [(11, 7), (7, 5), (5, 3)]
    assert [weights.shape for weights, _ in model.decoder] == [(3, 5), (5, 7), (7, 11)]
    for weights, biases in (*model.encoder, *model.decoder):
        limit = np.sqrt(6 / sum(weights.shape))
        assert limit / 2 < np.abs(weights).max() <= limit
        assert not biases.any()
    assert np.square(vectors * model.scale).mean() == pytest.approx(1, rel=1e-5)
    assert (model.dim, model.latent) == (11, 3)


def test_codes_do_not_depend_on_the_rows_beside_them(vectors: Floats) -> None:
    model = new_autoencoder(vectors, SPEC)
    codes = model.transform(vectors.astype(np.float16))
    assert (codes.shape, codes.dtype) == ((40, 3), np.float32)
    np.testing.assert_allclose(model.transform(vectors[7:9].astype(np.float16)), codes[7:9], rtol=1e-5, atol=1e-6)
    assert model.restore(codes).shape == vectors.shape


def test_arrays_give_it_back(vectors: Floats) -> None:
    model = new_autoencoder(vectors, SPEC)
    again = from_arrays({**to_arrays(model), "centroids": np.zeros((2, 3), np.float32)})
    assert again.scale == model.scale
    assert again.transform(vectors).tobytes() == model.transform(vectors).tobytes()
    assert again.restore(model.transform(vectors)).tobytes() == model.restore(model.transform(vectors)).tobytes()


def test_vectors_without_any_length_are_no_division_by_zero() -> None:
    nothing = np.zeros((5, 11), np.float32)
    model = new_autoencoder(nothing, SPEC)
    assert not model.transform(nothing).any()
    assert restored_share(model, nothing) == 0
