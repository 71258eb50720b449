"""Attention over a prefix tree in one Triton kernel: a program per node walks from the root to the node.

Softmax is computed in one pass with a running maximum (Milakov and Gimelshein, "Online normalizer calculation for
softmax", 2018; as in FlashAttention, Dao et al., 2022), sums in float32. Nothing is gathered into memory: the ancestors
of neighbouring nodes are the same, so their keys and values come from the cache. Its block sizes are fixed, so the same
tree gives the same bytes in every process.
"""

from __future__ import annotations

import numpy as np
import torch
import triton
import triton.language as tl

from vidatlas.encoders.prefix_tree.gathered import Upload
from vidatlas.encoders.prefix_tree.tree import Tree


@triton.jit
def attend_to_ancestors(
    mixed,
    paths,
    rows,
    depths,
    taken,
    longest,
    HEADS: tl.constexpr,
    PADDED_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
):
    """Kernel: write one node's attention output over its ancestors and itself, all heads at once."""
    node = tl.program_id(0).to(tl.int64)
    heads = tl.arange(0, PADDED_HEADS)
    inside = heads[:, None] < HEADS
    columns = heads[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    width = HEADS * SIZE
    query = tl.load(mixed + node * 3 * width + columns, mask=inside, other=0.0).to(tl.float32)
    path = paths + tl.load(rows + node).to(tl.int64) * longest
    best = tl.full([PADDED_HEADS], float("-inf"), tl.float32)
    total = tl.zeros([PADDED_HEADS], tl.float32)
    mean = tl.zeros([PADDED_HEADS, SIZE], tl.float32)
    for step in range(tl.load(depths + node) + 1):
        other = mixed + tl.load(path + step).to(tl.int64) * 3 * width + width
        key = tl.load(other + columns, mask=inside, other=0.0).to(tl.float32)
        value = tl.load(other + width + columns, mask=inside, other=0.0).to(tl.float32)
        score = tl.sum(query * key, axis=1)
        highest = tl.maximum(best, score)
        kept, weight = tl.exp(best - highest), tl.exp(score - highest)
        mean = mean * kept[:, None] + weight[:, None] * value
        total = total * kept + weight
        best = highest
    tl.store(taken + node * width + columns, (mean / total[:, None]).to(taken.dtype.element_ty), mask=inside)


class FusedAttention:
    """Compute the attention of a tree's nodes to their ancestors in one kernel launch."""

    def __init__(self, tree: Tree, heads: int, upload: Upload) -> None:
        self._heads, self._longest = heads, tree.paths.shape[1]
        self._paths = upload(tree.paths.astype(np.int32))
        self._rows, self._depths = upload(tree.rows.astype(np.int32)), upload(tree.depths.astype(np.int32))

    def __call__(self, mixed: torch.Tensor) -> torch.Tensor:
        """Return the attention output [nodes, width], given queries, keys and values [nodes, 3 width]."""
        nodes, width = mixed.shape[0], mixed.shape[1] // 3
        taken = torch.empty((nodes, width), dtype=mixed.dtype, device=mixed.device)
        attend_to_ancestors[(nodes,)](
            mixed,
            self._paths,
            self._rows,
            self._depths,
            taken,
            self._longest,
            HEADS=self._heads,
            PADDED_HEADS=triton.next_power_of_2(self._heads),
            SIZE=width // self._heads,
            num_warps=4,
            enable_fp_fusion=True,
        )
        return taken
