"""Ward clustering of weighted centroids: merge many small clusters into few.

Ward, "Hierarchical Grouping to Optimize an Objective Function" (1963), with the update of Lance and Williams (1967).
scikit-learn's and SciPy's versions do not support weights; with weights of one this gives the same clusters as SciPy's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidatlas.types import Floats

_Doubles = NDArray[np.float64]


def merge_centroids(centroids: Floats, weights: NDArray[np.int64], k: int) -> Floats:
    """Merge ``centroids`` [m, dim] by Ward's criterion: weighted means float32 [k, dim], k <= m, after m - k merges.

    Each merge adds the least to the sum of squares. Takes 8 m^2 bytes.
    """
    labels = ward_labels(centroids, weights, k)
    means = np.zeros((k, centroids.shape[1]))
    np.add.at(means, labels, centroids * weights[:, None].astype(np.float64))
    return np.asarray(means / np.bincount(labels, weights, k)[:, None], np.float32)


def ward_labels(centroids: Floats, weights: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return Ward clusters: for each centroid [m] a number from 0 to k - 1, in the order of their first members."""
    merging = _Merging(centroids.astype(np.float64), weights.astype(np.float64))
    for _ in range(len(centroids) - k):
        merging.step()
    return np.unique(merging.labels, return_inverse=True)[1]


class _Merging:
    """Hold the cost of every merge, and for each cluster its cheapest partner."""

    def __init__(self, centroids: _Doubles, weights: _Doubles) -> None:
        squares = np.einsum("md,md->m", centroids, centroids)
        apart = np.maximum(squares[:, None] + squares - 2 * centroids @ centroids.T, 0)
        self._costs = apart * (weights[:, None] * weights / (weights[:, None] + weights))
        np.fill_diagonal(self._costs, np.inf)
        self._weights = weights
        self._alive = np.ones(len(weights), np.bool_)
        self.labels = np.arange(len(weights))
        self._partner = self._costs.argmin(axis=1)
        self._cheapest = self._costs.min(axis=1)

    def step(self) -> None:
        """Merge the cheapest pair; the lower number remains."""
        first = int(self._cheapest.argmin())
        kept, gone = sorted((first, int(self._partner[first])))
        costs = self._joined(kept, gone)
        self._costs[kept] = self._costs[:, kept] = costs
        self._costs[gone] = self._costs[:, gone] = np.inf
        self._weights[kept] += self._weights[gone]
        self._alive[gone] = False
        self.labels[self.labels == gone] = kept
        self._cheapest[gone] = np.inf
        self._look_again(kept, gone, costs)

    def _joined(self, kept: int, gone: int) -> _Doubles:
        """Return what it costs to merge each other cluster with both."""
        one, other, all_of_them = self._weights[kept], self._weights[gone], self._weights
        costs = (one + all_of_them) * self._costs[kept] + (other + all_of_them) * self._costs[gone]
        costs = (costs - all_of_them * self._costs[kept, gone]) / (one + other + all_of_them)
        costs[~self._alive] = np.inf
        costs[[kept, gone]] = np.inf
        return np.asarray(costs)

    def _look_again(self, kept: int, gone: int, costs: _Doubles) -> None:
        """Update the cheapest partner where it was one of the two, or is now the merged one."""
        stale = self._alive & ((self._partner == kept) | (self._partner == gone))
        stale[kept] = True
        for row in np.flatnonzero(stale):
            self._partner[row] = self._costs[row].argmin()
            self._cheapest[row] = self._costs[row, self._partner[row]]
        better = self._alive & (costs < self._cheapest)
        self._partner[better], self._cheapest[better] = kept, costs[better]
