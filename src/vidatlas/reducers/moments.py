"""Count, mean and scatter of vectors in one pass, mergeable in any grouping.

Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983), for vectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce as fold
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Hold n, the mean [dim] and the scatter matrix sum((x - mean)(x - mean)^T) [dim, dim], all in float64."""

    n: int
    mean: Doubles
    scatter: Doubles

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of vectors together."""
        if not other.n:
            return self
        if not self.n:
            return other
        n = self.n + other.n
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(delta, delta) * (self.n * other.n / n)
        return Moments(n, self.mean + delta * (other.n / n), scatter)


def moments_of(vectors: NDArray[Any]) -> Moments:
    """Return the moments of vectors [n, dim] of any floating type."""
    doubles = vectors.astype(np.float64)
    dim = doubles.shape[1]
    if not len(doubles):
        return Moments(0, np.zeros(dim), np.zeros((dim, dim)))
    mean = doubles.mean(axis=0)
    doubles -= mean
    return Moments(len(doubles), mean, doubles.T @ doubles)


def merge_all(moments: Iterable[Moments]) -> Moments:
    """Merge in the order given; the same order gives the same bytes."""
    return fold(Moments.merge, moments)
