"""Each dimension as a cluster: centroids on the axes, of which the nearest is that of the largest number."""

from __future__ import annotations

import numpy as np

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
