"""The Universal Sentence Encoder: published weights alone, equal bytes, and meaning across languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidatlas.encoders import universal
from vidatlas.encoders.universal import UniversalEncoder, UniversalSpec
from vidatlas.errors import UsageError
from vidatlas.types import EncodeStats

TEXTS = ["how to bake bread", "como hacer pan en casa", "パンの焼き方", "premier league goals", "how to bake bread", ""]


@pytest.fixture(scope="module")
def encoder() -> UniversalEncoder:
    return UniversalSpec().load(2)


def test_equal_texts_are_equal_and_languages_share_one_space(encoder: UniversalEncoder) -> None:
    stats = EncodeStats()
    vectors = encoder.encode(TEXTS, stats)
    assert (vectors.shape, vectors.dtype) == ((6, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0].tobytes() == vectors[4].tobytes()
    bread, football = vectors[:3] @ vectors[0], vectors[3] @ vectors[0]
    assert bread.min() > football + 0.2
    assert (stats.texts, stats.distinct) == (6, 5)


def test_the_order_of_texts_changes_no_byte(encoder: UniversalEncoder) -> None:
    vectors = encoder.encode(TEXTS, EncodeStats())
    turned = encoder.encode(TEXTS[::-1], EncodeStats())
    assert turned[::-1].tobytes() == vectors.tobytes()


def test_no_texts_give_no_rows(encoder: UniversalEncoder) -> None:
    assert encoder.encode([], EncodeStats()).shape == (0, 512)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    universal._check_files.cache_clear()
    monkeypatch.setitem(universal._FILES, "sp.model", "0" * 64)
    with pytest.raises(UsageError, match=r"sp\.model is not the published file"):
        UniversalSpec().load(1)
    universal._check_files.cache_clear()
