"""Moments of parts, merged in any grouping, are the moments of the whole."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.decomposition.pca import Moments, merge_all, moments_of

VECTORS = np.random.default_rng(0).normal(3, 2, (500, 6)) @ np.diag([1, 10, 0.1, 1, 1, 1])


def pieces(places: list[int]) -> list[Moments]:
    return [moments_of(block) for block in np.split(VECTORS, sorted(places))]


def assert_whole(found: Moments) -> None:
    assert found.n == len(VECTORS)
    np.testing.assert_allclose(found.mean, VECTORS.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.scatter, np.cov(VECTORS.T) * (len(VECTORS) - 1), rtol=1e-9, atol=1e-9)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 500), max_size=8), st.integers(0, 99))
def test_any_cut_merged_in_any_order_is_the_whole(places: list[int], seed: int) -> None:
    parts = pieces(places)
    assert_whole(merge_all(parts))
    assert_whole(merge_all(Random(seed).sample(parts, len(parts))))


def test_any_tree_of_merges_is_the_whole() -> None:
    first, second, third, fourth = pieces([50, 51, 300])
    assert_whole(first.merge(second).merge(third.merge(fourth)))
    assert_whole(first.merge(second.merge(third.merge(fourth))))


def test_the_same_order_gives_the_same_bytes() -> None:
    once, twice = merge_all(pieces([100, 200, 400])), merge_all(pieces([100, 200, 400]))
    assert (once.mean.tobytes(), once.scatter.tobytes()) == (twice.mean.tobytes(), twice.scatter.tobytes())


def test_nothing_added_changes_nothing() -> None:
    nothing, some = moments_of(np.empty((0, 6), np.float16)), moments_of(VECTORS)
    assert (nothing.n, nothing.mean.tolist(), nothing.scatter.shape) == (0, [0] * 6, (6, 6))
    assert nothing.merge(some) is some
    assert some.merge(nothing) is some
    assert nothing.merge(nothing).n == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sums_are_kept_in_float64_whatever_comes_in(dtype: type) -> None:
    vectors = (1_000 + np.arange(60).reshape(20, 3) % 7).astype(dtype)
    found = moments_of(vectors)
    assert (found.mean.dtype, found.scatter.dtype) == (np.float64, np.float64)
    np.testing.assert_allclose(found.mean, vectors.astype(np.float64).mean(axis=0), rtol=1e-15)
    before = vectors.copy()
    moments_of(vectors)
    np.testing.assert_array_equal(vectors, before)
