"""Rows move to the mean of their neighbours before centroids are found, and never so far that clusters vanish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from vidatlas.clustering import smoothing
from vidatlas.clustering.kmeans import Fitting, assign, fit_clusters
from vidatlas.clustering.quality import stability
from vidatlas.clustering.sklearn_kmeans import SklearnKMeans
from vidatlas.clustering.smoothing import smooth
from vidatlas.types import Floats

KMEANS = SklearnKMeans()


def rows(n: int, dim: int = 4, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def test_each_row_becomes_the_mean_of_itself_and_its_nearest_rows() -> None:
    vectors = rows(60)
    apart = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    nearest = np.argsort(apart, axis=1)[:, :4]
    np.testing.assert_allclose(smooth(vectors, 3, 2, 0), vectors[nearest].mean(axis=1), atol=1e-6)


def test_a_neighbourhood_is_at_most_a_quarter_of_a_cluster() -> None:
    vectors = rows(40)
    np.testing.assert_array_equal(smooth(vectors, 100, 5, 0), smooth(vectors, 2, 5, 0))
    assert smooth(vectors, 3, 11, 0) is vectors


def test_of_many_rows_some_are_drawn_by_seed_as_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothing, "ANCHORS", 100)
    vectors = rows(500)
    first = smooth(vectors, 5, 2, 1)
    assert first.shape == vectors.shape
    assert first.tobytes() == smooth(vectors, 5, 2, 1).tobytes() != smooth(vectors, 5, 2, 2).tobytes()
    assert first.std() < vectors.std()


def test_the_same_bytes_on_any_number_of_threads() -> None:
    vectors = rows(3_000, 16)
    first = smooth(vectors, 15, 4, 0).tobytes()
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            assert smooth(vectors, 15, 4, 0).tobytes() == first


def test_centroids_found_on_smoothed_rows_differ_less_from_seed_to_seed() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 0.5, (30, 24))
    vectors = (centres[rng.integers(30, size=1_500)] + rng.normal(0, 0.5, (1_500, 24))).astype(np.float32)
    alike = []
    for neighbours in (0, 15):
        how = Fitting(smooth=neighbours)
        runs = [assign(vectors, fit_clusters(vectors, 12, seed, KMEANS, how).centroids).labels for seed in range(3)]
        alike.append(stability(runs) or 0.0)
    assert alike[1] > alike[0] + 0.05


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 20), st.integers(1, 60))
def test_every_centroid_has_rows_whatever_repeats(n: int, k: int, neighbours: int, kinds: int) -> None:
    vectors = rows(kinds, 3)[np.random.default_rng(n).integers(kinds, size=n)]
    found = fit_clusters(vectors, k, 0, KMEANS, Fitting(smooth=neighbours))
    assert np.isfinite(found.centroids).all()
    assert set(assign(vectors, found.centroids).labels.tolist()) == set(range(len(found.centroids)))
    assert len(found.centroids) <= k
    assert bool(found.notes) == (len(found.centroids) < k)
