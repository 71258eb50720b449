"""How many clusters a group gets: never more than it can hold, and where the data has clear ones, as many."""

from __future__ import annotations

import numpy as np
import pytest

from vidatlas.clustering.choose_k import SAMPLE, choose_k, elbow, k_by_size
from vidatlas.clustering.kmeans import ClusterSpec
from vidatlas.clustering.sklearn_kmeans import SklearnKMeans
from vidatlas.clustering.torch_kmeans import TorchKMeans
from vidatlas.types import Floats

SKLEARN = SklearnKMeans()


@pytest.mark.parametrize(("rows", "k"), [(1, 1), (6, 2), (25, 4), (10_000, 80), (10**6, 200)])
def test_k_grows_with_the_square_root_of_a_group(rows: int, k: int) -> None:
    assert k_by_size(rows, ClusterSpec()) == k
    assert k_by_size(rows, ClusterSpec(k=7)) == 7


@pytest.mark.parametrize(("rows", "k"), [(1, 1), (300, 3), (349, 3), (10**6, 200)])
def test_k_grows_in_proportion(rows: int, k: int) -> None:
    assert k_by_size(rows, ClusterSpec(k="proportional", rows_each=100)) == k
    assert k_by_size(rows, ClusterSpec(k="proportional", rows_each=100, max_k=2)) == min(k, 2)


def blobs(k: int, rows: int) -> Floats:
    rng = np.random.default_rng(0)
    return (rng.normal(0, 10, (k, 6))[rng.integers(k, size=rows)] + rng.normal(0, 1, (rows, 6))).astype(np.float32)


@pytest.mark.parametrize("k", [4, 9])
@pytest.mark.parametrize("backend", [SKLEARN, TorchKMeans("cpu")], ids=["sklearn", "torch"])
def test_auto_finds_as_many_clusters_as_there_clearly_are(k: int, backend: object) -> None:
    found = choose_k(1_500, blobs(k, 1_500), ClusterSpec(k="auto"), 0, backend)  # type: ignore[arg-type]
    assert k <= found.k <= 1.6 * k
    places, values = zip(*found.curve, strict=True)
    assert list(places) == sorted(set(places))
    assert (places[0], places[-1]) == (1, 150)
    assert values[0] == pytest.approx(1, abs=0.01)
    assert all(0 <= value <= 1.05 for value in values)


def test_auto_decides_on_a_bounded_sample_and_the_same_each_time() -> None:
    vectors, spec = blobs(5, SAMPLE + 2_000), ClusterSpec(k="auto", max_k=20)
    first = choose_k(len(vectors), vectors, spec, 1, SKLEARN)
    assert first == choose_k(len(vectors), vectors, spec, 1, SKLEARN)
    assert first.curve[-1][0] == 20


@pytest.mark.parametrize(
    ("vectors", "k"),
    [(np.ones((200, 4)), 1), (np.zeros((200, 4)), 1), (np.ones((1, 4)), 1), (np.eye(50), 6)],
    ids=["identical", "zeros", "one row", "few rows"],
)
def test_auto_of_little_is_little(vectors: np.ndarray, k: int) -> None:
    found = choose_k(len(vectors), vectors.astype(np.float32), ClusterSpec(k="auto"), 0, SKLEARN)
    assert found.k == k
    assert np.isfinite([value for _, value in found.curve]).all()


def test_the_elbow_is_where_the_curve_bends_most() -> None:
    assert elbow([1, 2, 3, 4, 5], [10, 4, 3, 2.5, 2]) == 1
    assert elbow([1, 2, 3, 4, 5], [10, 9, 8, 3, 2.9]) == 3
    assert elbow([1, 2, 3, 4], [10, 2, 2.5, 3]) == 1
    assert elbow([1, 2, 3], [1, 1, 1]) == 0
    assert elbow([1], [1]) == 0
