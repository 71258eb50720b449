"""Encoders that learn from all kept records before the first is encoded: what they learn is part of the atlas.

A shard's vectors must depend on the shard and on what every worker knows alike. So such an encoder is fitted in a pass
of its own: each shard is surveyed, the surveys are merged in the order of the plan, and what is learned of them is
written once; every worker loads that.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vidatlas.types import Encoder, Json


@dataclass(frozen=True, slots=True)
class Survey:
    """Count the records of some shards, and in how many of their texts each word stands."""

    texts: int = 0
    words: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Survey) -> Survey:
        """Return the survey of both."""
        self.words.update(other.words)
        return Survey(self.texts + other.texts, self.words)


@dataclass(frozen=True, slots=True)
class Learned:
    """Hold what an encoder learned: names, arrays and facts; data, never code."""

    names: tuple[str, ...]
    arrays: dict[str, NDArray[Any]]
    facts: Json

    @property
    def sha256(self) -> str:
        """Return one hash over names and arrays."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for name in sorted(self.arrays):
            digest.update(name.encode() + np.ascontiguousarray(self.arrays[name]).tobytes())
        return digest.hexdigest()


class LearningSpec(Protocol):
    """Configure an encoder that learns."""

    def survey(self, texts: list[str]) -> Survey:
        """Return what one shard's texts say, each text once for every time it stands there."""
        ...

    def learn(self, survey: Survey) -> Learned:
        """Return what is to be known by every worker, from the survey of all shards."""
        ...

    def load_learned(self, learned: Learned, threads: int) -> Encoder:
        """Return the encoder."""
        ...
