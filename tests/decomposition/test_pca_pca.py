"""Components from moments are scikit-learn's, and degenerate data gives no NaN."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vidatlas.decomposition.pca import Pca, PcaSpec, fit_pca, merge_all, moments_of

RNG = np.random.default_rng(0)
VECTORS = (RNG.normal(0, 1, (400, 12)) * np.linspace(3, 0.3, 12)) @ RNG.normal(0, 1, (12, 12)) + 5


def fit(vectors: np.ndarray, components: float) -> Pca:
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


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.95, 0.999])
def test_a_share_of_the_variance_takes_as_many_components_as_scikit_learn(share: float) -> None:
    theirs = PCA(share, svd_solver="full").fit(VECTORS)
    assert len(fit(VECTORS, share).components) == len(theirs.components_)


@pytest.mark.parametrize("vectors", [np.ones((9, 4)), VECTORS[:1], VECTORS[:3], VECTORS])
def test_a_share_never_takes_more_than_there_is(vectors: np.ndarray) -> None:
    found = fit(vectors, 1 - 1e-15)
    assert 1 <= len(found.components) <= min(vectors.shape[1], max(1, len(vectors) - 1))


def test_whitening_is_scikit_learns_and_makes_every_component_of_one_size() -> None:
    theirs = PCA(6, svd_solver="full", whiten=True).fit(VECTORS)
    ours = fit_pca(moments_of(VECTORS), PcaSpec(components=6, whiten=True))
    np.testing.assert_allclose(ours.transform(VECTORS), theirs.transform(VECTORS), atol=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_normalised_vectors_have_length_one_and_zeros_stay_zero(whiten: bool) -> None:
    found = fit_pca(moments_of(VECTORS), PcaSpec(components=6, whiten=whiten, normalize=True))
    np.testing.assert_allclose(np.linalg.norm(found.transform(VECTORS), axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.transform(found.mean.astype(np.float32)[None]), np.zeros((1, 6)))


@pytest.mark.parametrize("value", [0.0, 1.0, 1 / 3, 1e-4, 300.0])
def test_identical_vectors_stay_at_zero_whatever_is_divided(value: float) -> None:
    vectors = np.full((4_000, 5), value, np.float16)
    parts = merge_all(moments_of(block) for block in np.array_split(vectors, 7))
    found = fit_pca(parts, PcaSpec(components=3, whiten=True, normalize=True))
    assert (len(found.components), found.total_variance) == (1, 0)
    np.testing.assert_array_equal(found.transform(vectors), np.zeros((4_000, 1)))


def test_the_curve_covers_directions_that_are_not_kept() -> None:
    found = fit(VECTORS, 2)
    np.testing.assert_allclose(found.curve(256), PCA(svd_solver="full").fit(VECTORS).explained_variance_ratio_)
    assert found.curve(256).sum() == pytest.approx(1)
    assert len(found.curve(5)) == 5
