"""The lexical baseline: unit vectors that depend on the text alone."""

from __future__ import annotations

import numpy as np

from vidatlas.encoders.hashing import HashingSpec
from vidatlas.types import EncodeStats

TEXTS = ["minecraft survival", "minecraft survivor", "piano concert", "minecraft survival", "видео 🎬"]


def test_equal_texts_are_equal_alike_texts_are_near_others_are_far() -> None:
    stats = EncodeStats()
    vectors = HashingSpec(dim=256).load(1).encode(TEXTS, stats)
    assert (vectors.shape, vectors.dtype) == ((5, 256), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0].tobytes() == vectors[3].tobytes()
    assert vectors[0] @ vectors[1] > 0.5 > abs(vectors[0] @ vectors[2])
    assert stats == EncodeStats(5, 4, *2 * [sum(map(len, TEXTS))])


def test_a_vector_does_not_depend_on_what_stands_beside_it() -> None:
    encoder = HashingSpec(dim=32).load(1)
    alone = [encoder.encode([text], EncodeStats())[0].tobytes() for text in TEXTS]
    assert alone == [row.tobytes() for row in encoder.encode(TEXTS, EncodeStats())]


def test_no_texts_give_no_rows_and_no_ngrams_give_zeros() -> None:
    encoder = HashingSpec(dim=32).load(1)
    assert encoder.encode([], EncodeStats()).shape == (0, 32)
    assert not encoder.encode([""], EncodeStats()).any()


def test_what_is_inspected_is_what_is_loaded() -> None:
    spec = HashingSpec(dim=32)
    assert spec.inspect().dim == spec.load(4).dim == spec.load(1).identity["dim"] == 32
    assert spec.inspect().flops_per_token is None
    assert spec.inspect().count_tokens(["abc", "d"]) == 4
