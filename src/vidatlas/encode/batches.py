"""Run a model over token sequences in batches of equal length: no padding, each distinct sequence once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from vidatlas.types import EncodeStats, Floats

Ids = NDArray[np.int64]
Forward = Callable[[Ids], Floats]
"""Token ids [batch, length] -> float32 [batch, dim]."""


def encode_sequences(
    sequences: list[list[int]], forward: Forward, dim: int, batch_tokens: int, stats: EncodeStats
) -> Floats:
    """Return float32 [len(sequences), dim], computing each distinct sequence once.

    Batches hold sequences of one length in lexicographic order, at most ``batch_tokens`` tokens each, so what is
    computed depends on the set of sequences alone, not on their order.
    """
    out = np.empty((len(sequences), dim), np.float32)
    if not sequences:
        return out
    for length, where in _by_length(sequences):
        ids = np.array([sequences[index] for index in where], dtype=np.int64).reshape(len(where), length)
        distinct, inverse = np.unique(ids, axis=0, return_inverse=True)
        size = max(1, batch_tokens // length)
        vectors = np.concatenate([forward(distinct[at : at + size]) for at in range(0, len(distinct), size)])
        out[where] = vectors[inverse.reshape(-1)]
        stats.distinct += len(distinct)
        stats.tokens += distinct.size
        stats.nodes += distinct.size
    stats.texts += len(sequences)
    return out


def _by_length(sequences: list[list[int]]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each length that occurs and the positions of the sequences that have it, shortest first."""
    lengths = np.fromiter((len(sequence) for sequence in sequences), np.int64, len(sequences))
    order = np.argsort(lengths, kind="stable")
    values, starts = np.unique(lengths[order], return_index=True)
    for length, where in zip(values, np.split(order, starts[1:]), strict=True):
        yield int(length), where
