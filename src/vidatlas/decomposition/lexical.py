"""Lexical components: latent semantic analysis of hashed words as additional dimensions, fitted on a sample.

Deerwester, Dumais, Furnas, Landauer and Harshman, "Indexing by Latent Semantic Analysis" (1990); words are hashed to
columns (Weinberger, Dasgupta, Langford, Smola and Attenberg, "Feature Hashing for Large Scale Multitask Learning",
2009), so that shards need no common vocabulary, and document frequencies add up over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.naming.filler import FILLER, function_words
from vidatlas.sources.values.segmentation import segmented, word_pattern
from vidatlas.threads import one_thread
from vidatlas.types import Floats


class LexicalSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the number and weight of lexical components, next to the vectors' principal components."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """Length of a record's lexical vector, relative to its embedding, which is about 1 for normalised vectors."""
    components: Annotated[int, Field(ge=1)] = 256
    buckets: Annotated[int, Field(ge=2, le=2**20)] = 2**16
    """Number of columns that words are hashed to."""
    fit_rows: Annotated[int, Field(ge=2)] = 20_000
    """Fit the components on at most this many records, sampled by seed."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Lexical:
    """Project hashed words onto lexical components.

    Attributes:
        idf: float32 [buckets], the weight of each column.
        components: float32 [k, buckets], rows of unit length; k may be 0.
        weight: length of every projected record that has words.
    """

    idf: Floats
    components: Floats
    weight: float

    def transform(self, hashed: scipy.sparse.csr_array) -> Floats:
        """Return lexical vectors float32 [n, k]; a record without any known word is zero."""
        with one_thread():
            found = np.asarray(_weighed(hashed, self.idf) @ self.components.T, np.float32)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(self.weight * found / np.where(length > 0, length, 1), np.float32)


def hash_words(fields: Sequence[tuple[list[str], float]], buckets: int) -> scipy.sparse.csr_array:
    """Return float32 [records, buckets]: which words, of any script or case, a record has, each hashed to a column.

    Words that name no subject are left out: they drew clusters together ("official video", "los", "vs"). With this
    and today's weights, 6 % of the subcategories of ``topics`` have a coverage below 25 %, before 13 % (RESULTS.md).

    Args:
        fields: the texts of each record and the weight of the field. A field's words together have its weight, as its
            vector has in the mix: else twenty tags would outvote a title.
        buckets: number of columns.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        n_features=buckets,
        stop_words=_no_subjects(),
        token_pattern=word_pattern().pattern,
        binary=True,
        alternate_sign=False,
        dtype=np.float32,
    )
    # Of no texts scikit-learn ends in StopIteration, which would end a loop of shards.
    hashed = [weight * vectorizer.transform(map(_prepared, texts)) for texts, weight in fields if texts and weight]
    empty = scipy.sparse.csr_array((len(fields[0][0]), buckets), dtype=np.float32)
    return scipy.sparse.csr_array(sum(hashed, empty), dtype=np.float32)


def _prepared(text: str) -> str:
    """Return a text with spaces between words; of the Turkish İ, lower case would leave a dot of its own."""
    return segmented(text).replace("İ", "i")


@cache
def _no_subjects() -> list[str]:
    words = {*FILLER, *function_words(), *map(str, range(1900, 2100))}
    # Only what can be a token: scikit-learn warns of every other, and compares none with it.
    return sorted(word for word in words if word_pattern().findall(word.lower()) == [word])


def document_frequencies(hashed: scipy.sparse.csr_array) -> NDArray[np.int64]:
    """Return the document frequency of each column, int64 [buckets]; such counts add up."""
    return np.bincount(hashed.indices, minlength=hashed.shape[1]).astype(np.int64)


def fit_lexical(
    sample: scipy.sparse.csr_array, frequencies: NDArray[np.int64], rows: int, spec: LexicalSpec
) -> Lexical:
    """Fit lexical components to a sample float32 [n, buckets] of hashed records; possibly fewer than requested.

    The document frequency of each column and the number of rows are those of all records.
    """
    from sklearn.decomposition import TruncatedSVD

    # As scikit-learn's TfidfTransformer smooths it: as if one more record held every word once.
    idf = (np.log((1 + rows) / (1 + frequencies)) + 1).astype(np.float32)
    weighed = _weighed(sample, idf)
    wanted = min(spec.components, min(weighed.shape) - 1)
    if wanted < 1 or not weighed.nnz:
        return Lexical(idf, np.empty((0, spec.buckets), np.float32), spec.weight)
    # Of records that all hold the same words it divides by a variance of zero, for shares that nothing reads.
    with one_thread(), np.errstate(invalid="ignore"):
        model = TruncatedSVD(wanted, random_state=spec.seed).fit(weighed)
    used = model.singular_values_ > model.singular_values_[0] * np.finfo(np.float32).eps
    return Lexical(idf, np.asarray(model.components_[used], np.float32), spec.weight)


def _weighed(hashed: scipy.sparse.csr_array, idf: Floats) -> scipy.sparse.csr_array:
    """Return TF-IDF rows of unit length."""
    from sklearn.preprocessing import normalize

    weighed = hashed @ scipy.sparse.diags_array(idf)
    return scipy.sparse.csr_array(normalize(weighed) if weighed.shape[0] else weighed)
