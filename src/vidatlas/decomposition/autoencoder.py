"""The auto-encoder: its settings, its network, and a trained one as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.clustering.dec import soft_labels
from vidatlas.gpus import sees_gpu
from vidatlas.types import Floats

if TYPE_CHECKING:
    import torch


Width = Annotated[int, Field(ge=1, le=65_536)]
Arrays = dict[str, Floats]
Side = Literal["encoder", "decoder"]


class AutoencoderReducer(BaseModel, frozen=True, extra="forbid"):
    """Choose the shape of the auto-encoder and how long it is trained."""

    kind: Literal["autoencoder"] = "autoencoder"
    space: ClassVar[str] = "the codes of the auto-encoder, Euclidean"
    made: ClassVar[str] = "codes of {} dimensions"
    hidden: tuple[Width, ...] = (500, 500, 1000)
    """Layers between a vector and its code; the decoder mirrors them."""
    latent: Width = 10
    """Number of dimensions of a code."""
    epochs: Annotated[int, Field(ge=1)] = 50
    batch_rows: Annotated[int, Field(ge=1)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    fit_rows: Annotated[int, Field(ge=2)] = 50_000
    """Train on at most this many rows, sampled by seed; all rows are encoded."""
    seed: int = 0
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    """Epochs between checkpoints, from which an interrupted run resumes."""


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """A trained auto-encoder, which encodes vectors as codes.

    Attributes:
        arrays: float32, by name as in its file. ``scale`` [1] gives the entries of vectors a mean square of 1.
            ``encoder.0.weights`` [in, out] and ``encoder.0.biases`` [out], then ``encoder.1`` and so on, are the layers
            from a vector to its code; all but the last are followed by ReLU. ``decoder.0`` and so on lead back.
    """

    arrays: Arrays

    @property
    def scale(self) -> np.float32:
        """Return the factor for vectors."""
        return np.float32(self.arrays["scale"][0])

    @property
    def dim(self) -> int:
        """Return the number of dimensions of a vector."""
        return len(self.arrays["encoder.0.weights"])

    @property
    def latent(self) -> int:
        """Return the number of dimensions of a code."""
        return len(self.arrays["decoder.0.weights"])

    def transform(self, vectors: NDArray[np.floating]) -> Floats:
        """Encode vectors [n, dim] as codes float32 [n, latent]."""
        return self._through("encoder", vectors.astype(np.float32) * self.scale)

    def restore(self, codes: Floats) -> Floats:
        """Decode codes [n, latent] to vectors float32 [n, dim]."""
        return self._through("decoder", codes) / self.scale

    def _through(self, side: Side, rows: Floats) -> Floats:
        return np.asarray(_through(self.arrays, side, rows, lambda states: np.maximum(states, 0)), np.float32)


def _through(arrays: Mapping[str, Any], side: Side, rows: Any, relu: Callable[[Any], Any]) -> Any:
    """Send rows through the layers of a side, as arrays or as tensors."""
    last = sum(name.startswith(f"{side}.") and name.endswith(".biases") for name in arrays) - 1
    for layer in range(last + 1):
        rows = rows @ arrays[f"{side}.{layer}.weights"] + arrays[f"{side}.{layer}.biases"]
        rows = relu(rows) if layer < last else rows
    return rows


def new_autoencoder(vectors: Floats, spec: AutoencoderReducer) -> Autoencoder:
    """Return an untrained auto-encoder for vectors float32 [n, dim], drawn as Glorot and Bengio (2010) say."""
    random = np.random.default_rng(spec.seed)
    widths = [vectors.shape[1], *spec.hidden, spec.latent]
    square = float(np.square(vectors, dtype=np.float64).mean())
    arrays: Arrays = {"scale": np.array([1 / np.sqrt(square) if square else 1], np.float32)}
    for side, sizes in (("encoder", widths), ("decoder", widths[::-1])):
        for layer, (before, behind) in enumerate(pairwise(sizes)):
            limit = np.sqrt(6 / (before + behind))
            weights = random.uniform(-limit, limit, (before, behind)).astype(np.float32)
            arrays |= {f"{side}.{layer}.weights": weights, f"{side}.{layer}.biases": np.zeros(behind, np.float32)}
    return Autoencoder(arrays)


def restored_share(model: Autoencoder, vectors: Floats) -> float:
    """Return the variance of vectors float32 [n, dim] explained by the auto-encoder, as a share; 0 without variance."""
    spread = float(np.square(vectors - vectors.mean(axis=0), dtype=np.float64).sum())
    left = float(np.square(vectors - model.restore(model.transform(vectors)), dtype=np.float64).sum())
    return max(0.0, 1 - left / spread) if spread else 0.0


class Network:
    """Hold the layers of an auto-encoder, and centroids if any, as torch parameters on one device.

    Attributes:
        named: all parameters.
    """

    def __init__(self, model: Autoencoder, centroids: Floats | None = None) -> None:
        self._device, self._scale = "cuda" if sees_gpu() else "cpu", model.arrays["scale"]
        arrays = {name: array for name, array in model.arrays.items() if name != "scale"}
        if centroids is not None:
            arrays["centroids"] = centroids
        self.named = {name: self.tensor(array).requires_grad_() for name, array in arrays.items()}

    @property
    def tuned(self) -> list[torch.Tensor]:
        """Return the parameters of the encoder and the centroids."""
        return [tensor for name, tensor in self.named.items() if not name.startswith("decoder")]

    def tensor(self, array: Floats) -> torch.Tensor:
        """Return a copy of an array on the device."""
        import torch

        return torch.tensor(array, dtype=torch.float32, device=self._device)

    def through(self, side: Side, rows: torch.Tensor) -> torch.Tensor:
        """Send scaled vectors [n, dim] through the encoder, or codes [n, latent] through the decoder."""
        found: torch.Tensor = _through(self.named, side, rows, lambda states: states.relu())
        return found

    def student(self, codes: torch.Tensor) -> torch.Tensor:
        """Return soft labels q [n, k] of codes, by a Student-t kernel."""
        apart = (codes[:, None] - self.named["centroids"][None]).square().sum(dim=2)
        kernel = 1 / (1 + apart)
        return kernel / kernel.sum(dim=1, keepdim=True)

    def soft(self, rows: torch.Tensor) -> Floats:
        """Return soft labels q float32 [n, k] of all rows, computed in batches."""
        import torch

        with torch.no_grad():
            codes = torch.cat([self.through("encoder", block) for block in rows.split(8192)]).cpu().numpy()
        return soft_labels(codes, self.centroids())

    def centroids(self) -> Floats:
        """Return the centroids float32 [k, latent]."""
        return self._array(self.named["centroids"])

    @staticmethod
    def _array(tensor: torch.Tensor) -> Floats:
        return np.array(tensor.detach().cpu().numpy(), np.float32)

    def model(self) -> Autoencoder:
        """Return the layers as an auto-encoder of arrays."""
        layers = {name: self._array(tensor) for name, tensor in self.named.items() if name != "centroids"}
        return Autoencoder({"scale": self._scale, **layers})
