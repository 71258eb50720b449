"""The distinct token sequences of a shard, in lexicographic order: the input of every engine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
ABSENT = -1


@dataclass(frozen=True, slots=True)
class Sequences:
    """Hold distinct token sequences in lexicographic order.

    Attributes:
        tokens: int64 [sequences, longest], padded with ``ABSENT``.
        lengths: int64 [sequences].
        shared: int64 [sequences], number of leading tokens that each has in common with the previous one.
    """

    tokens: Index
    lengths: Index
    shared: Index


def sort_distinct(sequences: list[list[int]]) -> tuple[Sequences, Index]:
    """Return the distinct sequences, and for each input sequence its index among them.

    The result depends on the set of sequences alone, not on their order.
    """
    padded = _padded(sequences)
    order = np.argsort(_keys(padded), kind="stable")
    ordered = padded[order]
    same = ordered[1:] == ordered[:-1]
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ~same.all(axis=1)
    place = np.empty(len(ordered), np.int64)
    place[order] = np.cumsum(new) - 1
    tokens = ordered[new].astype(np.int64)
    shared = np.zeros(len(tokens), np.int64)
    alike = (tokens[1:] == tokens[:-1]) & (tokens[1:] != ABSENT)
    shared[1:] = np.minimum.accumulate(alike, axis=1).sum(axis=1)
    return Sequences(tokens, (tokens != ABSENT).sum(axis=1), shared), place


def _padded(sequences: list[list[int]]) -> NDArray[np.int32]:
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    padded = np.full((len(sequences), int(lengths.max())), ABSENT, np.int32)
    flat = np.fromiter(chain.from_iterable(sequences), np.int32, int(lengths.sum()))
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded


def _keys(padded: NDArray[np.int32]) -> NDArray[np.bytes_]:
    """Return each row as big-endian bytes, which sort like its tokens but three times as fast."""
    raised = np.ascontiguousarray((padded + 1).astype(">u4"))
    return raised.view(f"S{4 * padded.shape[1]}").reshape(-1)
