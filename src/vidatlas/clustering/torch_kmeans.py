"""k-means by torch, on a GPU or a CPU.

Lloyd (1982); greedy k-means++ starts: Arthur and Vassilvitskii (2007), with the trials of scikit-learn.
"""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import numpy as np

from vidatlas.threads import one_thread
from vidatlas.types import Floats

_START_ROWS, _START_STEPS = 20_000, 10
_STEPS, _TOLERANCE = 50, 1e-4
_CHUNK = 65_536


class TorchKMeans:
    """Run k-means++ and Lloyd's iterations on one device; sums are matrix products, whose order is fixed."""

    def __init__(self, device: str) -> None:
        self._device = device

    @property
    def identity(self) -> dict[str, str]:
        """Return name, version and device of torch."""
        import torch

        device = torch.cuda.get_device_name() if self._device == "cuda" else self._device
        return {"name": "torch", "version": version("torch"), "device": device}

    def start(self, vectors: Floats, k: int, seed: int) -> Floats:
        """Return centroids float32 [k, dim] after k-means++ and ten Lloyd steps on at most 20,000 rows."""
        random = np.random.default_rng(seed)
        rows = len(vectors)
        chosen = np.sort(random.choice(rows, max(k, _START_ROWS), replace=False)) if rows > _START_ROWS else slice(None)
        points = self._tensor(vectors[chosen])
        with one_thread():
            return self._lloyd(points, self._plus_plus(points, k, random), _START_STEPS)

    def refine(self, vectors: Floats, centroids: Floats) -> Floats:
        """Return centroids float32 [k, dim] after at most 50 Lloyd steps."""
        points, seats = self._tensor(vectors), self._tensor(centroids)
        with one_thread():
            return self._lloyd(points, seats, _STEPS)

    def _tensor(self, array: Floats) -> Any:
        import torch

        return torch.tensor(array, dtype=torch.float32, device=self._device)

    def _plus_plus(self, points: Any, k: int, random: np.random.Generator) -> Any:
        """Return k rows of the points: each the best of a few sampled by squared distance to the previous ones."""
        import torch

        trials = 2 + int(math.log(k))
        chosen = [int(random.integers(len(points)))]
        nearest = _squares(points, points[chosen])[:, 0]
        for _ in range(1, k):
            # Summed here, not on the GPU: there the order of a running sum is not fixed.
            sums = np.cumsum(nearest.cpu().numpy().astype(np.float64))
            places = np.searchsorted(sums, random.random(trials) * sums[-1]).clip(0, len(sums) - 1)
            candidates = torch.minimum(nearest[:, None], _squares(points, points[torch.from_numpy(places)]))
            best = int(candidates.sum(dim=0).argmin())
            chosen.append(int(places[best]))
            nearest = candidates[:, best].contiguous()
        return points[chosen]

    def _lloyd(self, points: Any, centroids: Any, steps: int) -> Floats:
        """Move each centroid to the mean of its rows until convergence."""
        still = _TOLERANCE * float(points.var(dim=0, correction=0).mean())
        for _ in range(steps):
            sums, counts = self._sums(points, centroids)
            moved = (sums / counts.clamp(min=1)[:, None]).to(centroids.dtype)
            moved[counts == 0] = centroids[counts == 0]
            shift = float(((moved - centroids) ** 2).sum())
            centroids = moved
            if shift <= still:
                break
        found: Floats = centroids.cpu().numpy().astype(np.float32)
        return found

    def _sums(self, points: Any, centroids: Any) -> tuple[Any, Any]:
        """Return the sum of each centroid's rows, float64 [k, dim], and their number [k]."""
        import torch

        k = len(centroids)
        sums = torch.zeros(centroids.shape, dtype=torch.float64, device=self._device)
        counts = torch.zeros(k, dtype=torch.int64, device=self._device)
        for chunk in points.split(_CHUNK):
            labels = _squares(chunk, centroids).argmin(dim=1)
            belongs = torch.nn.functional.one_hot(labels, k)
            sums += belongs.T.to(chunk.dtype) @ chunk
            counts += belongs.sum(dim=0)
        return sums, counts


def _squares(points: Any, centroids: Any) -> Any:
    """Return squared distances [n, k]."""
    products = points @ centroids.T
    lengths = (points * points).sum(dim=1)[:, None] + (centroids * centroids).sum(dim=1)
    return (lengths - 2 * products).clamp(min=0)
