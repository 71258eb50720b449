"""Soft labels, targets and divergence are those of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidatlas.clustering.dec import divergence, soft_labels, target


def test_soft_labels_are_a_student_t_kernel() -> None:
    codes, centroids = np.array([[0, 0], [3, 4]], np.float32), np.array([[0, 0], [0, 2]], np.float32)
    kernel = np.array([[1, 1 / 5], [1 / 26, 1 / 14]])
    np.testing.assert_allclose(soft_labels(codes, centroids), kernel / kernel.sum(axis=1, keepdims=True), rtol=1e-6)


def test_the_target_evens_out_the_size_of_clusters() -> None:
    q = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]], np.float32)
    weights = q**2 / q.sum(axis=0)
    np.testing.assert_allclose(target(q), weights / weights.sum(axis=1, keepdims=True), rtol=1e-6)
    assert target(q)[1, 1] > q[1, 1]


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 5))
def test_rows_sum_to_one_and_divergence_is_never_negative(seed: int, rows: int, k: int) -> None:
    random = np.random.default_rng(seed)
    q = soft_labels(random.normal(0, 3, (rows, 2)).astype(np.float32), random.normal(0, 3, (k, 2)).astype(np.float32))
    p = target(q)
    assert q.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert divergence(p, q) >= -1e-6
    assert divergence(q, q) == pytest.approx(0, abs=1e-9)


def test_divergence_is_the_mean_over_rows_in_nats() -> None:
    p, q = np.array([[1, 0], [0.5, 0.5]], np.float32), np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    assert divergence(p, q) == pytest.approx(np.log(2) / 2)
