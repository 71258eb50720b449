"""Components from moments are scikit-learn's, and degenerate data gives no NaN."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vidatlas.reducers.moments import merge_all, moments_of
from vidatlas.reducers.pca import Pca, PcaSpec, fit_pca

RNG = np.random.default_rng(0)
VECTORS = (RNG.normal(0, 1, (400, 12)) * np.linspace(3, 0.3, 12)) @ RNG.normal(0, 1, (12, 12)) + 5


def fit(vectors: np.ndarray, components: int) -> Pca:
    return fit_pca(moments_of(vectors), PcaSpec(components=components))


@pytest.mark.parametrize("components", [1, 5, 12, 64])
def test_components_are_those_of_scikit_learn_sign_included(components: int) -> None:
    kept = min(components, 12)
    theirs, ours = PCA(kept, svd_solver="full").fit(VECTORS), fit(VECTORS, components)
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-9)
    np.testing.assert_allclose(ours.components, theirs.components_, atol=1e-5)
    np.testing.assert_allclose(ours.explained_variance, theirs.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(ours.explained_variance_ratio, theirs.explained_variance_ratio_, atol=1e-5)
    projected = ours.transform(VECTORS)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, theirs.transform(VECTORS), atol=1e-4)


def test_half_precision_and_merging_change_little() -> None:
    halves = VECTORS.astype(np.float16)
    theirs = PCA(5, svd_solver="full").fit(halves.astype(np.float64))
    merged = merge_all(moments_of(block) for block in np.array_split(halves, 7))
    np.testing.assert_allclose(fit_pca(merged, PcaSpec(components=5)).components, theirs.components_, atol=1e-5)


def finite(found: Pca, vectors: np.ndarray) -> bool:
    values = (found.mean, found.components, found.explained_variance, found.explained_variance_ratio)
    return all(np.isfinite(value).all() for value in (*values, found.transform(vectors)))


@pytest.mark.parametrize(
    ("vectors", "kept", "share"),
    [
        (np.ones((9, 4)), 1, 0),
        (np.zeros((9, 4)), 1, 0),
        (np.full((1, 4), 2.0), 1, 0),
        (VECTORS[:2], 1, 1),
        (VECTORS[:4], 3, 1),
        (np.outer(np.arange(9.0), np.ones(4)), 1, 1),
        (np.ones((5, 1)), 1, 0),
    ],
    ids=["identical", "zeros", "one row", "two rows", "fewer rows than components", "one direction", "one column"],
)
def test_degenerate_vectors_give_fewer_components_and_no_nan(vectors: np.ndarray, kept: int, share: float) -> None:
    found = fit(vectors, 8)
    assert found.components.shape == (kept, vectors.shape[1])
    assert finite(found, vectors)
    assert found.explained_variance_ratio.sum() == pytest.approx(share)
    np.testing.assert_allclose(np.linalg.norm(found.components, axis=1), 1)


def test_the_share_is_of_the_variance_in_all_directions() -> None:
    found = fit(VECTORS, 2)
    assert found.total_variance == pytest.approx(VECTORS.var(axis=0, ddof=1).sum())
    assert found.explained_variance_ratio.sum() < 1
