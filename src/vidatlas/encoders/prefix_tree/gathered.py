"""Attention over a prefix tree with plain tensor operations: exact, on any device; ancestors are gathered by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vidatlas.encoders.prefix_tree.tree import Tree
from vidatlas.encoders.transformer.distinct import Index

_EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
"""Depths at which a new attention group starts: common depths separately, rare ones together, to keep groups few."""

Upload = Callable[[NDArray[Any]], torch.Tensor]


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Hold adjacent depths of a prefix tree, whose nodes are computed together.

    Attributes:
        start: first node of the group.
        stop: node after its last.
        ancestors: int64 [nodes, deepest]: the nodes from the root to the node itself, then padding with node 0.
        present: bool [nodes, deepest], False at padding; None if there is no padding.
    """

    start: int
    stop: int
    ancestors: Index
    present: NDArray[np.bool_] | None


def attention_groups(tree: Tree) -> Iterator[AttentionGroup]:
    """Yield all nodes of a tree but the roots (which attend only to themselves), in order."""
    longest = tree.paths.shape[1]
    for low, edge in pairwise(_EDGES):
        high = min(edge, longest)
        if low >= high:
            return
        start, stop = int(tree.starts[low]), int(tree.starts[high])
        ancestors = tree.paths[tree.rows[start:stop], :high]
        present = np.arange(high) <= tree.depths[start:stop, None]
        if present.all():
            yield AttentionGroup(start, stop, ancestors, None)
        else:
            yield AttentionGroup(start, stop, np.where(present, ancestors, 0), present)


class GatheredAttention:
    """Compute the attention of a tree's nodes to their ancestors, gathered group by group."""

    def __init__(self, tree: Tree, heads: int, upload: Upload) -> None:
        self._heads = heads
        self._groups = [
            (
                group.start,
                group.stop,
                upload(group.ancestors),
                None if group.present is None else upload(~group.present)[:, :, None],
            )
            for group in attention_groups(tree)
        ]

    def __call__(self, mixed: torch.Tensor) -> torch.Tensor:
        """Return the attention output [nodes, width], given queries, keys and values [nodes, 3 width]."""
        width = mixed.shape[1] // 3
        size = width // self._heads
        queries, others = mixed[:, :width], mixed[:, width:]
        # A root attends only to itself: its output is its own value.
        taken = mixed[:, 2 * width :].clone()
        for start, stop, ancestors, absent in self._groups:
            nodes, deepest = ancestors.shape
            gathered = others.index_select(0, ancestors.reshape(-1)).view(nodes, deepest, 2, self._heads, size)
            asked = queries[start:stop].view(nodes, 1, self._heads, size)
            scores = (gathered[:, :, 0] * asked).sum(dim=-1, dtype=torch.float32)
            if absent is not None:
                scores.masked_fill_(absent, float("-inf"))
            weights = scores.softmax(dim=1).to(mixed.dtype)
            mean = torch.einsum("nah,nahd->nhd", weights, gathered[:, :, 1])
            taken[start:stop] = mean.reshape(nodes, width)
        return taken
