"""How many tokens or tree nodes are computed together: chosen from the memory present, halved once if it was too much.

It decides how sums are cut, and so the last bits of a vector; that is why it never follows the memory that happens to
be free, and why a receipt says which one a shard was computed with.
"""

from __future__ import annotations

import threading
from typing import Annotated, Literal

from pydantic import Field

from vidatlas.errors import UnavailableError

BatchTokens = Annotated[int, Field(ge=1)] | Literal["auto"]

MOST_ON_GPU = 65_536
"""More fills no GPU better: its matrix products are at full speed well before."""
_SHARE = 8
"""At most one byte in so many of the device's memory is for hidden states, so that several actors fit beside it."""
_STATES = 24
"""Numbers of a row's width that are alive at once within a layer: states, norm, queries to values, two of the MLP."""


def choose_budget(wanted: BatchTokens, device: str, row_bytes: int, most_on_cpu: int) -> int:
    """Return the budget of one device: as wanted, or the largest power of two for which there is memory.

    Args:
        wanted: from the recipe.
        device: "cpu" or "cuda".
        row_bytes: bytes of one row of hidden states, its width in the precision it is computed in.
        most_on_cpu: where a CPU is fastest: its cache, not its memory, is the limit.
    """
    if wanted != "auto":
        return wanted
    from vidatlas.encoders.transformer.device import device_memory

    most = MOST_ON_GPU if device.startswith("cuda") else most_on_cpu
    rows = min(most, max(1, device_memory(device) // _SHARE // (_STATES * row_bytes)))
    return 1 << (rows.bit_length() - 1)


class Budget:
    """Hold the budget of one encoder; several threads may use it."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._halved = False
        self._change = threading.Lock()

    def halve(self, tried: int, hardware: str, error: Exception) -> None:
        """Go on with half of the budget that was too much.

        Raises:
            UnavailableError: it was halved before.
        """
        with self._change:
            if self.tokens < tried:
                return  # another thread has met the same, and halved it
            if self._halved:
                raise UnavailableError(
                    f"{hardware} has no memory for {tried:,} tokens at a time. Give each actor more of it "
                    "(--gpus 1, or fewer --actors), or begin another atlas with a smaller --set encoder.batch_tokens."
                ) from error
            self.tokens, self._halved = max(1, tried // 2), True
