"""TF-IDF over the most frequent words of all records: a simple lexical baseline.

Spärck Jones, "A Statistical Interpretation of Term Specificity" (1972), weighted and scaled as in scikit-learn. The
vocabulary is fitted in a separate pass (see ``learned``), not hashed: each dimension is one word, without collisions
even for as few as 2,000 dimensions.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.learned import Learned, LookupEncoder, Survey, most_frequent, survey_words, words_of
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.types import Floats


class TfidfSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the size of the TF-IDF vocabulary."""

    kind: Literal["tfidf"] = "tfidf"
    languages: ClassVar[Languages] = "any"
    dim: Annotated[int, Field(ge=2, le=2**16)] = 2_000
    """Number of words, those in most texts, without English function words."""

    def inspect(self) -> Inspection:
        """Return the width; TF-IDF has no noticeable cost."""
        return Inspection("TF-IDF of words", self.dim, None, lambda texts: sum(map(len, texts)))

    def survey(self, texts: list[str]) -> Survey:
        """Return the document frequency of each word of a shard."""
        return survey_words(texts)

    def learn(self, survey: Survey) -> Learned:
        """Return the words and their IDF: log((1 + texts) / (1 + texts with the word)) + 1."""
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        chosen = most_frequent(survey.words, self.dim, frozenset(ENGLISH_STOP_WORDS))
        counts = np.array([count for _, count in chosen], np.float64)
        idf = (np.log((1 + survey.texts) / (1 + counts)) + 1).astype(np.float32)
        return Learned(tuple(word for word, _ in chosen), {"idf": idf}, {"texts": survey.texts})

    def load_learned(self, learned: Learned, threads: int) -> LookupEncoder:
        """Return a TF-IDF encoder with vectors of unit length; a text without any known word is zero."""
        weights = {word: (at, learned.arrays["idf"][at]) for at, word in enumerate(learned.names)}

        def fill(text: str, vector: Floats) -> int:
            words = words_of(text)
            for at, weight in (weights[word] for word in words if word in weights):
                vector[at] += weight
            vector /= np.linalg.norm(vector) or 1
            return len(words)

        return LookupEncoder("tfidf", self.dim, learned, fill)
