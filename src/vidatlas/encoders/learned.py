"""Learned encoders: fitted to all records before any is encoded; what they learn is stored in the atlas."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidatlas.sources.values.segmentation import word_pattern
from vidatlas.types import EncodeStats, Floats, Json


@dataclass(frozen=True, slots=True)
class Survey:
    """Count what an encoder learns from: texts, and the document frequency of each word."""

    texts: int = 0
    words: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Survey) -> Survey:
        """Return the two surveys combined; the rarest of very many words are given up."""
        self.words.update(other.words)
        words = self.words if len(self.words) <= 2 * MOST_WORDS else _most_ranked(self.words)
        return Survey(self.texts + other.texts, words)


@dataclass(frozen=True, slots=True)
class Learned:
    """Hold what an encoder learned: names, arrays and facts; data, never code."""

    names: tuple[str, ...]
    arrays: dict[str, NDArray[Any]]
    facts: Json

    @property
    def sha256(self) -> str:
        """Return one hash over everything learned: names and arrays."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for name in sorted(self.arrays):
            digest.update(name.encode() + np.ascontiguousarray(self.arrays[name]).tobytes())
        return digest.hexdigest()


Fill = Callable[[str, Floats], int]
"""Write one text's vector into zeros [dim], float32; return how many tokens it has."""


@dataclass(frozen=True, slots=True)
class LookupEncoder:
    """Encode each text by looking up what was learned, on one thread, without matrix products."""

    model: str
    dim: int
    learned: Learned
    fill: Fill

    @property
    def identity(self) -> Json:
        """Return what must be equal for two workers to compute the same vectors, and facts about what was learned."""
        return {"model": self.model, "dim": self.dim, "weights_sha256": self.learned.sha256, **self.learned.facts}

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]."""
        found = np.zeros((len(texts), self.dim), np.float32)
        stats.texts += len(texts)
        stats.distinct += len(texts)
        stats.tokens += sum(self.fill(text, row) for text, row in zip(texts, found, strict=True))
        stats.nodes = stats.tokens
        return found


MOST_WORDS = 2_000_000
"""Most distinct words to count per shard, the most frequent ones, and half of those held of all: this bounds memory."""


def words_of(text: str) -> list[str]:
    """Return the case-folded words of a text in order, each of at least two letters or digits."""
    return word_pattern().findall(text.replace("İ", "i").casefold())


def survey_words(texts: Iterable[str]) -> Survey:
    """Return the document frequency of each word."""
    counts, number = Counter[str](), 0
    for text in texts:
        number += 1
        counts.update(set(words_of(text)))
    return Survey(number, _most_ranked(counts))


def most_frequent(counts: Counter[str], most: int, leave_out: frozenset[str] = frozenset()) -> list[tuple[str, int]]:
    """Return words with their counts, most frequent first, ties in alphabetical order."""
    return [item for item in _ranked(counts) if item[0] not in leave_out][:most]


def _most_ranked(counts: Counter[str]) -> Counter[str]:
    return Counter(dict(_ranked(counts)[:MOST_WORDS]))


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
