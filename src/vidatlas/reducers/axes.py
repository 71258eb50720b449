"""Each dimension as a cluster: centroids on the axes, of which the nearest is that of the largest number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidatlas.types import Floats

_FAR = 10
"""Lengths of the longest vector from zero to a centroid."""


def axes(vectors: Floats) -> Floats:
    """Return centroids float32 [dim, dim] for vectors [n, dim].

    Of centroids c times a unit vector, c > 0, the nearest to x is that with the largest x, for the squared distance is
    that of x and zero, plus c squared, minus 2 c x. With c far outside, the rows with the largest number are nearest.
    """
    far = _FAR * float(np.linalg.norm(vectors, axis=1).max(initial=0.0)) or 1.0
    return np.eye(vectors.shape[1], dtype=np.float32) * np.float32(far)


def leading(vectors: Floats, labels: NDArray[np.int32]) -> Floats:
    """Return float32 [n], each vector's number in the dimension of its label: what rows of one label are ranked by.

    Their distances to the centroid do not rank them: those contain the vectors' lengths too.
    """
    return np.asarray(vectors[np.arange(len(vectors)), labels], np.float32)


def largest(vectors: Floats, top: int) -> NDArray[np.int32]:
    """Return int32 [n, top], the dimensions of each vector's largest numbers, the largest first."""
    return np.argsort(-vectors, axis=1, kind="stable")[:, :top].astype(np.int32)
