"""Figures are scikit-learn's or done by hand where they are defined, and nothing where they are not."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    davies_bouldin_score,
    normalized_mutual_info_score,
    silhouette_samples,
    silhouette_score,
)

from vidatlas.clustering.quality import Silhouette, agreement, davies_bouldin, silhouette, stability

VECTORS = np.random.default_rng(0).normal(0, 1, (60, 4)).astype(np.float32)
LABELS = (np.arange(60) % 3 * 2).astype(np.int32)


def test_silhouettes_are_those_of_scikit_learn() -> None:
    found = silhouette(VECTORS, LABELS)
    assert found.mean == pytest.approx(silhouette_score(VECTORS, LABELS))
    samples = silhouette_samples(VECTORS, LABELS)
    assert found.by_cluster == pytest.approx({label: samples[label == LABELS].mean() for label in (0, 2, 4)})
    assert found.rows == 60


def test_clusters_far_apart_score_near_one_and_mixed_ones_do_not() -> None:
    apart = VECTORS + 100 * LABELS[:, None].astype(np.float32)
    assert silhouette(apart, LABELS).mean > 0.95
    assert silhouette(VECTORS, LABELS).mean < 0.1


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_where_it_is_not_defined_there_is_none(labels: list[int]) -> None:
    vectors = VECTORS[: len(labels)]
    assert silhouette(vectors, np.array(labels, np.int32)) == Silhouette(None, {}, len(labels))


def test_davies_bouldin_is_that_of_scikit_learn() -> None:
    assert davies_bouldin(VECTORS, LABELS) == pytest.approx(davies_bouldin_score(VECTORS, LABELS))


def test_davies_bouldin_by_hand() -> None:
    # Both clusters are 1 wide about centroids that are 10 apart.
    line = np.array([[-1], [1], [9], [11]], np.float32)
    assert davies_bouldin(line, np.array([7, 7, 9, 9], np.int32)) == pytest.approx((1 + 1) / 10)


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_davies_bouldin_of_one_cluster_or_only_single_rows_is_none(labels: list[int]) -> None:
    assert davies_bouldin(VECTORS[: len(labels)], np.array(labels, np.int32)) is None


def test_davies_bouldin_of_identical_rows_is_none_and_not_perfect() -> None:
    same = np.ones((6, 3), np.float32)
    assert davies_bouldin(same, np.array([0, 0, 1, 1, 2, 2], np.int32)) is None
    same[4:] = 5
    assert davies_bouldin(same, np.array([0, 0, 1, 1, 2, 2], np.int32)) is None
    assert davies_bouldin(same, np.array([0, 0, 0, 0, 2, 2], np.int32)) == 0.0


def test_stability_is_the_mean_adjusted_rand_index_of_pairs() -> None:
    other = np.roll(LABELS, 1) // np.int32(3)
    third = np.repeat([0, 1], 30).astype(np.int32)
    runs = [LABELS, other, third]
    pairs = [(LABELS, other), (LABELS, third), (other, third)]
    assert stability(runs) == pytest.approx(np.mean([adjusted_rand_score(*pair) for pair in pairs]))


def test_stability_by_hand() -> None:
    # Of 6 pairs of rows, 2 are together in one run, 3 in the other, 1 in both: (1 - 2 * 3 / 6) / ((2 + 3) / 2 - 1) = 0.
    first, second = np.array([0, 0, 1, 1], np.int32), np.array([0, 0, 0, 1], np.int32)
    assert stability([first, second]) == pytest.approx(0.0)


def test_numbers_of_clusters_do_not_matter_to_stability() -> None:
    assert stability([LABELS, 9 - LABELS, LABELS * 5]) == pytest.approx(1.0)


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_stability_of_runs_that_say_nothing_is_none(labels: list[int]) -> None:
    run = np.array(labels, np.int32)
    assert stability([run, run]) is None
    assert stability([]) is None
    assert stability([LABELS]) is None


def test_agreement_by_hand() -> None:
    # Manning et al., figure 16.4: three clusters of 17 items, purity 12/17 and NMI 0.36.
    clusters = {0: "xxxxxo", 1: "xooood", 2: "xxddd"}
    found = agreement(Counter((cluster, label) for cluster, known in clusters.items() for label in known))
    assert found is not None
    assert (found.rows, found.purity) == (17, pytest.approx(12 / 17))
    assert found.nmi == pytest.approx(0.36, abs=0.005)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-1, 4), st.sampled_from(["Music", "Gaming", ""])), max_size=40))
def test_agreement_is_that_of_scikit_learn_or_none(rows: list[tuple[int, str]]) -> None:
    clusters, known = [cluster for cluster, _ in rows], [label for _, label in rows]
    found = agreement(Counter(rows))
    if not all(2 <= len(set(side)) < len(rows) for side in (clusters, known)):
        assert found is None
        return
    assert found is not None
    assert found.nmi == pytest.approx(normalized_mutual_info_score(known, clusters), abs=1e-9)
    assert found.ami == pytest.approx(adjusted_mutual_info_score(known, clusters), abs=1e-9)
    assert 0 < found.purity <= 1


def test_the_same_partition_agrees_fully_and_a_random_one_not_at_all() -> None:
    same = agreement(Counter({(3, "Music"): 40, (5, "Gaming"): 60, (6, "Gaming"): 0}))
    assert same is not None
    assert (same.purity, same.nmi, same.ami) == pytest.approx((1.0, 1.0, 1.0))
    draw = np.random.default_rng(0).integers(0, [50, 4], (2000, 2)).tolist()
    random = agreement(Counter((cluster, str(label)) for cluster, label in draw))
    assert random is not None
    assert abs(random.ami) < 0.01 < random.nmi


def test_agreement_with_thousands_of_labels_takes_memory_by_pairs() -> None:
    """A table of clusters by tags would take gigabytes."""
    counts = {(number % 1_500, f"tag {number}"): 2 for number in range(3_000)}
    tracemalloc.start()
    assert agreement(counts) is not None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_500 * 3_000
