"""The encoder of those kinds that look up, text by text, what was learned: words, ranks, factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidatlas.encode.learned import Learned
from vidatlas.types import EncodeStats, Floats, Json

Fill = Callable[[str, Floats], int]
"""Write one text's vector into zeros [dim], float32; return how many tokens it has."""


@dataclass(frozen=True, slots=True)
class LookupEncoder:
    """Encode each text on its own, on one thread; nothing is multiplied, so there is no speed to measure."""

    model: str
    dim: int
    learned: Learned
    fill: Fill
    hardware: str = "cpu"
    flops_per_node: float = 0.0

    @property
    def identity(self) -> Json:
        """Return what must be equal for two workers to compute the same vectors, and what is known of the learning."""
        return {"model": self.model, "dim": self.dim, "weights_sha256": self.learned.sha256, **self.learned.facts}

    def limit(self) -> float:
        """Return 0: looking up multiplies nothing."""
        return 0.0

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]."""
        found = np.zeros((len(texts), self.dim), np.float32)
        stats.texts += len(texts)
        stats.distinct += len(texts)
        stats.tokens += sum(self.fill(text, row) for text, row in zip(texts, found, strict=True))
        stats.nodes = stats.tokens
        return found
