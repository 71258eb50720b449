"""Clusters as good as k-means with many starts, every row at its nearest centroid, no NaN in any corner."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import cluster
from threadpoolctl import threadpool_limits

from vidatlas.clustering.backends import KMeans
from vidatlas.clustering.kmeans import Fitting, assign, fit_clusters, sample_rows
from vidatlas.clustering.quality import stability
from vidatlas.clustering.sklearn_kmeans import SklearnKMeans
from vidatlas.clustering.torch_kmeans import TorchKMeans
from vidatlas.types import Floats

BACKENDS = pytest.mark.parametrize("backend", [SklearnKMeans(), TorchKMeans("cpu")], ids=["sklearn", "torch"])


def blobs(k: int, rows: int = 1_200, seed: int = 0, apart: float = 10.0) -> Floats:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, apart, (k, 5))
    return (centres[rng.integers(k, size=rows)] + rng.normal(0, 1, (rows, 5))).astype(np.float32)


def inertia(vectors: Floats, centroids: Floats) -> float:
    return assign(vectors, centroids).inertia


@BACKENDS
@pytest.mark.parametrize(("k", "apart"), [(2, 10), (5, 10), (8, 10), (12, 1), (40, 0.5)])
@threadpool_limits.wrap(limits=1)
def test_clusters_are_as_tight_as_those_of_kmeans_with_ten_starts(k: int, apart: float, backend: KMeans) -> None:
    vectors = blobs(k, 3_000, apart=apart)
    found = fit_clusters(vectors, k, 0, backend, Fitting(10))
    assert (found.centroids.shape, found.centroids.dtype, found.notes) == ((k, 5), np.float32, ())
    theirs = cluster.KMeans(k, n_init=10, random_state=0).fit(vectors)
    assert inertia(vectors, found.centroids) <= 1.01 * theirs.inertia_


@BACKENDS
def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(backend: KMeans) -> None:
    vectors = blobs(6, 4_000)
    first = fit_clusters(vectors, 9, 3, backend, Fitting(2)).centroids.tobytes()
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            assert fit_clusters(vectors, 9, 3, backend, Fitting(2)).centroids.tobytes() == first
    assert fit_clusters(vectors, 9, 4, backend, Fitting(2)).centroids.tobytes() != first


class Scripted:
    """Start where it is told, and refine nothing."""

    def __init__(self, *starts: Floats) -> None:
        self.starts, self.identity = list(starts), {"name": "scripted"}
        self.seen: list[Floats] = []

    def start(self, vectors: Floats, k: int, seed: int) -> Floats:
        self.seen.append(vectors)
        return self.starts.pop(0)

    def refine(self, vectors: Floats, centroids: Floats) -> Floats:
        return centroids


def test_the_start_that_fits_unseen_rows_best_goes_on() -> None:
    vectors = blobs(3, 900)
    centres = cluster.KMeans(3, n_init=3, random_state=0).fit(vectors).cluster_centers_.astype(np.float32)
    backend = Scripted(centres + 3, centres, centres - 2)
    np.testing.assert_array_equal(fit_clusters(vectors, 3, 0, backend, Fitting(3, "k-means++")).centroids, centres)
    assert [len(seen) for seen in backend.seen] == [810] * 3
    assert fit_clusters(vectors[:25], 3, 0, Scripted(centres, centres), Fitting(2, "k-means++")).notes == ()


def test_a_starved_centroid_takes_the_row_that_is_farthest_from_its_own() -> None:
    vectors = np.concatenate([blobs(1, 200), np.full((1, 5), 99, np.float32)])
    far = np.full((1, 5), -1e4, np.float32)
    found = fit_clusters(vectors, 2, 0, Scripted(np.concatenate([vectors[:1], far])), Fitting(init="k-means++"))
    np.testing.assert_array_equal(found.centroids[1], vectors[-1])
    assert found.notes == ()


@pytest.mark.parametrize("rows", [1, 7, 65_536])
def test_every_row_goes_to_its_nearest_centroid(rows: int) -> None:
    vectors, centroids = blobs(6, 300), blobs(9, 9, seed=1)
    distances = np.linalg.norm(vectors[:, None].astype(np.float64) - centroids, axis=2)
    nearest = np.sort(distances, axis=1)
    found = assign(vectors, centroids, rows)
    np.testing.assert_array_equal(found.labels, distances.argmin(axis=1))
    np.testing.assert_allclose(found.distances, nearest[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.margins, nearest[:, 1] - nearest[:, 0], rtol=1e-4, atol=1e-4)
    assert found.inertia == pytest.approx((nearest[:, 0] ** 2).sum(), rel=1e-5)


def test_of_equally_near_centroids_the_first_is_taken_with_no_margin() -> None:
    found = assign(np.zeros((2, 2), np.float32), np.array([[1, 0], [0, 1], [-1, 0]], np.float32))
    assert (found.labels.tolist(), found.distances.tolist(), found.margins.tolist()) == ([0, 0], [1, 1], [0, 0])


def test_a_single_centroid_has_no_margin_and_no_rows_have_nothing() -> None:
    found = assign(np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32))
    assert found.labels.tolist() == [0, 0]
    np.testing.assert_allclose(found.distances, np.sqrt(3), rtol=1e-6)
    assert np.isnan(found.margins).all()
    assert len(assign(np.empty((0, 3), np.float32), np.zeros((2, 3), np.float32)).labels) == 0


def test_one_huge_row_does_not_make_all_others_equal() -> None:
    vectors = np.random.default_rng(0).normal(0, 0.03, (1_000, 8)).astype(np.float32)
    vectors[7] = 60_000
    assert len(fit_clusters(vectors, 25, 0, SklearnKMeans(), Fitting(1)).centroids) > 10


NOISE = 1e-7 * np.random.default_rng(0).normal(size=(90, 3))


@BACKENDS
@pytest.mark.parametrize(
    ("vectors", "k", "kept", "note"),
    [
        (np.ones((9, 3)), 4, 1, "1 instead of 4 subcategories (1 distinct rows)"),
        (np.zeros((9, 3)), 4, 1, "1 instead of 4 subcategories (1 distinct rows)"),
        (np.eye(3), 4, 3, "3 instead of 4 subcategories (3 distinct rows)"),
        (np.eye(3), 3, 3, None),
        (np.eye(1), 2, 1, "1 instead of 2 subcategories (1 distinct rows)"),
        (np.repeat(np.eye(3), 50, axis=0), 5, 3, "3 instead of 5 subcategories (3 distinct rows)"),
        (np.repeat(np.eye(3), 30, axis=0) + NOISE, 5, 3, "3 instead of 5 subcategories (3 distinct rows)"),
        (np.ones((9, 3)), 1, 1, None),
    ],
)
def test_fewer_distinct_rows_give_fewer_clusters_and_a_note(
    vectors: np.ndarray, k: int, kept: int, note: str | None, backend: KMeans
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_clusters(vectors.astype(np.float32), k, 0, backend, Fitting(3))
    assert len(found.centroids) == kept
    assert np.isfinite(found.centroids).all()
    assert found.notes == ((note,) if note else ())
    np.testing.assert_allclose(inertia(vectors.astype(np.float32), found.centroids), 0, atol=0.05)


@BACKENDS
def test_every_cluster_that_is_kept_has_rows(backend: KMeans) -> None:
    vectors = np.concatenate([blobs(3, 200), np.zeros((300, 5), np.float32)])
    found = fit_clusters(vectors, 60, 0, backend, Fitting(2))
    assert set(assign(vectors, found.centroids).labels.tolist()) == set(range(len(found.centroids)))
    assert len(found.centroids) == 60


@settings(max_examples=50)
@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 5))
def test_a_sample_is_distinct_ascending_and_repeatable(rows: int, limit: int, seed: int) -> None:
    found = sample_rows(rows, limit, seed).tolist()
    assert len(found) == min(rows, limit)
    assert found == sorted(set(found))
    assert set(found) <= set(range(rows))
    assert found == sample_rows(rows, limit, seed).tolist()


def test_another_seed_draws_another_sample() -> None:
    assert sample_rows(10_000, 10, 0).tolist() != sample_rows(10_000, 10, 1).tolist()


@BACKENDS
def test_merged_small_clusters_differ_less_from_seed_to_seed(backend: KMeans) -> None:
    vectors = blobs(30, 3_000, apart=0.7)
    alike = {}
    inits: tuple[Literal["ward", "k-means++"], ...] = ("ward", "k-means++")
    for init in inits:
        found = [fit_clusters(vectors, 12, seed, backend, Fitting(init=init)) for seed in range(4)]
        runs = [assign(vectors, one.centroids).labels for one in found]
        alike[init] = stability(runs) or 0.0
    assert alike["ward"] > alike["k-means++"]


@BACKENDS
@pytest.mark.parametrize("rows", [4, 9, 30])
def test_too_few_rows_for_small_clusters_still_give_k(rows: int, backend: KMeans) -> None:
    vectors = blobs(3, rows)
    assert len(fit_clusters(vectors, 3, 0, backend, Fitting(2, "ward")).centroids) == 3
