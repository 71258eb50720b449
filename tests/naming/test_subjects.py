"""A subject stands in a name once, under the term that says it best."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.naming.counts import Term
from vidatlas.naming.scores import Scored
from vidatlas.naming.subjects import complementary, distinct_subjects
from vidatlas.naming.terms import key_of


def scored(*terms: tuple[str, str] | tuple[str, str, int]) -> list[Scored]:
    """Return terms by falling score: each a text, the videos that hold it, and how many authors tag it."""
    found = []
    for rank, (text, videos, *alone) in enumerate(terms, 1):
        bits = sum(1 << ord(video) for video in videos)
        found.append(
            Scored(Term(key_of(text), text, bits, len(videos), len(videos), alone[0] if alone else 9), 1 - rank / 99)
        )
    return found


def subjects(*terms: tuple[str, str] | tuple[str, str, int]) -> list[str]:
    return [one.term.text for one in distinct_subjects(scored(*terms), 10)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("game", "games"),
        ("car", "cars"),
        ("minecraft", "minecraft game"),
        ("minecraft", "minecraftgame"),
        ("latest news", "breaking news"),
        ("lets play", "play let"),
        ("ricetta", "ricette"),
        ("животные", "животных"),
        ("news", "news today"),
    ],
)
def test_forms_of_one_term_are_one_subject(first: str, second: str) -> None:
    assert subjects((first, "abcd"), (second, "ab"), ("chess", "e")) == [first, "chess"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("star", "start"), ("cookie", "cooking"), ("car", "cart"), ("premier league", "champions league"), ("猫", "犬")],
)
def test_other_terms_are_other_subjects(first: str, second: str) -> None:
    assert subjects((first, "ab"), (second, "cd")) == [first, second]


def test_tags_that_stand_together_are_one_subject() -> None:
    assert subjects(("apollo", "abcd"), ("moon landing", "abc"), ("rocket", "abef")) == ["apollo", "rocket"]


def test_words_that_mostly_stand_in_a_phrase_yield_to_it() -> None:
    assert subjects(("wars", "abcd"), ("star", "abce"), ("star wars", "abc"), ("toy", "xy")) == ["star wars", "toy"]
    assert subjects(("minecraft", "abcdefgh"), ("minecraft mods", "abc"), ("mods", "abxyz")) == ["minecraft", "mods"]


def test_a_phrase_that_only_filler_makes_longer_yields_to_the_shorter_unless_more_tag_it() -> None:
    assert subjects(("castle video", "abc", 2), ("castle", "abcd", 5), ("moat", "z")) == ["castle", "moat"]
    assert subjects(("dodo", "abcd", 2), ("the dodo", "abc", 5), ("moat", "z")) == ["the dodo", "moat"]
    assert subjects(("elections 2020", "abc", 5), ("elections", "abc", 2), ("fifa 18", "de")) == [
        "elections",
        "fifa 18",
    ]


def test_no_more_subjects_than_wanted_and_none_without_score() -> None:
    assert len(distinct_subjects(scored(*((f"{letter * 3}", letter) for letter in "abcdefgh")), 3)) == 3
    (one,) = scored(("word", "a"))
    assert distinct_subjects([Scored(one.term, 0.0)], 3) == []


def test_terms_of_a_name_complement_one_another() -> None:
    found = scored(("first", "abcd"), ("inside", "abc"), ("outside", "wxyz"))
    assert [one.term.text for one in complementary(found)] == ["first", "outside", "inside"]


@settings(max_examples=80)
@given(st.lists(st.tuples(st.text("abcdé ", min_size=2, max_size=8), st.text("vwxyz", min_size=1)), max_size=12))
def test_subjects_are_some_of_the_terms_in_their_order(terms: list[tuple[str, str]]) -> None:
    usable = [(" ".join(text.split()), videos) for text, videos in terms if text.strip()]
    found = scored(*usable)
    kept = distinct_subjects(found, 10)
    assert [one for one in found if one in kept] == kept
    assert sorted(complementary(kept), key=lambda one: -one.score) == kept
