"""Words as dimensions are scikit-learn's TF-IDF and TruncatedSVD, and no text makes them anything but finite."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from vidatlas.decomposition.lexical import Lexical, LexicalSpec, document_frequencies, fit_lexical, hash_words

TEXTS = [
    *(f"minecraft survival episode {number} redstone" for number in range(20)),
    *(f"piano lesson {number} chopin" for number in range(20)),
    *(f"как варить суп {number}" for number in range(20)),
]
SPEC = LexicalSpec(components=3, buckets=2**12, weight=0.5)


def fitted(texts: list[str], spec: LexicalSpec = SPEC) -> tuple[Lexical, scipy.sparse.csr_array]:
    hashed = hash_words([(texts, 1)], spec.buckets)
    return fit_lexical(hashed, document_frequencies(hashed), len(texts), spec), hashed


def test_it_is_latent_semantic_analysis() -> None:
    lexical, hashed = fitted(TEXTS)
    weighed = TfidfTransformer().fit_transform(hashed)
    theirs = TruncatedSVD(3, random_state=0).fit_transform(weighed)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    found = lexical.transform(hashed)
    assert (found.dtype, found.shape) == (np.float32, (60, 3))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 0.5, atol=1e-6)
    np.testing.assert_allclose(found @ found.T * 4, theirs @ theirs.T, atol=1e-3)


def test_texts_of_the_same_words_lie_together_in_any_script() -> None:
    lexical, hashed = fitted(TEXTS)
    alike = lexical.transform(hashed) @ lexical.transform(hashed).T * 4
    for start in (0, 20, 40):
        assert alike[start : start + 20, start : start + 20].min() > 0.5
    assert alike[:20, 20:].max() < 0.5


def test_words_keep_their_combining_marks() -> None:
    """Split at their vowel signs, titles in Tamil or Hindi share endings and nothing else."""
    tamil, hindi = ("தமிழ் செய்திகள்", "புதிய பாடல்கள்"), ("हिन्दी समाचार", "क्रिकेट खबर")
    for texts in (tamil, hindi):
        rows = hash_words([(list(texts), 1)], 2**12)
        assert np.diff(rows.indptr).tolist() == [2, 2]
        assert (rows[[0]] @ rows[[1]].T).nnz == 0
    turkish = hash_words([(["İSTANBUL turu", "istanbul turu"], 1)], 2**12).toarray()
    assert np.array_equal(*turkish)


def test_words_that_name_no_subject_are_no_words() -> None:
    hashed = hash_words([(["The piano AND los jazz ft. 2025 (Official Video)", "jazz piano", "the and of"], 1)], 2**12)
    assert np.array_equal(hashed.toarray()[0], hashed.toarray()[1])
    assert document_frequencies(hashed).sum() == 4


def test_a_field_counts_as_its_weight_however_many_words_it_has() -> None:
    title, tags = ["piano", "", "chopin"], ["chopin jazz etude waltz", "jazz", "chopin"]
    hashed = hash_words([(title, 0.6), (tags, 0.4)], 2**12).toarray()
    np.testing.assert_allclose(np.sort(hashed[0])[-5:], [0.2, 0.2, 0.2, 0.2, 0.6], atol=1e-6)
    assert hashed[1].sum() == pytest.approx(0.4)
    assert hashed[2].max() == pytest.approx(1)
    alone = hash_words([(title, 0.6), (tags, 0)], 2**12)
    np.testing.assert_allclose(alone.toarray(), 0.6 * hash_words([(title, 1)], 2**12).toarray(), atol=1e-6)


def test_counts_add_up_over_shards() -> None:
    hashed = hash_words([(TEXTS, 1)], 64)
    parts = [document_frequencies(hash_words([(TEXTS[at : at + 7], 1)], 64)) for at in range(0, 60, 7)]
    assert np.array_equal(sum(parts), document_frequencies(hashed))
    assert document_frequencies(hash_words([(["a word", "a word word"], 1), (["word", ""], 1)], 64)).sum() == 2


@pytest.mark.parametrize("texts", [["one text only"], ["", "", ""], ["a", "b"], ["same words"] * 9])
def test_hardly_any_words_give_fewer_dimensions_and_no_nan(texts: list[str]) -> None:
    lexical, hashed = fitted(texts)
    found = lexical.transform(hashed)
    assert found.shape == (len(texts), len(lexical.components))
    assert np.isfinite(found).all()
    assert np.isfinite(lexical.transform(hash_words([(["quite other words", ""], 1)], SPEC.buckets))).all()


def test_a_shard_without_records_has_no_rows() -> None:
    lexical, _ = fitted(TEXTS)
    none = hash_words([([], 1), ([], 1)], SPEC.buckets)
    assert none.shape == (0, SPEC.buckets)
    assert document_frequencies(none).sum() == 0
    assert lexical.transform(none).shape == (0, 3)
