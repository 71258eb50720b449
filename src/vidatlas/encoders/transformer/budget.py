"""The token budget of a batch (or node budget of a tree): chosen by total memory, halved once if that runs out.

It determines how sums are split, and so the last bits of a vector; therefore it never depends on the memory that is
free at the moment, and a receipt records the budget that a shard was computed with.
"""

from __future__ import annotations

import threading
from typing import Annotated, Literal

from pydantic import Field

from vidatlas.errors import UnavailableError

BatchTokens = Annotated[int, Field(ge=1)] | Literal["auto"]

MOST_ON_GPU = 65_536
"""More does not help: a GPU's matrix products reach full throughput well below this."""
_SHARE = 8
"""Hidden states use at most one part in this many of the device's memory, so that several actors share a device."""
_STATES = 24
"""Values per hidden dimension that are live at once within a layer: states, norm, queries to values, two of the MLP."""


def choose_budget(wanted: BatchTokens, device: str, row_bytes: int, most_on_cpu: int) -> int:
    """Return the token budget of a device: the recipe's, or the largest power of two that fits in memory.

    Args:
        wanted: the recipe's setting.
        device: "cpu" or "cuda".
        row_bytes: bytes of one row of hidden states, its width in the precision it is computed in.
        most_on_cpu: the fastest budget on a CPU, where the cache is the limit, not the memory.
    """
    if wanted != "auto":
        return wanted
    from vidatlas.encoders.transformer.device import device_memory

    most = MOST_ON_GPU if device.startswith("cuda") else most_on_cpu
    rows = min(most, max(1, device_memory(device) // _SHARE // (_STATES * row_bytes)))
    return 1 << (rows.bit_length() - 1)


class Budget:
    """Hold the token budget of one encoder; it is thread-safe."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._halved = False
        self._change = threading.Lock()

    def halve(self, tried: int, hardware: str, error: Exception) -> None:
        """Halve the budget after it ran out of memory.

        Raises:
            UnavailableError: it was already halved.
        """
        with self._change:
            if self.tokens < tried:
                return  # another thread ran out too, and has halved it
            if self._halved:
                raise UnavailableError(
                    f"{hardware} has no memory for {tried:,} tokens at a time. Give each actor more of it "
                    "(--gpus 1, or fewer --actors), or start a new atlas with a smaller --set encoder.batch_tokens."
                ) from error
            self.tokens, self._halved = max(1, tried // 2), True
