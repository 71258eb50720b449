"""A record's vector is the weighted mean of its fields' means, as a plain loop computes it."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.encoders.mix import FieldMix, MixSpec, distinct_texts, mix
from vidatlas.types import Floats

DIM = 6
Texts = list[list[str]]


def vector(text: str) -> Floats:
    digest = hashlib.sha256(text.encode()).digest()
    return np.frombuffer(digest, np.int8)[:DIM].astype(np.float32) / 100


def field(texts: Texts, weight: float, max_chars: int | None = None) -> FieldMix:
    return FieldMix(pa.array(texts, pa.list_(pa.string())), max_chars, weight)


def mixed(fields: list[FieldMix], normalize: bool = False) -> Floats:
    texts, weights = distinct_texts(fields)
    assert len(texts) == len(set(texts))
    return mix(weights, np.stack([vector(text) for text in texts]), MixSpec(normalize=normalize))


def naive(records: list[tuple[list[str], list[str]]], max_chars: int | None) -> np.ndarray:
    rows = []
    for texts_of_fields in records:
        total, weights = np.zeros(DIM), 0.0
        for texts, weight in zip(texts_of_fields, (0.6, 0.4), strict=True):
            if texts:
                total += weight * np.mean([vector(text[:max_chars]) for text in texts], axis=0, dtype=np.float64)
                weights += weight
        rows.append(total / weights)
    return np.array(rows)


TEXT = st.text("ab🎬é", min_size=1, max_size=5)
RECORD = st.tuples(st.lists(TEXT, max_size=1), st.lists(TEXT, max_size=4)).filter(any)


@settings(max_examples=80)
@given(st.lists(RECORD, min_size=1, max_size=8), st.none() | st.integers(1, 4))
def test_a_mix_equals_the_plain_loop(records: list[tuple[list[str], list[str]]], max_chars: int | None) -> None:
    titles, tags = ([record[which] for record in records] for which in (0, 1))
    found = mixed([field(titles, 0.6, max_chars), field(tags, 0.4, max_chars)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive(records, max_chars), atol=1e-6)


@pytest.mark.parametrize(
    ("title", "tags", "expected"),
    [
        (["t"], [], vector("t")),
        ([], ["a", "b"], (vector("a") + vector("b")) / 2),
        (["t"], ["a"], 0.6 * vector("t") + 0.4 * vector("a")),
        (["t"], ["a", "a", "b"], 0.6 * vector("t") + 0.4 * (2 * vector("a") + vector("b")) / 3),
        (["same"], ["same"], vector("same")),
    ],
)
def test_absent_fields_share_out_their_weight(title: list[str], tags: list[str], expected: Floats) -> None:
    for weights in ((0.6, 0.4), (3, 2)):
        found = mixed([field([title], weights[0]), field([tags], weights[1])])
        np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_every_row_of_weights_sums_to_one_and_texts_are_distinct() -> None:
    texts, weights = distinct_texts([field([["a"], [], ["a"]], 0.6), field([["b", "c"], ["a"], []], 0.4)])
    assert texts == ["a", "b", "c"]
    np.testing.assert_allclose(sum(weights).toarray(), [[0.6, 0.2, 0.2], [1, 0, 0], [1, 0, 0]], atol=1e-7)


def test_texts_are_cut_in_code_points_not_bytes() -> None:
    family = "👨‍👩‍👧‍👦"
    texts, _ = distinct_texts([field([[family * 3], ["é" * 9], ["short"]], 1, 7)])
    assert texts == [family, "é" * 7, "short"]


def test_texts_equal_after_cutting_are_encoded_once() -> None:
    texts, weights = distinct_texts([field([["abc", "abd", "x"]], 1, 2)])
    assert texts == ["ab", "x"]
    np.testing.assert_allclose(weights[0].toarray(), [[2 / 3, 1 / 3]], atol=1e-7)


def test_normalised_vectors_have_length_one_and_zero_stays_zero() -> None:
    _, weights = distinct_texts([field([["a"], ["b"], ["zero"]], 1)])
    vectors = np.array([[3, 4], [0, 1e-3], [0, 0]], np.float32)
    np.testing.assert_allclose(mix(weights, vectors, MixSpec(normalize=True)), [[0.6, 0.8], [0, 1], [0, 0]], atol=1e-7)
    np.testing.assert_array_equal(mix(weights, vectors, MixSpec()), vectors)


def test_normalised_fields_count_by_their_weight_alone() -> None:
    texts, weights = distinct_texts([field([["a"], ["a"], []], 0.6), field([["b", "c"], [], ["b"]], 0.4)])
    assert texts == ["a", "b", "c"]
    vectors = np.array([[10, 0], [0, 2], [0, 4]], np.float32)
    spec = MixSpec(normalize_fields=True)
    np.testing.assert_allclose(mix(weights, vectors, spec), [[0.6, 0.4], [1, 0], [0, 1]], atol=1e-6)
    opposite = np.array([[1, 0], [0, 1], [0, -1]], np.float32)
    np.testing.assert_allclose(mix(weights, opposite, spec)[0], [0.6, 0], atol=1e-6)


def test_sliced_columns_are_read_in_their_slice() -> None:
    texts = pa.array([["w"], ["a", "b"], [], ["c"]], pa.list_(pa.string())).slice(1)
    found, weights = distinct_texts([FieldMix(texts, None, 1), field([["x"], ["x"], ["x"]], 1)])
    assert found == ["a", "b", "c", "x"]
    np.testing.assert_allclose(sum(weights).toarray(), [[0.25, 0.25, 0, 0.5], [0, 0, 0, 1], [0, 0, 0.5, 0.5]])
