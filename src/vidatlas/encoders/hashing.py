"""Feature hashing of character n-grams: a lexical baseline that needs no model.

Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009); the hashing is scikit-learn's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.types import EncodeStats, Floats, Json


class HashingSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the dimensions of the hashed n-grams."""

    kind: Literal["hashing"] = "hashing"
    languages: ClassVar[Languages] = "any"
    dim: Annotated[int, Field(ge=2)] = 256

    def inspect(self) -> Inspection:
        """Return the width; hashing has no noticeable cost."""
        return Inspection("hashed character n-grams", self.dim, None, lambda texts: sum(map(len, texts)))

    def load(self, threads: int) -> HashingEncoder:
        """Return the hashing encoder; it loads nothing and always runs on one thread."""
        return HashingEncoder(self.dim)


@dataclass(frozen=True, slots=True)
class HashingEncoder:
    """Encode a text as its signed, hashed character 3- to 5-grams, scaled to unit length."""

    dim: int

    @property
    def identity(self) -> Json:
        """Return everything that must be equal for two workers to compute the same vectors."""
        return {"model": "hashing", "dim": self.dim, "scikit-learn": version("scikit-learn")}

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]."""
        from sklearn.feature_extraction.text import HashingVectorizer

        stats.texts += len(texts)
        stats.distinct += len(set(texts))
        stats.tokens += sum(len(text) for text in texts)
        stats.nodes = stats.tokens
        if not texts:
            return np.empty((0, self.dim), np.float32)
        hashed = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=self.dim, dtype=np.float32)
        return np.asarray(hashed.transform(texts).toarray(), np.float32)
