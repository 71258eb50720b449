"""A prefix tree of token sequences: in a causal model each distinct prefix has one state, computed once.

The hidden state of a causal transformer at a position depends only on the tokens up to it (Vaswani et al., 2017,
§3.2.3), so sequences with a common prefix share its states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vidatlas.encoders.transformer.distinct import Index, Sequences


@dataclass(frozen=True, slots=True)
class Tree:
    """Hold the nodes of a prefix tree by depth, the root first.

    Attributes:
        tokens: int64 [nodes], the token of each node.
        depths: int64 [nodes], its position in its sequences.
        rows: int64 [nodes], a sequence that passes through it.
        paths: int64 [sequences, longest], the nodes of each sequence from the root on: the ancestors of a node, itself
            included, are ``paths[rows[node], : depths[node] + 1]``. Entries after a sequence's end are undefined.
        starts: int64 [longest + 1], the first node of each depth, and the number of nodes.
        leaves: int64 [sequences], the node at which each sequence ends.
    """

    tokens: Index
    depths: Index
    rows: Index
    paths: Index
    starts: Index
    leaves: Index


def cut(sequences: Sequences, budget: int) -> Iterator[slice]:
    """Yield runs of sequences whose trees have at most ``budget`` nodes; more only for a single sequence.

    Each run is a separate tree from the root on, so a cut changes what is computed twice, never a result.
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
    paths = starts[:-1] + np.cumsum(new, axis=0) - 1
    by_depth = new.T
    return Tree(
        tokens=sequences.tokens[rows, :longest].T[by_depth],
        depths=np.repeat(depth, np.diff(starts)),
        rows=np.nonzero(by_depth)[1],
        paths=paths,
        starts=starts,
        leaves=paths[np.arange(len(lengths)), lengths - 1],
    )
