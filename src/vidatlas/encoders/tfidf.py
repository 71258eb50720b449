"""TF-IDF over the most frequent words of all records: the plainest baseline of texts.

Spärck Jones, "A Statistical Interpretation of Term Specificity" (1972), weighed and scaled as scikit-learn does. The
vocabulary is fitted in a pass of its own (see ``learned``) instead of hashed: a dimension is then one word, and as few
as 2,000 of them do not collide.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.encoders.learned import Learned, LookupEncoder, Survey, most_frequent, survey_words, words_of
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.types import Floats


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

    def load_learned(self, learned: Learned, threads: int) -> LookupEncoder:
        """Return an encoder of the weights of a text's words, at unit length; without a known word the text is zero."""
        weights = {word: (at, learned.arrays["idf"][at]) for at, word in enumerate(learned.names)}

        def fill(text: str, vector: Floats) -> int:
            words = words_of(text)
            for at, weight in (weights[word] for word in words if word in weights):
                vector[at] += weight
            vector /= np.linalg.norm(vector) or 1
            return len(words)

        return LookupEncoder("tfidf", self.dim, learned, fill)
