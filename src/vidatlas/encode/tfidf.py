"""TF-IDF over the most frequent words of all records: the plainest baseline of texts.

Spärck Jones, "A Statistical Interpretation of Term Specificity" (1972), weighed and scaled as scikit-learn does. The
vocabulary is fitted in a pass of its own (see ``learned``) instead of hashed: a dimension is then one word, and as few
as 2,000 of them do not collide.
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


class TfidfSpec(BaseModel):
    """Choose how many words are looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["tfidf"] = "tfidf"
    dim: Annotated[int, Field(ge=2, le=2**16)] = 2_000
    """Words, those that stand in most texts, English function words left out."""

    def inspect(self) -> Inspection:
        """Return the width; counting words costs next to nothing."""
        return Inspection("TF-IDF of words", self.dim, None, lambda texts: sum(map(len, texts)))

    def survey(self, texts: list[str]) -> Survey:
        """Return in how many of a shard's texts each word stands."""
        return survey_words(texts)

    def learn(self, survey: Survey) -> Learned:
        """Return the words and their weights: log((1 + texts) / (1 + texts with the word)) + 1."""
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        chosen = most_frequent(survey.words, self.dim, frozenset(ENGLISH_STOP_WORDS))
        counts = np.array([count for _, count in chosen], np.float64)
        idf = (np.log((1 + survey.texts) / (1 + counts)) + 1).astype(np.float32)
        return Learned(tuple(word for word, _ in chosen), {"idf": idf}, {"texts": survey.texts})

    def load_learned(self, learned: Learned, threads: int) -> TfidfEncoder:
        """Return the encoder; it runs on one thread whatever is asked for."""
        places = {word: at for at, word in enumerate(learned.names)}
        return TfidfEncoder(self.dim, places, learned.arrays["idf"], learned.sha256)


@dataclass(frozen=True, slots=True)
class TfidfEncoder:
    """Encode a text as the weights of its words, scaled to unit length; a text without a known word is zero."""

    dim: int
    places: dict[str, int]
    idf: Floats
    learned: str
    hardware: str = "cpu"
    flops_per_node: float = 0.0

    @property
    def identity(self) -> Json:
        """Return what must be equal for two workers to compute the same vectors."""
        return {"model": "tfidf", "dim": self.dim, "weights_sha256": self.learned}

    def limit(self) -> float:
        """Return 0: counting multiplies nothing."""
        return 0.0

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]; dimensions beyond the vocabulary stay zero."""
        stats.texts += len(texts)
        stats.distinct += len(texts)
        found = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            words = words_of(text)
            stats.tokens += len(words)
            for word in words:
                place = self.places.get(word)
                if place is not None:
                    found[row, place] += self.idf[place]
        stats.nodes = stats.tokens
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(length > 0, length, 1), np.float32)
