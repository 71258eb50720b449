"""Smoothing before clustering: vectors move to the mean of their neighbours, so that gaps between clusters widen.

One step of mean shift with the nearest neighbours as window (Fukunaga and Hostetler, "The Estimation of the Gradient of
a Density Function, with Applications in Pattern Recognition", 1975). Only centroids are fitted to moved vectors;
the original rows are assigned.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

from vidatlas.threads import one_thread
from vidatlas.types import Floats

ANCHORS = 20_000
"""Neighbours are searched among at most this many rows, sampled by seed."""
_SHARE = 4
"""A neighbourhood holds at most one in this many rows of a cluster of mean size."""


def smooth(vectors: Floats, neighbours: int, k: int, seed: int) -> Floats:
    """Smooth vectors: float32 [n, dim], the mean of the ``neighbours`` + 1 rows nearest to each, itself one if sampled.

    Fewer neighbours if k clusters of the sampled rows are small; if that leaves none, the vectors are unchanged.
    """
    drawn = vectors
    if len(vectors) > ANCHORS:
        drawn = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), ANCHORS, replace=False))]
    neighbours = min(neighbours, len(drawn) // (_SHARE * k))
    if neighbours < 1:
        return vectors
    from sklearn.neighbors import NearestNeighbors

    with one_thread():
        search = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(drawn)
        nearest = search.kneighbors(vectors, return_distance=False)
        ends = np.arange(0, nearest.size + 1, neighbours + 1)
        shares = np.full(nearest.size, 1 / (neighbours + 1), np.float32)
        window = scipy.sparse.csr_array((shares, nearest.ravel(), ends), (len(vectors), len(drawn)))
        return np.asarray(window @ drawn, np.float32)
