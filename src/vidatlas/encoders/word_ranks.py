"""Texts as sequences of word ranks, the usual input of an LSTM.

Kept because a well-known notebook clusters Netflix's titles by it; two texts are close if words of similar frequency
are in the same positions, which says little about their meaning.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.learned import Learned, LookupEncoder, Survey, most_frequent, survey_words, words_of
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.types import Floats


class SequencesSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the number of ranked words and the length of a sequence."""

    kind: Literal["sequences"] = "sequences"
    languages: ClassVar[Languages] = "any"
    words: Annotated[int, Field(ge=1, le=2**20)] = 10_000
    """Number of words with a rank, those in most texts; others are dropped."""
    dim: Annotated[int, Field(ge=1, le=2**16)] = 100
    """Words per sequence: longer texts keep the last ones, shorter ones get leading zeros (Keras's defaults)."""

    def inspect(self) -> Inspection:
        """Return the width; looking up word ranks has no noticeable cost."""
        return Inspection("ranks of words in sequence", self.dim, None, lambda texts: sum(map(len, texts)))

    def survey(self, texts: list[str]) -> Survey:
        """Return the document frequency of each word of a shard."""
        return survey_words(texts)

    def learn(self, survey: Survey) -> Learned:
        """Return the words in order of rank."""
        names = tuple(word for word, _ in most_frequent(survey.words, self.words))
        return Learned(names, {}, {"texts": survey.texts})

    def load_learned(self, learned: Learned, threads: int) -> LookupEncoder:
        """Return an encoder of word ranks divided by the vocabulary size: from 0 (no word) to 1 (the rarest)."""
        shares = {word: np.float32(rank) / np.float32(len(learned.names)) for rank, word in enumerate(learned.names, 1)}

        def fill(text: str, vector: Floats) -> int:
            found = [shares[word] for word in words_of(text) if word in shares][-self.dim :]
            vector[self.dim - len(found) :] = found
            return len(found)

        return LookupEncoder("sequences", self.dim, learned, fill)
