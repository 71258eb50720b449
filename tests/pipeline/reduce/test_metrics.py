"""The figures of groups and of the whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vidatlas.clustering.backends import open_backend
from vidatlas.clustering.kmeans import fit_clusters
from vidatlas.clustering.quality import QualitySpec
from vidatlas.pipeline.reduce.clusters import measure_group
from vidatlas.pipeline.reduce.metrics import agreement_facts, coherence_of, overall
from vidatlas.recipe import ReduceSpec
from vidatlas.types import Floats

KMEANS = open_backend("sklearn")
SPEC = ReduceSpec()


def blobs(count: int, spread: float) -> Floats:
    draw = np.random.default_rng(0)
    centres = 10 * np.eye(count, 8)
    rows = np.concatenate([centre + spread * draw.standard_normal((50, 8)) for centre in centres])
    return rows.astype(np.float32)


def test_clear_clusters_come_out_clear_and_the_same_with_other_seeds() -> None:
    vectors = blobs(4, 0.5)
    found = measure_group(vectors, fit_clusters(vectors, 4, 0, KMEANS).centroids, SPEC, 0, KMEANS)
    assert found.silhouette.mean is not None
    assert found.silhouette.mean > 0.8
    assert found.davies_bouldin is not None
    assert found.davies_bouldin < 0.5
    assert found.stability == 1.0


def test_noise_is_neither_clear_nor_stable() -> None:
    vectors = np.random.default_rng(1).standard_normal((400, 8)).astype(np.float32)
    found = measure_group(vectors, fit_clusters(vectors, 9, 0, KMEANS).centroids, SPEC, 0, KMEANS)
    assert found.stability is not None
    assert found.stability < 0.9
    assert found.silhouette.mean is not None
    assert found.silhouette.mean < 0.3


@pytest.mark.parametrize("seeds", [0, 1])
def test_stability_can_be_left_out(seeds: int) -> None:
    vectors = blobs(2, 0.5)
    centroids = fit_clusters(vectors, 2, 0, KMEANS).centroids
    spec = ReduceSpec(quality=QualitySpec(stability_seeds=seeds))
    assert measure_group(vectors, centroids, spec, 0, KMEANS).stability is None


@pytest.mark.parametrize("vectors", [np.zeros((1, 8), np.float32), np.zeros((30, 8), np.float32)])
def test_hardly_any_data_has_no_figures_and_no_nan(vectors: Floats) -> None:
    centroids = fit_clusters(vectors, 5, 0, KMEANS).centroids
    found = measure_group(vectors, centroids, SPEC, 0, KMEANS)
    assert (found.silhouette.mean, found.davies_bouldin, found.stability) == (None, None, None)


def test_groups_weigh_as_many_rows_as_they_have_and_names_the_same() -> None:
    table = pa.table({"group": ["a", "a", "b"], "coherence": [0.2, None, 0.6]})
    groups = {
        "a": {"rows": 30, "silhouette": 0.1, "davies_bouldin": 1.0, "stability": None},
        "b": {"rows": 10, "silhouette": 0.5, "davies_bouldin": None, "stability": None},
    }
    found = overall(groups, table)
    assert found == {
        "silhouette": pytest.approx(0.2),
        "davies_bouldin": 1.0,
        "stability": None,
        "coherence": pytest.approx(0.4),
    }
    assert coherence_of("a", table) == pytest.approx(0.2)
    assert coherence_of("c", table) is None


def test_agreement_counts_what_was_compared() -> None:
    facts = agreement_facts({(0, "Music"): 5, (1, "Gaming"): 5})
    assert facts is not None
    assert facts["clusters"] == 2
    assert (facts["ami"], facts["purity"], facts["rows"]) == (pytest.approx(1.0), 1.0, 10)
    assert agreement_facts({(0, "Music"): 5}) is None
