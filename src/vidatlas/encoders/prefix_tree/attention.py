"""Choice of the attention implementation over a prefix tree for a device."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

import torch
from numpy.typing import NDArray

from vidatlas.encoders.prefix_tree.gathered import GatheredAttention
from vidatlas.encoders.prefix_tree.tree import Tree


class Attention(Protocol):
    """Attention among the nodes of one tree."""

    def __call__(self, mixed: torch.Tensor) -> torch.Tensor:
        """Return the attention output [nodes, width], given queries, keys and values [nodes, 3 width]."""
        ...


Prepare = Callable[[Tree, int, Callable[[NDArray[Any]], torch.Tensor]], Attention]
"""Tree, number of heads, and a function that uploads an array -> attention among the nodes of that tree."""


def choose_attention(device: str, head_size: int) -> tuple[str, Prepare]:
    """Return the engine's name and attention: one kernel on GPUs, plain tensor operations elsewhere.

    The kernel needs Triton, which comes with torch's CUDA builds, and heads of a power of two.
    """
    if device.startswith("cuda") and head_size & (head_size - 1) == 0 and find_spec("triton"):
        from vidatlas.encoders.prefix_tree.kernel import FusedAttention

        return "tree (fused attention)", FusedAttention
    return "tree", GatheredAttention
