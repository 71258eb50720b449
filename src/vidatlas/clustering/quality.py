"""Quality of clusters: silhouette, Davies-Bouldin index, stability, and agreement with labels."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.threads import one_thread
from vidatlas.types import Floats

STABILITY_ROWS = 10_000
"""Rows per group, sampled by seed, on which clusters are fitted again to measure their stability."""


class QualitySpec(BaseModel, frozen=True, extra="forbid"):
    """Choose how much data the quality metrics use."""

    silhouette_rows: Annotated[int, Field(ge=2)] = 2_000
    """Rows per group, sampled by seed, for the silhouette and the Davies-Bouldin index."""
    stability_seeds: Annotated[int, Field(ge=0)] = 3
    """Refit each group with this many seeds and compare; fewer than 2: stability is not measured."""


@dataclass(frozen=True, slots=True)
class Silhouette:
    """Hold the mean silhouette of a group's sample and of each cluster in it; None if undefined."""

    mean: float | None
    by_cluster: dict[int, float]
    rows: int


def silhouette(vectors: Floats, labels: NDArray[np.int32]) -> Silhouette:
    """Return mean silhouette coefficients, from -1 (in the wrong cluster) to 1 (far from every other).

    Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis" (1987).
    Needs two clusters, and more rows than clusters; otherwise the values are None and absent.
    """
    from sklearn.metrics import silhouette_samples

    present = np.unique(labels)
    if not 2 <= len(present) < len(labels):
        return Silhouette(None, {}, len(labels))
    with one_thread():
        values = silhouette_samples(vectors, labels)
    by_cluster = {int(label): float(values[labels == label].mean()) for label in present}
    return Silhouette(float(values.mean()), by_cluster, len(labels))


def davies_bouldin(vectors: Floats, labels: NDArray[np.int32]) -> float | None:
    """Return the Davies-Bouldin index: mean width of clusters relative to the nearest other's distance; 0 is best.

    Davies and Bouldin, "A Cluster Separation Measure" (1979), of vectors [n, dim] with one label each: a sample's.
    None if undefined: fewer than two clusters, no more rows than clusters, or two equal centroids.
    """
    from sklearn.metrics import davies_bouldin_score

    present = np.unique(labels)
    if not 2 <= len(present) < len(labels):
        return None
    centroids = np.stack([vectors[labels == label].mean(axis=0, dtype=np.float64) for label in present])
    if len(np.unique(centroids, axis=0)) < len(present):
        return None
    with one_thread():
        return float(davies_bouldin_score(vectors, labels))


def stability(runs: Sequence[NDArray[np.int32]]) -> float | None:
    """Return the stability of clusters over seeds: 1 identical, 0 no more than by chance.

    The adjusted Rand index (Hubert and Arabie, "Comparing Partitions", 1985) of the labels [n] that each seed gives the
    same rows, averaged over all pairs of runs. None if undefined: fewer than two runs, or a run with one cluster or as
    many clusters as rows.
    """
    from sklearn.metrics import adjusted_rand_score

    if len(runs) < 2 or not all(2 <= len(np.unique(labels)) < len(labels) for labels in runs):
        return None
    return statistics.fmean(float(adjusted_rand_score(first, second)) for first, second in combinations(runs, 2))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Hold how well clusters agree with known labels: 1 is best for all three.

    Attributes:
        purity: share of rows that carry the most frequent label of their cluster (Manning, Raghavan and Schütze,
            "Introduction to Information Retrieval", 2008, chapter 16); it rises with the number of clusters.
        nmi: mutual information over the mean of both entropies (the same chapter); it rises too, if less.
        ami: mutual information beyond what chance gives, 0 for random clusters of any number (Vinh, Epps and Bailey,
            "Information Theoretic Measures for Clusterings Comparison", 2010).
        rows: how many were compared.
    """

    purity: float
    nmi: float
    ami: float
    rows: int


def agreement(counts: Mapping[tuple[Any, str], int]) -> Agreement | None:
    """Return the agreement of clusters with known labels; None if either is the same for all rows or unique per row.

    Args:
        counts: rows of each pair of cluster and known label; such counts add up over shards.
    """
    from sklearn.metrics.cluster import expected_mutual_information, mutual_info_score

    table = _contingency(counts)
    rows = int(table.sum())
    if not all(2 <= size < rows for size in table.shape):
        return None
    shared = mutual_info_score(None, None, contingency=table)
    by_chance = expected_mutual_information(table, rows)
    mean = (_entropy(table.sum(axis=0)) + _entropy(table.sum(axis=1))) / 2
    purity = table.max(axis=1).sum() / rows
    return Agreement(float(purity), float(shared / mean), float((shared - by_chance) / (mean - by_chance)), rows)


def _contingency(counts: Mapping[tuple[Any, str], int]) -> scipy.sparse.csr_array:
    """Return int64 [clusters, known labels], without empty ones; sparse, because labels can be a million tags."""
    seen = {pair: count for pair, count in counts.items() if count}
    clusters, known = (
        {each: number for number, each in enumerate(sorted({pair[at] for pair in seen}))} for at in (0, 1)
    )
    places = [(clusters[cluster], known[label]) for cluster, label in seen]
    rows, columns = np.array(places, np.int64).reshape(-1, 2).T
    shape = (len(clusters), len(known))
    return scipy.sparse.csr_array((np.array([*seen.values()], np.int64), (rows, columns)), shape)


def _entropy(sizes: NDArray[np.int64]) -> float:
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum())
