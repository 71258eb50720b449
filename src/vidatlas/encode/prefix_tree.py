"""The distinct prefixes of token sequences as a tree: in a causal model each prefix has one state, computed once.

The hidden state of a causal transformer at a position depends only on the tokens up to it (Vaswani et al., 2017,
§3.2.3), so sequences that begin alike share the states of their common beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
ABSENT = -1

_EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
"""Depths at which a new attention group starts: the common ones alone, rare ones together, so that groups stay few."""


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Hold neighbouring depths of a tree, whose nodes attend together.

    Attributes:
        start: first node of the group.
        stop: node behind its last.
        ancestors: int64 [nodes, deepest]: the nodes from the root to the node itself, then padding with node 0.
        present: bool [nodes, deepest], False at padding; None where there is none.
    """

    start: int
    stop: int
    ancestors: Index
    present: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Tree:
    """Hold the nodes of a tree by depth, the root first.

    Attributes:
        tokens: int64 [nodes], the token of each node.
        depths: int64 [nodes], its position in its sequences.
        roots: how many nodes have depth 0 and so attend to themselves alone.
        groups: all other nodes, in order.
        leaves: int64 [sequences], the node at which each sequence ends.
    """

    tokens: Index
    depths: Index
    roots: int
    groups: tuple[AttentionGroup, ...]
    leaves: Index


@dataclass(frozen=True, slots=True)
class Sequences:
    """Hold distinct token sequences in lexicographic order.

    Attributes:
        tokens: int64 [sequences, longest], ``ABSENT`` behind the end of each.
        lengths: int64 [sequences].
        shared: int64 [sequences], how many leading tokens each has in common with the one before.
    """

    tokens: Index
    lengths: Index
    shared: Index


def sort_distinct(sequences: list[list[int]]) -> tuple[Sequences, Index]:
    """Return the distinct sequences, and for each given one its place among them."""
    lengths = np.fromiter((len(sequence) for sequence in sequences), np.int64, len(sequences))
    padded = np.full((len(sequences), int(lengths.max())), ABSENT, np.int32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = list(chain.from_iterable(sequences))
    distinct, place = np.unique(padded, axis=0, return_inverse=True)
    tokens = distinct.astype(np.int64)
    shared = np.zeros(len(tokens), np.int64)
    same = (tokens[1:] == tokens[:-1]) & (tokens[1:] != ABSENT)
    shared[1:] = np.minimum.accumulate(same, axis=1).sum(axis=1)
    return Sequences(tokens, (tokens != ABSENT).sum(axis=1), shared), place.reshape(-1)


def cut(sequences: Sequences, budget: int) -> Iterator[slice]:
    """Yield runs of sequences whose trees have at most ``budget`` nodes; more only where a single sequence has.

    Each run is a tree of its own that starts at the root, so a cut changes what is computed twice, never a result.
    """
    start, nodes = 0, 0
    for row, (length, shared) in enumerate(zip(sequences.lengths.tolist(), sequences.shared.tolist(), strict=True)):
        if row > start and nodes + length - shared > budget:
            yield slice(start, row)
            start, nodes = row, 0
        nodes += length if row == start else length - shared
    if len(sequences.lengths):
        yield slice(start, len(sequences.lengths))


def build(sequences: Sequences, rows: slice) -> Tree:
    """Return the tree of a run of sequences; its nodes are numbered depth by depth, within a depth in order."""
    lengths, shared = sequences.lengths[rows], sequences.shared[rows].copy()
    shared[0] = 0
    longest = int(lengths.max())
    depth = np.arange(longest)
    new = (depth >= shared[:, None]) & (depth < lengths[:, None])
    starts = np.concatenate([[0], np.cumsum(new.sum(axis=0))])
    # A row's node at a depth is the latest new one at or above the row.
    path = starts[:-1] + np.cumsum(new, axis=0) - 1
    by_depth = new.T
    return Tree(
        tokens=sequences.tokens[rows, :longest].T[by_depth],
        depths=np.repeat(depth, np.diff(starts)),
        roots=int(starts[1]),
        groups=tuple(_groups(path, new, starts)),
        leaves=path[np.arange(len(lengths)), lengths - 1],
    )


def _groups(path: Index, new: NDArray[np.bool_], starts: Index) -> Iterator[AttentionGroup]:
    longest = path.shape[1]
    for low, edge in pairwise(_EDGES):
        high = min(edge, longest)
        if low >= high:
            return
        start, stop = int(starts[low]), int(starts[high])
        ancestors = np.full((stop - start, high), ABSENT, np.int64)
        for depth in range(low, high):
            at = slice(int(starts[depth]) - start, int(starts[depth + 1]) - start)
            ancestors[at, : depth + 1] = path[new[:, depth], : depth + 1]
        present = ancestors != ABSENT
        yield AttentionGroup(start, stop, np.maximum(ancestors, 0), None if present.all() else present)
