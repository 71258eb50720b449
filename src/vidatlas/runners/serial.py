"""The serial runner: everything in this process, one item after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vidatlas.types import Json, R, Shard, T


class SerialRunner:
    """Map with a plain loop; the reference that every other runner must equal byte for byte."""

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item, in the order of the items; this process sees the GPUs it sees."""
        return map(function, items)

    def embed(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard], gpus: bool = False
    ) -> Iterator[Json]:
        """Yield the receipt of each shard as it is committed."""
        worker = open_worker()
        for shard in shards:
            yield worker(read(shard))

    def lost(self) -> str:
        """Return an empty text: a plain loop ends with its process."""
        return ""
