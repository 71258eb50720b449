"""The layers of an auto-encoder as torch parameters: forwards, soft labels, and a state that gives them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vidatlas.gpus import sees_gpu
from vidatlas.reducers.autoencoder import Arrays, Autoencoder, from_arrays, to_arrays
from vidatlas.reducers.dec import soft_labels
from vidatlas.types import Floats

if TYPE_CHECKING:
    import torch


class Network:
    """Hold the layers of an auto-encoder, and centroids if any, as torch parameters on one device."""

    def __init__(self, model: Autoencoder, centroids: Floats | None = None) -> None:
        self._device = "cuda" if sees_gpu() else "cpu"
        arrays = to_arrays(model)
        if centroids is not None:
            arrays["centroids"] = centroids
        del arrays["scale"]
        self._named = {name: self.tensor(array).requires_grad_() for name, array in arrays.items()}
        self._depth = len(model.encoder)

    @property
    def parameters(self) -> list[torch.Tensor]:
        """Return all of them."""
        return list(self._named.values())

    @property
    def tuned(self) -> list[torch.Tensor]:
        """Return those of encoder and centroids."""
        return [tensor for name, tensor in self._named.items() if not name.startswith("decoder")]

    def tensor(self, array: Floats) -> torch.Tensor:
        """Return a copy of an array on the device."""
        import torch

        return torch.tensor(array, dtype=torch.float32, device=self._device)

    def index(self, chosen: Any) -> torch.Tensor:
        """Return row numbers on the device."""
        import torch

        return torch.from_numpy(chosen).to(self._device)

    def encode(self, rows: torch.Tensor) -> torch.Tensor:
        """Return codes [n, latent]."""
        return self._through("encoder", rows)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return scaled vectors [n, dim]."""
        return self._through("decoder", codes)

    def _through(self, side: str, rows: torch.Tensor) -> torch.Tensor:
        for layer in range(self._depth):
            rows = rows @ self._named[f"{side}.{layer}.weights"] + self._named[f"{side}.{layer}.biases"]
            rows = rows.relu() if layer + 1 < self._depth else rows
        return rows

    def student(self, codes: torch.Tensor) -> torch.Tensor:
        """Return q [n, k]."""
        apart = (codes[:, None] - self._named["centroids"][None]).square().sum(dim=2)
        kernel = 1 / (1 + apart)
        return kernel / kernel.sum(dim=1, keepdim=True)

    def soft(self, rows: torch.Tensor) -> Floats:
        """Return q float32 [n, k] of all rows, a few at a time."""
        import torch

        with torch.no_grad():
            codes = torch.cat([self.encode(block) for block in rows.split(8192)]).cpu().numpy()
        return soft_labels(codes, self.centroids())

    def centroids(self) -> Floats:
        """Return float32 [k, latent]."""
        return self._array(self._named["centroids"])

    @staticmethod
    def _array(tensor: torch.Tensor) -> Floats:
        return np.array(tensor.detach().cpu().numpy(), np.float32)

    def model(self, scale: float) -> Autoencoder:
        """Return the layers as arrays."""
        arrays = {name: self._array(tensor) for name, tensor in self._named.items()}
        found = from_arrays({**arrays, "scale": np.array([scale], np.float32)})
        return Autoencoder(scale, found.encoder, found.decoder)

    def state(self, optimizer: torch.optim.Optimizer, kept: tuple[str, ...]) -> Arrays:
        """Return parameters and what the optimizer remembers of each, by name."""
        found = {name: self._array(tensor) for name, tensor in self._named.items()}
        for name, tensor in self._named.items():
            memory = optimizer.state.get(tensor, {})
            found |= {f"{key} of {name}": self._array(memory[key]) for key in kept if key in memory}
        return found

    def restore(self, arrays: Arrays, optimizer: torch.optim.Optimizer, kept: tuple[str, ...]) -> None:
        """Set parameters and optimizer to what ``state`` returned."""
        import torch

        with torch.no_grad():
            for name, tensor in self._named.items():
                tensor.copy_(self.tensor(arrays[name]))
                memory = {key: arrays[f"{key} of {name}"] for key in kept if f"{key} of {name}" in arrays}
                if memory:
                    optimizer.state[tensor] = {
                        key: torch.from_numpy(value) if key == "step" else self.tensor(value)
                        for key, value in memory.items()
                    }
