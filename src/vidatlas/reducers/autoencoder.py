"""A symmetric auto-encoder: what its narrowest layer says of a vector, and how it is trained.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks" (2006); the shape is that of Xie,
Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis" (2016), trained end to end by Adam (Kingma
and Ba, 2015) instead of layer by layer; weights start as Glorot and Bengio (2010) draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.types import Floats

Width = Annotated[int, Field(ge=1, le=65_536)]
Layer = tuple[Floats, Floats]
"""Weights [in, out] and biases [out]."""


class AutoencoderReducer(BaseModel):
    """Choose the shape of the auto-encoder and how long it is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["autoencoder"] = "autoencoder"
    hidden: tuple[Width, ...] = (500, 500, 1000)
    """Layers between a vector and its code; the decoder mirrors them."""
    latent: Width = 10
    """Dimensions of a code."""
    epochs: Annotated[int, Field(ge=1)] = 50
    batch_rows: Annotated[int, Field(ge=1)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    fit_rows: Annotated[int, Field(ge=2)] = 50_000
    """It is trained on at most so many rows, drawn by seed; all rows are encoded."""
    seed: int = 0
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    """Epochs after which a run that is stopped goes on from the last ones."""


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """Encode vectors as codes.

    Attributes:
        scale: what vectors are multiplied by, so that their entries have a mean square of 1.
        encoder: layers from a vector to its code; all but the last are followed by max(0, x).
        decoder: layers from a code to a vector; likewise.
    """

    scale: float
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]

    @property
    def dim(self) -> int:
        """Return the dimensions of a vector."""
        return len(self.encoder[0][0])

    @property
    def latent(self) -> int:
        """Return the dimensions of a code."""
        return len(self.encoder[-1][1])

    def transform(self, vectors: NDArray[np.floating]) -> Floats:
        """Return codes float32 [n, latent] of vectors [n, dim]."""
        return _forward(vectors.astype(np.float32) * np.float32(self.scale), self.encoder)

    def restore(self, codes: Floats) -> Floats:
        """Return vectors float32 [n, dim] of codes [n, latent]."""
        return _forward(codes, self.decoder) / np.float32(self.scale)


def _forward(rows: Floats, layers: Sequence[Layer]) -> Floats:
    for weights, biases in layers[:-1]:
        rows = np.maximum(rows @ weights + biases, 0)
    weights, biases = layers[-1]
    return np.asarray(rows @ weights + biases, np.float32)


def new_autoencoder(vectors: Floats, spec: AutoencoderReducer) -> Autoencoder:
    """Return an untrained auto-encoder for vectors float32 [n, dim]."""
    random = np.random.default_rng(spec.seed)
    widths = [vectors.shape[1], *spec.hidden, spec.latent]
    square = float(np.square(vectors, dtype=np.float64).mean())
    scale = float(np.float32(1 / np.sqrt(square))) if square else 1.0
    return Autoencoder(scale, _glorot(widths, random), _glorot(widths[::-1], random))


def _glorot(widths: Sequence[int], random: np.random.Generator) -> tuple[Layer, ...]:
    layers = []
    for before, behind in pairwise(widths):
        limit = np.sqrt(6 / (before + behind))
        weights = random.uniform(-limit, limit, (before, behind)).astype(np.float32)
        layers.append((weights, np.zeros(behind, np.float32)))
    return tuple(layers)


def restored_share(model: Autoencoder, vectors: Floats) -> float:
    """Return the share of the variance of vectors float32 [n, dim] that their codes keep; 0 where there is none."""
    spread = float(np.square(vectors - vectors.mean(axis=0), dtype=np.float64).sum())
    left = float(np.square(vectors - model.restore(model.transform(vectors)), dtype=np.float64).sum())
    return max(0.0, 1 - left / spread) if spread else 0.0


Arrays = dict[str, NDArray[np.float32]]


def to_arrays(model: Autoencoder) -> Arrays:
    """Return the model as named arrays."""
    found: Arrays = {"scale": np.array([model.scale], np.float32)}
    for side, layers in (("encoder", model.encoder), ("decoder", model.decoder)):
        for number, (weights, biases) in enumerate(layers):
            found[f"{side}.{number}.weights"] = np.ascontiguousarray(weights)
            found[f"{side}.{number}.biases"] = biases
    return found


def from_arrays(arrays: Arrays) -> Autoencoder:
    """Return the model that ``to_arrays`` was given; other arrays may stand beside its own."""
    sides: list[tuple[Layer, ...]] = []
    for side in ("encoder", "decoder"):
        count = sum(name.startswith(f"{side}.") and name.endswith(".biases") for name in arrays)
        sides.append(tuple((arrays[f"{side}.{at}.weights"], arrays[f"{side}.{at}.biases"]) for at in range(count)))
    return Autoencoder(float(arrays["scale"][0]), *sides)
