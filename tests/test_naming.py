"""Names say what sets a subcategory apart, in any script, and differ among siblings."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.naming import choose_names, most_common, phrase_term, record_terms, score_terms, word_terms


@pytest.mark.parametrize(
    ("tag", "term"),
    [
        ("  Let's   Play ", "let's play"),
        ("#Minecraft!", "minecraft"),
        ("ＦＵＬＬ　ＷＩＤＴＨ", "full width"),
        ("Straße", "strasse"),
        ("Привет Мир", "привет мир"),
        ("日本語", "日本語"),
        ("हिन्दी गाने", "हिन्दी गाने"),
        ("🎬 film", "🎬 film"),
        ("4k", "4k"),
    ],
)
def test_a_tag_becomes_a_folded_phrase(tag: str, term: str) -> None:
    assert phrase_term(tag) == term


@pytest.mark.parametrize("tag", ["", " ", "#", "a", "2019", "🎬🎬", "the", "...", "x" * 61])
def test_a_tag_that_says_nothing_is_no_term(tag: str) -> None:
    assert phrase_term(tag) is None


def test_words_of_a_title_leave_out_what_is_common_short_or_a_number() -> None:
    assert word_terms("How to Build THE castle in 2019 - part 2, don't_panic!") == {"build", "castle", "don't_panic"}
    assert word_terms("Как построить замок") == {"как", "построить", "замок"}
    assert word_terms("日本語の動画 🎬🎬🎬") == {"日本語の動画"}


def test_a_record_counts_each_term_once() -> None:
    assert record_terms(["castle castle"], ["Castle", "sand castle", "#castle"]) == {"castle", "sand castle"}


def test_scores_are_the_share_of_videos_times_rarity_among_siblings() -> None:
    counts = {0: Counter({"piano": 4, "music": 4, "rare": 1}), 1: Counter({"guitar": 3, "music": 6})}
    sizes = {0: 5, 1: 6}
    average = (4 + 4 + 1 + 3 + 6) / 2
    expected = {
        0: [("piano", 4 / 5 * math.log(1 + average / 4)), ("music", 4 / 5 * math.log(1 + average / 10))],
        1: [("music", 6 / 6 * math.log(1 + average / 10)), ("guitar", 3 / 6 * math.log(1 + average / 3))],
    }
    found = score_terms(counts, sizes)
    expected = {label: sorted(terms, key=lambda item: -item[1]) for label, terms in expected.items()}
    assert {label: [term for term, _ in terms] for label, terms in found.items()} == {
        label: [term for term, _ in terms] for label, terms in expected.items()
    }
    for label, terms in expected.items():
        assert [score for _, score in found[label]] == pytest.approx([score for _, score in terms])


def test_a_small_subcategory_may_use_what_one_video_says() -> None:
    assert score_terms({0: Counter({"only": 1})}, {0: 4})[0][0][0] == "only"
    assert score_terms({0: Counter({"only": 1})}, {0: 5}) == {0: []}
    assert score_terms({}, {}) == {}


def test_equal_scores_are_in_alphabetical_order() -> None:
    found = score_terms({0: Counter(b=2, a=2, c=3)}, {0: 3})[0]
    assert [term for term, _ in found] == ["c", "a", "b"]


def named(terms: dict[int, list[str]], sizes: dict[int, int] | None = None, length: int = 3) -> dict[int, str]:
    scored = {label: [(term, 1 / rank) for rank, term in enumerate(found, 1)] for label, found in terms.items()}
    return choose_names(scored, sizes or dict.fromkeys(terms, 1), length)


def test_a_name_does_not_repeat_itself() -> None:
    terms = ["game", "games", "board game", "driving", "drivings", "driving school", "tuning"]
    assert named({0: terms}) == {0: "game · driving · tuning"}
    assert named({0: ["lets play", "let play", "play lets", "chess", "golf"]}) == {0: "lets play · let play · chess"}


def test_siblings_that_share_their_best_terms_get_names_of_their_own() -> None:
    best = ["piano", "violin", "cello"]
    names = named({0: [*best, "vienna"], 1: best, 2: [*best, "berlin"], 3: best}, {0: 9, 1: 10, 2: 8, 3: 7})
    assert names == {
        1: "piano · violin · cello",
        0: "piano · violin · cello · vienna",
        2: "piano · violin · cello · berlin",
        3: "piano · violin · cello (3)",
    }


def test_a_subcategory_without_terms_is_unnamed_and_still_distinct() -> None:
    assert named({0: [], 1: [], 2: ["x"]}, {0: 1, 1: 2, 2: 3}) == {2: "x", 1: "unnamed", 0: "unnamed (0)"}
    assert named({}) == {}


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.integers(0, 9), st.lists(st.sampled_from(["ab", "cd", "ef", "gh"]), unique=True), max_size=8))
def test_names_are_distinct_among_siblings(terms: dict[int, list[str]]) -> None:
    names = named(terms, length=2)
    assert set(names) == set(terms)
    assert len(set(names.values())) == len(names)
    assert all(names.values())


def test_counts_are_pruned_to_the_most_frequent_ties_by_alphabet() -> None:
    counts = Counter(b=2, a=2, d=1, c=3)
    assert most_common(counts, 2) == Counter(c=3, a=2)
    assert most_common(counts, 9) is counts
