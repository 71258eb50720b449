"""Merging by Ward's criterion is SciPy's where all weights are one, and counts rows where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from vidatlas.clustering.ward import merge_centroids, ward_labels


@pytest.mark.parametrize("k", [1, 2, 7, 59])
@pytest.mark.parametrize("seed", range(4))
def test_with_equal_weights_it_is_scipys(seed: int, k: int) -> None:
    points = np.random.default_rng(seed).standard_normal((60, 5)).astype(np.float32)
    found = ward_labels(points, np.ones(60, np.int64), k)
    expected = fcluster(linkage(points.astype(np.float64), "ward"), k, "maxclust")
    assert adjusted_rand_score(found, expected) == 1.0
    assert len(set(found.tolist())) == k


def test_as_many_clusters_as_points_are_the_points() -> None:
    points = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
    assert ward_labels(points, np.ones(60, np.int64), 60).tolist() == [*range(60)]


@pytest.mark.parametrize("seed", range(3))
def test_a_weight_is_so_many_points_in_one_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.standard_normal((25, 3)).astype(np.float32)
    weights = random.integers(1, 6, 25)
    found = ward_labels(points, weights, 4)
    repeated = ward_labels(np.repeat(points, weights, axis=0), np.ones(weights.sum(), np.int64), 4)
    assert adjusted_rand_score(np.repeat(found, weights), repeated) == 1.0


def test_means_are_weighted() -> None:
    points = np.array([[0.0], [1.0], [10.0]], np.float32)
    assert merge_centroids(points, np.array([3, 1, 2]), 2).tolist() == [[0.25], [10.0]]


def test_points_in_one_place_merge_first() -> None:
    points = np.zeros((6, 2), np.float32)
    points[5] = 1
    assert ward_labels(points, np.ones(6, np.int64), 2).tolist() == [0, 0, 0, 0, 0, 1]
