"""IncrementalPCA as a solver: scikit-learn's own result on the same batches, whatever the blocks, and no NaN."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA, IncrementalPCA

from vidatlas.decomposition.incremental import batches, fit_incremental
from vidatlas.decomposition.pca import PcaSpec

RNG = np.random.default_rng(0)
VECTORS = ((RNG.normal(0, 1, (9_000, 12)) * np.linspace(3, 0.3, 12)) @ RNG.normal(0, 1, (12, 12)) + 5).astype("f2")
SPEC = PcaSpec(components=5, solver="incremental")


def blocks(*cuts: int) -> list[np.ndarray]:
    return np.split(VECTORS, cuts)


def test_batches_are_of_one_size_in_order_and_never_short() -> None:
    for cuts in ([], [1], [0, 0, 3_000], list(range(500, 9_000, 500)), [8_999]):
        found = list(batches(blocks(*cuts), SPEC))
        assert [len(batch) for batch in found] == [2048, 2048, 2048, 2856]
        np.testing.assert_array_equal(np.concatenate(found), VECTORS)
    assert list(batches([VECTORS[:0]], SPEC)) == []


def test_it_is_scikit_learns_and_the_same_bytes_however_shards_are_cut() -> None:
    theirs = IncrementalPCA(5)
    for batch in batches([VECTORS], SPEC):
        theirs.partial_fit(batch.astype(np.float64))
    ours = fit_incremental(blocks(4_000), SPEC)
    np.testing.assert_allclose(ours.components, theirs.components_, atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance, theirs.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(ours.transform(VECTORS), theirs.transform(VECTORS), atol=1e-3)
    again = fit_incremental(blocks(1, 2, 5_000), SPEC)
    assert (again.components.tobytes(), again.spectrum.tobytes()) == (
        ours.components.tobytes(),
        ours.spectrum.tobytes(),
    )


def test_a_share_of_the_variance_takes_as_many_components_as_pca() -> None:
    for share in (0.5, 0.9, 0.999):
        ours = fit_incremental(blocks(4_000), PcaSpec(components=share, solver="incremental"))
        theirs = PCA(share, svd_solver="full").fit(VECTORS.astype(np.float64))
        assert len(ours.components) == len(theirs.components_)
        assert ours.explained_variance_ratio.sum() == pytest.approx(theirs.explained_variance_ratio_.sum(), rel=1e-6)


@pytest.mark.parametrize("components", [8, 0.9])
@pytest.mark.parametrize(
    ("vectors", "most"),
    [
        (np.ones((9, 4)), 1),
        (np.zeros((9, 4)), 1),
        (np.full((1, 4), 2.0), 1),
        (VECTORS[:2], 1),
        (VECTORS[:4], 3),
        (np.ones((5_000, 4)) / 3, 1),
    ],
    ids=["identical", "zeros", "one row", "two rows", "fewer rows than components", "many identical"],
)
def test_degenerate_vectors_give_fewer_components_and_no_nan(vectors: np.ndarray, most: int, components: float) -> None:
    spec = PcaSpec(components=components, solver="incremental", whiten=True, normalize=True)
    found = fit_incremental([vectors[:1], vectors[1:]], spec)
    assert 1 <= len(found.components) <= most
    values = (found.mean, found.components, found.spectrum, found.explained_variance_ratio, found.transform(vectors))
    assert all(np.isfinite(value).all() for value in values)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        fit_incremental([], SPEC)
