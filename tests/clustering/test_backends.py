"""Which k-means runs where, and that cuML is called as its documentation says (it cannot run here)."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from vidatlas.clustering import backends as backend
from vidatlas.clustering.backends import BACKENDS, choose_backend, open_backend
from vidatlas.clustering.cuml_kmeans import CumlKMeans
from vidatlas.clustering.kmeans import Fitting, fit_clusters
from vidatlas.clustering.torch_kmeans import TorchKMeans
from vidatlas.errors import UsageError


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says what this machine has."""

    def have(gpu: bool, cuml: bool) -> None:
        monkeypatch.setattr(backend, "sees_gpu", lambda: gpu)
        monkeypatch.setattr(backend, "find_spec", lambda name: object() if cuml else None)

    return have


@pytest.mark.parametrize(
    ("gpu", "cuml", "expected"),
    [(False, False, "sklearn"), (False, True, "sklearn"), (True, False, "torch"), (True, True, "cuml")],
)
def test_the_best_for_the_hardware_is_chosen(gpu: bool, cuml: bool, expected: str, here: Any) -> None:
    here(gpu, cuml)
    assert choose_backend(None) == expected


def test_what_is_asked_for_is_taken_where_it_can_run(here: Any) -> None:
    here(True, True)
    assert [choose_backend(name) for name in BACKENDS] == list(BACKENDS)
    here(False, False)
    assert [choose_backend(name) for name in ("sklearn", "torch")] == ["sklearn", "torch"]
    with pytest.raises(UsageError, match="cuML is not installed here"):
        choose_backend("cuml")
    here(False, True)
    with pytest.raises(UsageError, match="no GPU is visible here"):
        choose_backend("cuml")


def test_what_ran_is_named() -> None:
    assert open_backend("sklearn").identity["name"] == "sklearn"
    found = open_backend("torch").identity
    assert (found["name"], set(found)) == ("torch", {"name", "version", "device"})


def documented(
    *,
    n_clusters: int = 8,
    max_iter: int = 300,
    tol: float = 1e-4,
    verbose: int | bool = False,
    random_state: int | None = None,
    init: Any = "scalable-k-means++",
    n_init: str | int = "auto",
    oversampling_factor: float = 2.0,
    max_samples_per_batch: int = 32768,
    output_type: str | None = None,
) -> None:
    """Have the parameters of cuml.cluster.KMeans, as docs.rapids.ai/api/cuml/stable lists them."""


class FakeKMeans:
    """Take what cuML takes, check it as cuML would, and compute it with torch."""

    calls: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        self.options = inspect.signature(documented).bind(*args, **options).arguments
        self.calls.append(self.options)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> FakeKMeans:  # noqa: N803
        init, k = self.options["init"], self.options["n_clusters"]
        seed = self.options["random_state"]
        assert X.dtype == np.float32
        assert 0 <= seed < 2**31
        assert self.options["n_init"] == 1
        assert self.options["output_type"] == "numpy"
        if isinstance(init, np.ndarray):
            assert init.shape == (k, X.shape[1])
            assert init.dtype == X.dtype
            self.cluster_centers_ = TorchKMeans("cpu").refine(X, init)
        else:
            assert init in ("scalable-k-means++", "k-means||", "k-means++", "random")
            self.cluster_centers_ = TorchKMeans("cpu").start(X, k, seed)
        return self


@pytest.fixture
def cuml(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put a stand-in where cuML would be; return the parameters it is called with."""
    package, module = ModuleType("cuml"), ModuleType("cuml.cluster")
    package.__version__ = "26.02.00"  # type: ignore[attr-defined]
    module.KMeans = FakeKMeans  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuml", package)
    monkeypatch.setitem(sys.modules, "cuml.cluster", module)
    monkeypatch.setattr(FakeKMeans, "calls", [])
    return FakeKMeans.calls


def test_cuml_is_called_as_documented(cuml: list[dict[str, Any]]) -> None:
    vectors = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
    found = fit_clusters(vectors, 7, 2**33 + 5, CumlKMeans(), Fitting(3, "k-means++"))
    assert (found.centroids.shape, found.centroids.dtype) == ((7, 4), np.float32)
    assert [isinstance(call["init"], str) for call in cuml] == 3 * [True] + 4 * [False]
    assert len({call["random_state"] for call in cuml[:3]}) == 3
    assert CumlKMeans().identity == {"name": "cuml", "version": "26.02.00", "device": "cuda"}
