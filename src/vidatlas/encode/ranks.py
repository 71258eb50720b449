"""Texts as the ranks of their words, one after the other: what a notebook that means to feed an LSTM makes of them.

Kept because a well-known notebook clusters Netflix's titles by it; two texts are near where words of like frequency
stand in the same places, which says little of what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.encode.inspection import Inspection
from vidatlas.encode.learned import Learned, Survey
from vidatlas.encode.vocabulary import most_frequent, survey_words, words_of
from vidatlas.types import EncodeStats, Floats, Json


class SequencesSpec(BaseModel):
    """Choose the vocabulary and the length of a sequence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sequences"] = "sequences"
    words: Annotated[int, Field(ge=1, le=2**20)] = 10_000
    """Words with a rank, those that stand in most texts; others are left out."""
    dim: Annotated[int, Field(ge=1, le=2**16)] = 100
    """Words of a sequence: of longer texts the last ones count, shorter ones begin with zeros (Keras's defaults)."""

    def inspect(self) -> Inspection:
        """Return the width; looking words up costs next to nothing."""
        return Inspection("ranks of words in sequence", self.dim, None, lambda texts: sum(map(len, texts)))

    def survey(self, texts: list[str]) -> Survey:
        """Return in how many of a shard's texts each word stands."""
        return survey_words(texts)

    def learn(self, survey: Survey) -> Learned:
        """Return the words by rank."""
        names = tuple(word for word, _ in most_frequent(survey.words, self.words))
        return Learned(names, {}, {"texts": survey.texts})

    def load_learned(self, learned: Learned, threads: int) -> SequencesEncoder:
        """Return the encoder; it runs on one thread whatever is asked for."""
        return SequencesEncoder(self.dim, {word: rank for rank, word in enumerate(learned.names, 1)}, learned.sha256)


@dataclass(frozen=True, slots=True)
class SequencesEncoder:
    """Encode a text as the ranks of its words over the number of words, from 0 (none) to 1 (the rarest)."""

    dim: int
    ranks: dict[str, int]
    learned: str
    hardware: str = "cpu"
    flops_per_node: float = 0.0

    @property
    def identity(self) -> Json:
        """Return what must be equal for two workers to compute the same vectors."""
        return {"model": "sequences", "dim": self.dim, "weights_sha256": self.learned}

    def limit(self) -> float:
        """Return 0: looking up multiplies nothing."""
        return 0.0

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]."""
        stats.texts += len(texts)
        stats.distinct += len(texts)
        found = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            ranks = [self.ranks[word] for word in words_of(text) if word in self.ranks][-self.dim :]
            stats.tokens += len(ranks)
            if ranks:
                found[row, -len(ranks) :] = ranks
        stats.nodes = stats.tokens
        return found / np.float32(max(1, len(self.ranks)))
