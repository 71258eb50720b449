"""An auto-encoder is a plain value: its shape, its scale, and arrays that give it back."""

from __future__ import annotations

import numpy as np
import pytest

from vidatlas.decomposition.autoencoder import Autoencoder, AutoencoderReducer, new_autoencoder, restored_share
from vidatlas.types import Floats

SPEC = AutoencoderReducer(hidden=(7, 5), latent=3)


@pytest.fixture(scope="module")
def vectors() -> Floats:
    return np.random.default_rng(0).normal(0, 0.05, (40, 11)).astype(np.float32)


def test_it_is_symmetric_and_drawn_as_glorot_says(vectors: Floats) -> None:
    model = new_autoencoder(vectors, SPEC)
    layers = [f"{side}.{layer}" for side in ("encoder", "decoder") for layer in range(3)]
    shapes = [model.arrays[f"{layer}.weights"].shape for layer in layers]
    assert shapes == [(11, 7), (7, 5), (5, 3), (3, 5), (5, 7), (7, 11)]
    for layer in layers:
        weights, biases = model.arrays[f"{layer}.weights"], model.arrays[f"{layer}.biases"]
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
    again = Autoencoder({**model.arrays, "centroids": np.zeros((2, 3), np.float32)})
    assert again.scale == model.scale
    assert again.transform(vectors).tobytes() == model.transform(vectors).tobytes()
    assert again.restore(model.transform(vectors)).tobytes() == model.restore(model.transform(vectors)).tobytes()


def test_vectors_without_any_length_are_no_division_by_zero() -> None:
    nothing = np.zeros((5, 11), np.float32)
    model = new_autoencoder(nothing, SPEC)
    assert not model.transform(nothing).any()
    assert restored_share(model, nothing) == 0
