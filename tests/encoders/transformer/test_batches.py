"""Each distinct sequence once, within the token budget, whatever the order."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.encoders.transformer.batches import PlainEngine
from vidatlas.encoders.transformer.distinct import Index, sort_distinct
from vidatlas.encoders.transformer.feeding import Feed
from vidatlas.types import EncodeStats, Floats

SEQUENCES = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=30)


class Model:
    """A model whose rows depend on what stands beside them, so that another cut of batches would show."""

    def __init__(self) -> None:
        self.batches: list[Index] = []

    def __call__(self, given: torch.Tensor) -> torch.Tensor:
        ids = given.numpy().copy()
        self.batches.append(ids)
        weights = np.arange(1, ids.shape[1] + 1)
        rows = np.stack([ids @ weights, ids @ weights**2, np.full(len(ids), ids.sum())], axis=1)
        return torch.from_numpy(rows.astype(np.float32))


def encode(sequences: list[list[int]], budget: int) -> tuple[Floats, Model, EncodeStats]:
    model, stats = Model(), EncodeStats()
    distinct, place = sort_distinct(sequences)
    feed = Feed("cpu")
    return feed.fetch(PlainEngine(model, feed).launch(distinct, budget, stats))[place], model, stats


@settings(max_examples=60)
@given(SEQUENCES, st.integers(1, 12), st.integers(0, 99))
def test_order_does_not_matter(sequences: list[list[int]], budget: int, seed: int) -> None:
    order = Random(seed).sample(range(len(sequences)), len(sequences))
    first, one, _ = encode(sequences, budget)
    second, other, _ = encode([sequences[index] for index in order], budget)
    assert second.tobytes() == first[order].tobytes()
    assert [batch.tolist() for batch in one.batches] == [batch.tolist() for batch in other.batches]


@settings(max_examples=60)
@given(SEQUENCES, st.integers(1, 12))
def test_each_row_is_its_own_sequence_computed_once_within_the_budget(sequences: list[list[int]], budget: int) -> None:
    out, model, stats = encode(sequences, budget)
    for row, sequence in zip(out, sequences, strict=True):
        assert row[0] == sum(weight * token for weight, token in enumerate(sequence, 1))
        assert row[1] == sum(weight * weight * token for weight, token in enumerate(sequence, 1))
    computed = [tuple(row) for batch in model.batches for row in batch.tolist()]
    assert len(computed) == len(set(computed))
    assert set(computed) == set(map(tuple, sequences))
    assert all(batch.size <= budget or len(batch) == 1 for batch in model.batches)
    assert stats == EncodeStats(nodes=sum(map(len, computed)))


def test_batches_are_as_full_as_the_budget_allows() -> None:
    _, model, _ = encode([[number, number] for number in range(10)], 8)
    assert [batch.shape for batch in model.batches] == [(4, 2), (4, 2), (2, 2)]


@pytest.mark.parametrize("times", [1, 3])
def test_duplicates_share_one_row(times: int) -> None:
    out, model, stats = encode([[1, 2], [3]] * times, 100)
    assert [batch.tolist() for batch in model.batches] == [[[3]], [[1, 2]]]
    assert out.tolist() == [[5, 9, 3], [3, 3, 3]] * times
    assert stats == EncodeStats(nodes=3)
