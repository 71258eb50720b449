"""Tags, words and phrases become terms in any script; spellings of one term share a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidatlas.naming.terms import MAX_TAG_WORDS, MAX_TERM_CHARS, key_of, record_terms


def words_of(title: str) -> set[str]:
    return set(record_terms([title], []).texts.values())


@pytest.mark.parametrize(
    ("tag", "term"),
    [
        ("  Let's   Play ", "let's play"),
        ("#Minecraft!", "minecraft"),
        ("R&B", "r&b"),
        ("covid-19", "covid-19"),
        ("ＦＵＬＬ　ＷＩＤＴＨ", "full width"),
        ("Straße", "strasse"),
        ("Привет Мир", "привет мир"),
        ("日本語", "日本語"),
        ("हिन्दी गाने", "हिन्दी गाने"),
        ("🎬 film", "🎬 film"),
        ("4k", "4k"),
        ("DJ", "dj"),
        ("x" * MAX_TERM_CHARS, "x" * MAX_TERM_CHARS),
        (
            " ".join("word" + str(at) for at in range(MAX_TAG_WORDS + 1)),
            "word0 word1 word2 word3 word4 word5 word6 word7 word8",
        ),
    ],
)
def test_a_tag_is_a_term_as_it_is_written(tag: str, term: str) -> None:
    found = record_terms([], [tag])
    assert found.texts[key_of(tag)] == term
    assert found.tags == {key_of(tag)}


@pytest.mark.parametrize(
    "tag", ["", " ", "#", "a", "2019", "🎬🎬", "...", "x" * (MAX_TERM_CHARS + 1), "yt:quality=high"]
)
def test_a_tag_that_says_nothing_is_no_term(tag: str) -> None:
    assert record_terms([], [tag]) == ({}, frozenset())


def test_a_title_gives_its_words_and_phrases_within_punctuation() -> None:
    assert words_of("Star Wars: a new toy") == {
        *("star", "wars", "star wars"),
        *("new", "toy", "a new", "new toy", "a new toy"),
    }
    assert words_of("Как построить") == {"как", "построить", "как построить"}
    assert words_of("日本語の動画 🎬🎬🎬 ok") == {"日本語", "動画", "日本語の", "の動画", "日本語の動画"}


def test_letters_keep_their_combining_marks() -> None:
    assert words_of("हिन्दी गाने") == {"हिन्दी", "गाने", "हिन्दी गाने"}
    assert words_of("தமிழ்") == {"தமிழ்"}


def test_words_within_a_tag_are_terms_but_no_tags() -> None:
    found = record_terms([], ["board game"])
    assert dict(found.texts) == {"board": "board", "game": "game", "boardgame": "board game"}
    assert found.tags == {"boardgame"}


def test_a_function_word_that_repeats_the_title_is_no_tag() -> None:
    found = record_terms(["I tried this game"], ["this", "tried", "game", "every", "the game"])
    assert found.tags == {"tried", "game", "every", "thegame"}
    assert "this" in found.texts


def test_spellings_of_one_term_share_a_key() -> None:
    assert len({key_of(text) for text in ("mine craft", "Minecraft", "#mine-craft", "MINECRAFT!")}) == 1
    assert key_of("Música") == key_of("musica")
    assert key_of("İstanbul") == key_of("istanbul")
    assert record_terms(["Mine Craft"], ["minecraft"]).texts["minecraft"] == "minecraft"


def test_marks_that_make_another_letter_stay() -> None:
    assert key_of("がき") != key_of("かき")
    assert key_of("й") != key_of("и")
    assert key_of("가나") == "가나"


@given(st.lists(st.text(max_size=80), max_size=4), st.lists(st.text(max_size=80), max_size=4))
def test_any_text_gives_bounded_terms_with_keys(titles: list[str], tags: list[str]) -> None:
    found = record_terms(titles, tags)
    assert all(2 <= len(key) <= MAX_TERM_CHARS and any(map(str.isalpha, key)) for key in found.texts)
    assert all("\n" not in text and text for text in found.texts.values())
    assert found.tags <= found.texts.keys()
    assert all(key_of(text) == key for key, text in found.texts.items())
