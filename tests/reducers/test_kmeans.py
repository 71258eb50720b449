"""Clusters as good as k-means with many starts, every row at its nearest centroid, no NaN in any corner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from vidatlas.reducers.kmeans import ClusterSpec, assign, choose_k, fit_clusters, sample_rows
from vidatlas.types import Floats


def blobs(k: int, rows: int = 1_200, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 10, (k, 5))
    return (centres[rng.integers(k, size=rows)] + rng.normal(0, 1, (rows, 5))).astype(np.float32)


def inertia(vectors: Floats, centroids: Floats) -> float:
    return float(np.square(assign(vectors, centroids).distances, dtype=np.float64).sum())


@pytest.mark.parametrize("k", [2, 5, 8])
def test_clusters_of_blobs_are_as_tight_as_those_of_kmeans(k: int) -> None:
    vectors = blobs(k)
    found = fit_clusters(vectors, k, 0)
    assert (found.centroids.shape, found.centroids.dtype, found.notes) == ((k, 5), np.float32, ())
    assert inertia(vectors, found.centroids) <= 1.01 * KMeans(k, n_init=10, random_state=0).fit(vectors).inertia_


def test_the_same_seed_gives_the_same_bytes() -> None:
    vectors = blobs(6)
    assert fit_clusters(vectors, 9, 3).centroids.tobytes() == fit_clusters(vectors, 9, 3).centroids.tobytes()
    assert fit_clusters(vectors, 9, 3).centroids.tobytes() != fit_clusters(vectors, 9, 4).centroids.tobytes()


@pytest.mark.parametrize("rows", [1, 7, 65_536])
def test_every_row_goes_to_its_nearest_centroid(rows: int) -> None:
    vectors, centroids = blobs(6, 300), blobs(9, 9, seed=1)
    distances = np.linalg.norm(vectors[:, None].astype(np.float64) - centroids, axis=2)
    nearest = np.sort(distances, axis=1)
    found = assign(vectors, centroids, rows)
    np.testing.assert_array_equal(found.labels, distances.argmin(axis=1))
    np.testing.assert_allclose(found.distances, nearest[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.margins, nearest[:, 1] - nearest[:, 0], rtol=1e-4, atol=1e-4)


def test_of_equally_near_centroids_the_first_is_taken_with_no_margin() -> None:
    found = assign(np.zeros((2, 2), np.float32), np.array([[1, 0], [0, 1], [-1, 0]], np.float32))
    assert (found.labels.tolist(), found.distances.tolist(), found.margins.tolist()) == ([0, 0], [1, 1], [0, 0])


def test_a_single_centroid_has_no_margin_and_no_rows_have_nothing() -> None:
    found = assign(np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32))
    assert found.labels.tolist() == [0, 0]
    np.testing.assert_allclose(found.distances, np.sqrt(3), rtol=1e-6)
    assert np.isnan(found.margins).all()
    assert len(assign(np.empty((0, 3), np.float32), np.zeros((2, 3), np.float32)).labels) == 0


@pytest.mark.parametrize(
    ("vectors", "k", "kept", "note"),
    [
        (np.ones((9, 3)), 4, 1, "1 instead of 4 subcategories (1 distinct rows)"),
        (np.zeros((9, 3)), 4, 1, "1 instead of 4 subcategories (1 distinct rows)"),
        (np.eye(3), 4, 3, "3 instead of 4 subcategories (3 distinct rows)"),
        (np.eye(1), 2, 1, "1 instead of 2 subcategories (1 distinct rows)"),
        (np.repeat(np.eye(3), 50, axis=0), 5, 3, "3 instead of 5 subcategories (3 distinct rows)"),
        (np.ones((9, 3)), 1, 1, None),
    ],
)
def test_fewer_distinct_rows_give_fewer_clusters_and_a_note(
    vectors: np.ndarray, k: int, kept: int, note: str | None
) -> None:
    found = fit_clusters(vectors.astype(np.float32), k, 0)
    assert len(found.centroids) == kept
    assert np.isfinite(found.centroids).all()
    assert found.notes == ((note,) if note else ())
    np.testing.assert_allclose(inertia(vectors.astype(np.float32), found.centroids), 0, atol=0.05)


def test_every_cluster_that_is_kept_has_rows() -> None:
    vectors = np.concatenate([blobs(3, 200), np.zeros((300, 5), np.float32)])
    found = fit_clusters(vectors, 60, 0)
    assert set(assign(vectors, found.centroids).labels.tolist()) == set(range(len(found.centroids)))


@pytest.mark.parametrize(("rows", "k"), [(1, 1), (6, 1), (25, 2), (10_000, 40), (10**6, 200)])
def test_k_grows_with_the_square_root_of_a_group(rows: int, k: int) -> None:
    assert choose_k(rows, ClusterSpec()) == k
    assert choose_k(rows, ClusterSpec(k=7)) == 7


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 5))
def test_a_sample_is_distinct_ascending_and_repeatable(rows: int, limit: int, seed: int) -> None:
    found = sample_rows(rows, limit, seed).tolist()
    assert len(found) == min(rows, limit)
    assert found == sorted(set(found))
    assert set(found) <= set(range(rows))
    assert found == sample_rows(rows, limit, seed).tolist()


def test_another_seed_draws_another_sample() -> None:
    assert sample_rows(10_000, 10, 0).tolist() != sample_rows(10_000, 10, 1).tolist()
