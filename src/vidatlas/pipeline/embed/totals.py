"""Totals of embedded shards: the sums of their receipts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

from vidatlas.storage.manifest import EmbedCounts
from vidatlas.types import Receipt

_COUNTS = ("rows", "kept", "texts", "distinct", "tokens", "nodes")
_AMOUNTS = ("seconds", "compute_seconds", "idle_seconds", "flops", "possible_flops")


class Totals:
    """Sum the receipts of embedded shards as they arrive, each looked at once."""

    def __init__(self, receipts: Iterable[Receipt] = ()) -> None:
        self._reasons: Counter[str] = Counter()
        self._batch_tokens: set[int] = set()
        self._redone = 0
        self._sums: dict[str, Any] = dict.fromkeys((*_COUNTS, *_AMOUNTS), 0)
        for receipt in receipts:
            self.add(receipt)

    def add(self, receipt: Receipt) -> None:
        """Add a receipt to the totals."""
        self._reasons.update(receipt.rejects)
        self._redone += receipt.attempt > 1
        if receipt.batch_tokens:
            self._batch_tokens.add(receipt.batch_tokens)
        for name in self._sums:
            self._sums[name] += getattr(receipt, name)

    def facts(self) -> EmbedCounts:
        """Return counts, rejects by reason, seconds, the devices' idle share, and the share of the possible operations.

        ``redone`` counts shards that were begun more than once, as a worker or its node went in the middle;
        ``batch_tokens`` lists the batch sizes that occurred: more than one where a device ran out of memory.
        """
        sums = self._sums
        waited = sums["idle_seconds"] + sums["compute_seconds"]
        counts: Any = {
            **{name: sums[name] for name in _COUNTS},
            "rejects": dict(sorted(self._reasons.items())),
            "redone": self._redone,
            "worker_seconds": round(sums["seconds"], 1),
            "compute_seconds": round(sums["compute_seconds"], 1),
            "idle_share": round(sums["idle_seconds"] / waited, 3) if waited else None,
            "batch_tokens": sorted(self._batch_tokens, reverse=True),
            "gemm_share": round(sums["flops"] / sums["possible_flops"], 3) if sums["possible_flops"] else None,
        }
        return cast(EmbedCounts, counts)
