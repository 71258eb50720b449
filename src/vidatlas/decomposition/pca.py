"""PCA (principal component analysis): exact, from mergeable moments of all vectors in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce as fold
from typing import Annotated, Any, Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.threads import one_thread
from vidatlas.types import Floats

_EPS = float(np.finfo(np.float64).eps)


class PcaSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the number of principal components, the solver, and how projections are scaled."""

    components: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 64
    """Number of components; below 1: as few as explain this share of the variance."""
    solver: Literal["moments", "incremental"] = "moments"
    """"moments": one exact, parallel pass. "incremental": scikit-learn's IncrementalPCA, one shard after the other."""
    whiten: bool = False
    """Divide each component by its standard deviation."""
    normalize: bool = False
    """Scale each projected vector to unit length, after whitening; a zero vector stays zero."""


@dataclass(frozen=True, slots=True)
class Pca:
    """A fitted PCA: project vectors onto their principal components.

    Attributes:
        mean: float64 [dim].
        components: float64 [k, dim], rows of unit length, by decreasing variance.
        spectrum: float64 [m], m >= k: the variance of every direction that was computed (all dim of them, except by
            the incremental solver), with n - 1 in the denominator.
        total_variance: the sum over all dim directions.
        whiten: whether projections are divided by their standard deviation.
        normalize: whether they are then scaled to unit length.
    """

    mean: Doubles
    components: Doubles
    spectrum: Doubles
    total_variance: float
    whiten: bool = False
    normalize: bool = False

    @property
    def explained_variance(self) -> Doubles:
        """Return the variance explained by each component, float64 [k]."""
        return self.spectrum[: len(self.components)]

    @property
    def explained_variance_ratio(self) -> Doubles:
        """Return each component's share of the total variance, float64 [k]; zeros without variance."""
        return self.curve(len(self.components))

    def curve(self, most: int) -> Doubles:
        """Return each direction's share of the total variance, kept or not, float64 [<= most]."""
        shares = self.spectrum[:most]
        return shares / self.total_variance if self.total_variance else np.zeros_like(shares)

    def transform(self, vectors: NDArray[Any]) -> Floats:
        """Project vectors [n, dim] of any floating type onto the components: float32 [n, k]."""
        centred = vectors.astype(np.float32) - self.mean.astype(np.float32)
        found = np.asarray(centred @ self.components.T.astype(np.float32), np.float32)
        if self.whiten:
            found /= np.sqrt(_or_one(self.explained_variance)).astype(np.float32)
        if self.normalize:
            found /= _or_one(np.linalg.norm(found, axis=1, keepdims=True))
        return found


def _or_one(scales: NDArray[Any]) -> NDArray[Any]:
    return np.where(scales > 0, scales, 1).astype(scales.dtype)


def fit_pca(moments: Moments, spec: PcaSpec) -> Pca:
    """Fit a PCA to the moments of vectors.

    Directions without variance (fewer vectors than components, identical vectors) are dropped; one is always kept.
    """
    covariance = moments.scatter / max(moments.n - 1, 1)
    with one_thread():
        values, vectors = scipy.linalg.eigh(covariance)
    return select(moments.mean, vectors.T[::-1], np.maximum(values[::-1], 0.0), float(np.trace(covariance)), spec)


def select(mean: Doubles, directions: Doubles, spectrum: Doubles, total: float, spec: PcaSpec) -> Pca:
    """Return a PCA of the wanted directions with variance, out of float64 [m, dim] by decreasing variance [m]."""
    # Rounding error of zero variance: relative to the largest variance, and to the size of the vectors.
    nothing = max(spectrum[0] * len(mean) * _EPS, len(mean) * float(_EPS**2 * (mean @ mean)))
    spectrum = np.where(spectrum > nothing, spectrum, 0.0)
    total = total if spectrum[0] else 0.0
    wanted = spec.components
    if isinstance(wanted, float):
        # Rounding errors of the sum must not require an extra component.
        wanted = int(np.searchsorted(np.cumsum(spectrum), wanted * total * (1 - 1e-12))) + 1
    kept = max(1, min(wanted, len(directions), int(np.count_nonzero(spectrum))))
    components = directions[:kept]
    # The sign of an eigenvector is arbitrary: make the entry of largest magnitude positive, as scikit-learn does.
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(kept), largest])
    return Pca(mean, components * signs[:, None], spectrum, total, spec.whiten, spec.normalize)


Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Hold n, the mean [dim] and the scatter matrix sum((x - mean)(x - mean)^T) [dim, dim], all in float64."""

    n: int
    mean: Doubles
    scatter: Doubles

    def merge(self, other: Moments) -> Moments:
        """Return the moments of the union of both sets of vectors."""
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
    """Merge moments in the given order; the same order gives the same bytes."""
    return fold(Moments.merge, moments)
