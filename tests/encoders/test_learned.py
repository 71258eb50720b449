"""Encoders that learn do so of all texts, whatever the shards; vectors are those of scikit-learn, of counts by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from vidatlas import encoders
from vidatlas.encoders.learned import Learned, Survey, most_frequent, survey_words, words_of
from vidatlas.encoders.tfidf import TfidfSpec
from vidatlas.encoders.word_ranks import SequencesSpec
from vidatlas.types import EncodeStats

TEXTS = ["A cat sat with a cat", "the DOG and the cat", "Été à Paris", "dog dog paris", "it is", ""]


def learned(spec: Any, *shards: list[str]) -> Learned:
    total = Survey()
    for texts in shards:
        total = total.merge(spec.survey(texts))
    found = spec.learn(total)
    assert isinstance(found, Learned)
    return found


@pytest.mark.parametrize("spec", [TfidfSpec(dim=8), SequencesSpec(dim=4, words=3)])
def test_what_is_learned_does_not_depend_on_the_shards(spec: Any) -> None:
    whole = learned(spec, TEXTS)
    for at in range(len(TEXTS)):
        assert learned(spec, TEXTS[:at], TEXTS[at:]).sha256 == whole.sha256
    assert learned(spec, [*TEXTS, "dog"]).sha256 != whole.sha256


def test_words_of_many_shards_are_bounded_and_the_frequent_ones_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.learned, "MOST_WORDS", 3)
    total, most = Survey(), 0
    for shard in range(20):
        total = total.merge(survey_words(["often seldom", "often", f"once{shard}"]))
        most = max(most, len(total.words))
    assert most <= 6
    assert total.texts == 60
    assert most_frequent(total.words, 2) == [("often", 40), ("seldom", 20)]


def test_tfidf_is_that_of_scikit_learn() -> None:
    spec = TfidfSpec(dim=5)
    encoder = spec.load_learned(learned(spec, TEXTS), 1)
    peer = TfidfVectorizer(stop_words="english", lowercase=True).fit(TEXTS)
    names = list(learned(spec, TEXTS).names)
    assert sorted(names) == sorted(peer.get_feature_names_out())
    found = encoder.encode(TEXTS, stats := EncodeStats())
    order = [names.index(word) for word in peer.get_feature_names_out()]
    np.testing.assert_allclose(found[:, order], peer.transform(TEXTS).toarray(), atol=1e-6)
    assert (found.shape, found.dtype) == ((6, 5), np.float32)
    assert stats.tokens == sum(len(words_of(text)) for text in TEXTS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("मोदी की रैली", ["मोदी", "की", "रैली"]),
        ("தமிழ் செய்திகள்", ["தமிழ்", "செய்திகள்"]),
        ("İstanbul gezisi", ["istanbul", "gezisi"]),
        ("a café 1\ufe0f\u20e3 👍🏽 ab_c", ["café", "ab_c"]),
    ],
)
def test_a_word_keeps_its_combining_marks(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_dimensions_without_a_word_stay_zero() -> None:
    spec = TfidfSpec(dim=50)
    encoder = spec.load_learned(learned(spec, TEXTS), 1)
    found = encoder.encode(TEXTS, EncodeStats())
    assert found.shape == (6, 50) == (6, spec.inspect().dim)
    assert not found[:, 5:].any()
    assert encoder.identity["dim"] == 50
    assert encoder.encode([], EncodeStats()).shape == (0, 50)


def test_sequences_are_ranks_that_end_where_the_text_ends() -> None:
    spec = SequencesSpec(dim=3, words=4)
    what = learned(spec, TEXTS)
    assert what.names == ("cat", "dog", "paris", "and")
    found = spec.load_learned(what, 1).encode(["cat dog", "paris and cat dog unknown", ""], EncodeStats())
    np.testing.assert_allclose(found, np.array([[0, 1, 2], [4, 1, 2], [0, 0, 0]], np.float32) / 4)
