"""Exact principal components from moments: one pass over the data, no batch effects.

Pearson (1901), Hotelling (1933); agrees with ``sklearn.decomposition.PCA``, sign convention included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.reducers.moments import Doubles, Moments
from vidatlas.types import Floats


class PcaSpec(BaseModel):
    """Choose how many components are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    components: Annotated[int, Field(ge=1)] = 64
    """At most this many; fewer where the vectors have fewer directions of variance."""


@dataclass(frozen=True, slots=True)
class Pca:
    """Project vectors onto their principal components.

    Attributes:
        mean: float64 [dim].
        components: float64 [k, dim], rows of unit length, by falling variance.
        explained_variance: float64 [k], with n - 1 in the denominator.
        total_variance: the sum over all dim directions.
    """

    mean: Doubles
    components: Doubles
    explained_variance: Doubles
    total_variance: float

    @property
    def explained_variance_ratio(self) -> Doubles:
        """Return float64 [k]: each component's share of the total variance; zeros where there is none."""
        if not self.total_variance:
            return np.zeros_like(self.explained_variance)
        return self.explained_variance / self.total_variance

    def transform(self, vectors: NDArray[Any]) -> Floats:
        """Return float32 [n, k] for vectors [n, dim] of any floating type."""
        centred = vectors.astype(np.float32) - self.mean.astype(np.float32)
        return np.asarray(centred @ self.components.T.astype(np.float32), np.float32)


def fit_pca(moments: Moments, spec: PcaSpec) -> Pca:
    """Return the principal components of the vectors whose moments are given.

    Directions without variance (fewer vectors than components, identical vectors) are left out; one is always kept.
    """
    dim = len(moments.mean)
    covariance = moments.scatter / max(moments.n - 1, 1)
    values, vectors = scipy.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors.T[::-1]
    rank = int(np.count_nonzero(values > values[0] * dim * np.finfo(np.float64).eps))
    kept = max(1, min(spec.components, dim, moments.n - 1, rank))
    components = vectors[:kept]
    # The sign of an eigenvector is arbitrary: make the entry of largest magnitude positive, as scikit-learn does.
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(kept), largest])
    return Pca(moments.mean, components * signs[:, None], values[:kept], float(values.sum()))
