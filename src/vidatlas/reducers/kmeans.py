"""Clusters within one group: scikit-learn's MiniBatchKMeans on a seeded sample, then every row to its nearest centroid.

Sculley, "Web-Scale K-Means Clustering" (2010); k-means++ starts: Arthur and Vassilvitskii (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from vidatlas.types import Floats

BATCH = 4096
STARTS = 5
_SQRT_FACTOR = 0.4


class ClusterSpec(BaseModel):
    """Choose how many clusters a group gets and how they are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: Annotated[int, Field(ge=1)] | Literal["sqrt"] = "sqrt"
    """Clusters per group: a number, or "sqrt" for 0.4 times the square root of the group's rows."""
    max_k: Annotated[int, Field(ge=1)] = 200
    """Most clusters that "sqrt" gives a group."""
    fit_rows: Annotated[int, Field(ge=2)] = 200_000
    """Centroids are fitted on at most so many rows of a group, drawn by seed; all rows are assigned."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Clustering:
    """Hold the centroids float32 [k, dim] of one group, and what a person should know about them."""

    centroids: Floats
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Hold, per row, the nearest centroid, the distance to it, and how much farther the second nearest is."""

    labels: NDArray[np.int32]
    distances: Floats
    margins: Floats
    """NaN where there is one centroid only."""


def choose_k(rows: int, spec: ClusterSpec) -> int:
    """Return the number of clusters wanted for a group of so many rows."""
    if isinstance(spec.k, int):
        return spec.k
    return min(max(1, round(_SQRT_FACTOR * math.sqrt(rows))), spec.max_k)


def sample_rows(rows: int, limit: int, seed: int) -> NDArray[np.int64]:
    """Return at most ``limit`` distinct row numbers below ``rows`` in ascending order."""
    if rows <= limit:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False)).astype(np.int64)


def fit_clusters(vectors: Floats, k: int, seed: int) -> Clustering:
    """Return at most ``k`` centroids of the vectors [n, dim]; fewer, with a note, where the data has no more."""
    from sklearn.cluster import MiniBatchKMeans

    distinct = len(np.unique(vectors, axis=0))
    wanted, k = k, min(k, distinct)
    if k == 1:
        centroids = vectors.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    else:
        with threadpool_limits(limits=1):
            model = MiniBatchKMeans(n_clusters=k, batch_size=BATCH, n_init=STARTS, random_state=seed).fit(vectors)
        centroids = np.asarray(model.cluster_centers_, np.float32)
        used = np.unique(assign(vectors, centroids).labels)
        centroids = centroids[used]
    if len(centroids) == wanted:
        return Clustering(centroids)
    why = f"{distinct:,} distinct rows" if distinct < wanted else "some clusters stayed empty"
    return Clustering(centroids, (f"{len(centroids)} instead of {wanted} subcategories ({why})",))


def assign(vectors: Floats, centroids: Floats, rows: int = 65_536) -> Assignment:
    """Return every vector's nearest centroid (of equally near ones the first), ``rows`` vectors at a time."""
    n = len(vectors)
    labels, distances = np.empty(n, np.int32), np.empty(n, np.float32)
    margins = np.full(n, np.nan, np.float32)
    squares = np.einsum("kd,kd->k", centroids, centroids)
    for at in range(0, n, rows):
        block = vectors[at : at + rows]
        span = slice(at, at + len(block))
        scores = squares - 2.0 * (block @ centroids.T)
        labels[span] = scores.argmin(axis=1)
        nearest = labels[span]
        distances[span] = np.linalg.norm(block - centroids[nearest], axis=1)
        if len(centroids) > 1:
            scores[np.arange(len(block)), nearest] = np.inf
            second = np.linalg.norm(block - centroids[scores.argmin(axis=1)], axis=1)
            margins[span] = np.maximum(second - distances[span], 0)
    return Assignment(labels, distances, margins)
