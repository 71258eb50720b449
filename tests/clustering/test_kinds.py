"""The nearest axis is that of the largest number, whatever its sign."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vidatlas.clustering.kinds import axes
from vidatlas.clustering.kmeans import assign


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6))
def test_rows_are_assigned_to_their_largest_number(seed: int, rows: int, dim: int) -> None:
    vectors = np.random.default_rng(seed).integers(-9, 10, (rows, dim)).astype(np.float32)
    found = assign(vectors, axes(vectors))
    assert (vectors[np.arange(rows), found.labels] == vectors.max(axis=1)).all()


def test_those_with_the_largest_number_are_nearest_and_nothing_is_fine() -> None:
    vectors = np.array([[3, 2.9], [1, 0], [2, -2]], np.float32)
    assert np.argsort(assign(vectors, axes(vectors)).distances).tolist() == [0, 2, 1]
    assert assign(np.zeros((2, 3), np.float32), axes(np.zeros((2, 3), np.float32))).labels.tolist() == [0, 0]
