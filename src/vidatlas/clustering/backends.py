"""Backends of k-means: cuML or torch if a GPU is visible, scikit-learn elsewhere, or the one that was chosen.

A backend finds centroids on a sample; assigning every row to its nearest centroid is the same for all backends.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol, get_args

from vidatlas.errors import UsageError, require
from vidatlas.gpus import sees_gpu
from vidatlas.types import Backend, Floats

BACKENDS: tuple[Backend, ...] = get_args(Backend)


class KMeans(Protocol):
    """Find centroids of vectors float32 [n, dim], n >= k, with at least k distinct rows."""

    @property
    def identity(self) -> dict[str, str]:
        """Name, version and device of the backend."""

    def start(self, vectors: Floats, k: int, seed: int) -> Floats:
        """Return centroids float32 [k, dim] near a minimum of k-means, deterministic for a seed."""

    def refine(self, vectors: Floats, centroids: Floats) -> Floats:
        """Return centroids float32 [k, dim] after Lloyd iterations from these, to convergence or a fixed number."""


def choose_backend(forced: Backend | None) -> Backend:
    """Return the chosen backend, or the best for the hardware that this process sees.

    Raises:
        UsageError: the chosen one cannot run here.
    """
    if forced is None:
        if not sees_gpu():
            return "sklearn"
        return "cuml" if find_spec("cuml") else "torch"
    if forced == "torch":
        require("--backend torch", "torch")
    if forced == "cuml" and not find_spec("cuml"):
        raise UsageError("--backend cuml: cuML is not installed here. Install it, or choose sklearn or torch.")
    if forced == "cuml" and not sees_gpu():
        raise UsageError("--backend cuml: no GPU is visible here. Choose sklearn or torch.")
    return forced


def open_backend(name: Backend) -> KMeans:
    """Return the backend of that name."""
    return _OPEN[name]()


def _sklearn() -> KMeans:
    from vidatlas.clustering.sklearn_kmeans import SklearnKMeans

    return SklearnKMeans()


def _torch() -> KMeans:
    from vidatlas.clustering.torch_kmeans import TorchKMeans

    return TorchKMeans("cuda" if sees_gpu() else "cpu")


def _cuml() -> KMeans:
    from vidatlas.clustering.cuml_kmeans import CumlKMeans

    return CumlKMeans()


_OPEN: dict[Backend, Callable[[], KMeans]] = {"sklearn": _sklearn, "torch": _torch, "cuml": _cuml}
