"""The silhouette is scikit-learn's where it is defined, and nothing where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples, silhouette_score

from vidatlas.quality import Silhouette, silhouette

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
